"""Compare the light TransT with OpenCV's trackers on real sequences: AUC, OP50 and frames/s.

    python -m benchmarks.light_accuracy DATA [--network FILE …] [--no-finetuning] [--train]

DATA: see `benchmarks.data_tree`. One pass, the box of the first frame is given, one core. Rows: the
shipped network with torch and ONNX Runtime, the same after SPOT fine-tuning on `got10k/train` with
three boxes a video (trained first), CSRT, KCF and MIL where OpenCV has them (the first two take
opencv-contrib-python in place of opencv-python), and the networks given. `--train` tracks the
training sequences of GOT-10k and LaSOT instead, for choices between networks. Prints Markdown
tables, writes them as JSON; finished sequences are kept when it is started again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from benchmarks import WORKSPACE
from benchmarks.data_tree import TEST_SETS, TRAIN_SETS, configure
from ltr.admin.errors import NotConfigured, run_script
from ltr.io.files import write_text

RIVALS = ("CSRT", "KCF", "MIL")
OP50 = 10  # index of the overlap threshold 0.5 among 0, 0.05, …


def main() -> None:
    """Fine-tune, track, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--network", type=Path, action="append", default=[], help="another light network to compare"
    )
    parser.add_argument("--no-finetuning", action="store_true")
    parser.add_argument(
        "--train",
        action="store_true",
        help="the training sequences instead, which choices may be made on",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=WORKSPACE / "light_accuracy",
        help="workspace of this benchmark",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the fine-tuning")
    options = parser.parse_args()
    _, out = configure(options.data, options.out)
    from pytracking.analysis.load_results import load_results
    from pytracking.evaluation import get_dataset
    from pytracking.evaluation.running import run_dataset

    harnesses = networks(options, out) + rivals(out)
    from benchmarks.light import use_one_core

    use_one_core(None)
    dataset = get_dataset(*(TRAIN_SETS if options.train else TEST_SETS))
    for harness in harnesses:
        run_dataset(dataset, [harness], threads=0, quiet=True)
    evaluation = load_results(
        harnesses, dataset, "light_accuracy", "success", force_evaluation=True
    )
    curves_STB = np.asarray(evaluation["ave_success_rate_plot_overlap"]) * 100
    table = {
        harness.display_name: {
            seq.name: {
                "AUC": curves_STB[s, t].mean(),
                "OP50": curves_STB[s, t, OP50],
                "frames/s": speed(harness, seq),
            }
            for s, seq in enumerate(dataset)
        }
        for t, harness in enumerate(harnesses)
    }
    write_text(out / "light_accuracy.json", json.dumps(table, indent=1, default=float) + "\n")
    print(markdown(table))


def networks(options: argparse.Namespace, out: Path) -> list:
    """The shipped network on both backends, fine-tuned, and the networks asked for."""
    from pytracking.evaluation.network_tracker import NetworkTracker
    from pytracking.parameter.transt.light import SHIPPED
    from spot_ext.studies.evaluate import Candidate
    from spot_ext.training.architectures import get_architecture

    def row(name: str, file: Path, parameters: str | None = None) -> NetworkTracker:
        candidate = Candidate(name, file, 3, get_architecture("transt_light"))
        tracker = candidate.tracker(out / "results")
        tracker.parameter_name = parameters or tracker.parameter_name
        return tracker

    rows = (
        [row("light", SHIPPED), row("light, ONNX", SHIPPED, "light_onnx")]
        if SHIPPED.is_file()
        else []
    )
    if rows and not options.no_finetuning and not options.train:
        rows.append(row("light, fine-tuned", finetuned(options.seed, out)))
    return rows + [row(file.stem, file.resolve()) for file in options.network]


def finetuned(seed: int, out: Path) -> Path:
    """Train `spot transt_light_finetune` on got10k/train, or find it finished."""
    from ltr.recipes import run_training

    run_training("spot", "transt_light_finetune", seed=seed)
    return out / "networks" / "spot_transt_light_finetuned.pth.tar"


def rivals(out: Path) -> list:
    """OpenCV's trackers that are there."""
    from benchmarks.rivals import OpenCVHarness

    found = []
    for method in RIVALS:
        harness = OpenCVHarness(method, out / "results")
        try:
            harness.get_parameters()
        except NotConfigured as error:
            print(f"{method}: {error}")
            continue
        found.append(harness)
    return found


def speed(harness, seq) -> float:
    """Frames per second from the stored times, the first frame left out."""
    times = np.loadtxt(Path(harness.results_dir) / f"{seq.name}_time.txt")
    return 1 / float(np.median(times[1:]))


def markdown(table: dict[str, dict[str, dict[str, float]]]) -> str:
    """Means over the sequences, then AUC / OP50 / frames per second of each sequence."""
    lines = ["| tracker | AUC | OP50 | frames/s |", "|---|---|---|---|"]
    for name, rows in table.items():
        means = [
            np.mean([row[column] for row in rows.values()])
            for column in ("AUC", "OP50", "frames/s")
        ]
        lines.append(f"| {name} | {means[0]:.1f} | {means[1]:.1f} | {means[2]:.0f} |")
    sequences = list(next(iter(table.values())))
    lines += ["", f"| AUC / OP50 / frames/s | {' | '.join(table)} |", f"|---|{'---|' * len(table)}"]
    for seq in sequences:
        cells = [
            f"{rows[seq]['AUC']:.1f} / {rows[seq]['OP50']:.0f} / {rows[seq]['frames/s']:.0f}"
            for rows in table.values()
        ]
        lines.append(f"| {seq} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    run_script(main)
