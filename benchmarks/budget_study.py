"""Measure AUC against the number of boxes, by three ways of spending them.

    python -m benchmarks.budget_study --workers 2     # the embedded videos: 33 runs
    python -m benchmarks.budget_study --budgets 20,40,80 --seeds 0,1,2 --grow 40+20
    python -m benchmarks.budget_study --data DATA --budgets 10,20 --out DIR     # real sequences
    python -m benchmarks.budget_study --smoke         # every part once, in a minute

The ways are few videos labelled densely, many sparsely, and many sparsely with unlabelled videos.
DATA is that of `benchmarks.real_data`.

Each cell (a way of spending, a budget, a seed) trains the recipe `spot budget_study` on one core
and tests it; finished cells are kept as JSON in DIR/cells, so the command may be stopped and given
again. `--grow B+N` compares N labels that `suggest` names with N random ones, added to many-sparse
of B boxes. Writes DIR/table.md and DIR/auc.png. One cell takes two to three minutes of one core;
before the first one the embedded videos are rendered and searched for targets, some five minutes.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import WORKSPACE, data_tree
from ltr.admin.errors import BadInput, BadValue, run_script
from ltr.io.files import atomic_write, write_text

VIDEOS = {
    "train": 60,
    "test": 60,
}  # embedded videos: enough that every budget leaves some without a label
SMOKE_VIDEOS, SMOKE_SIZE, SMOKE_FRAMES = {"train": 6, "test": 2}, (240, 180), (24, 28)
SMOKE = {
    "burn_in_epochs": "1",
    "epochs": "2",
    "iterations": "2",
    "batch": "4",
    "labelled": "2",
    "unlabelled": "2",
    "teacher.iou_threshold": "0.0",
}
TOY_LOCAL = """from pytracking.evaluation.environment import EnvSettings


def local_env_settings():
    settings = EnvSettings()
    settings.network_path = {out!r} + "/networks"
    settings.results_path = {out!r} + "/tracking_results"
    settings.result_plot_path = {out!r} + "/result_plots"
    settings.toy_path = {out!r} + "/toy"
    return settings
"""


def main() -> None:
    """Prepare the data, run the cells that are not there yet, write table and plot."""
    options = _options()
    out = options.out.resolve()
    if options.cell:
        cell = _cell(options.cell)
        options.arms = cell.arm  # only one of them needs the found targets
        from spot_ext.studies.budget_study import run_cell

        run_cell(prepare(options, out), cell)
        return
    study = prepare(options, out)
    cells, grown = _cells(options)
    for group in (cells, grown):  # the grown ones need the run of their base
        run_all(group, study, options)
    write_report(study, [study.result(cell) for cell in (*cells, *grown)], options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=None, help="workspace of the study (workspace/budget_study)"
    )
    parser.add_argument(
        "--data", type=Path, help="real sequences instead: got10k/{train,val}, lasot and otb"
    )
    parser.add_argument("--budgets", default="20,40,80", help="numbers of boxes (20,40,80)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument(
        "--arms", default=None, help="few-dense,many-sparse,many-sparse+unlabelled (all of them)"
    )
    parser.add_argument(
        "--grow",
        default="40+20",
        metavar="B+N",
        help="suggested against random labels; 'none' leaves it out",
    )
    parser.add_argument("--workers", type=int, default=1, help="cells at a time, one core each")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="tiny videos, a few iterations, one seed: does it all work?",
    )
    parser.add_argument("--cell", metavar="NAME", help="run this cell only, here")
    options = parser.parse_args()
    if options.smoke:
        options.budgets, options.seeds, options.grow = "4", "0", "4+2"
    options.out = options.out or WORKSPACE / f"budget_study{'_smoke' * options.smoke}"
    return options


def prepare(options: argparse.Namespace, out: Path):
    """Point both local.py at the study's data, render what is to be rendered, and find targets in
    the training videos.
    """
    from ltr.recipes import parse_assignments

    if options.data is None:
        for variable, name, text in (
            (
                "LTR_LOCAL",
                "ltr_local.py",
                data_tree.LTR_LOCAL.format(out=str(out), train=str(out / "toy/train")),
            ),
            ("PYTRACKING_LOCAL", "pytracking_local.py", TOY_LOCAL.format(out=str(out))),
        ):
            write_text(out / name, text)
            os.environ[variable] = str(out / name)
        from spot_ext.rendering import drawn

        small = {"size": SMOKE_SIZE, "frames": SMOKE_FRAMES} if options.smoke else {}
        train = (
            drawn.ensure(
                out / "toy", splits=SMOKE_VIDEOS if options.smoke else VIDEOS, **small
            ).root
            / "train"
        )
        tests = ("toy",)
    else:
        data, _ = data_tree.configure(options.data, out)
        train, tests = data / "got10k/train", tuple(data_tree.TEST_SETS)
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    from ltr.train_settings.spot import budget_study as own
    from spot_ext.studies.budget_study import WITH_UNLABELLED, Study, find_targets

    config = own.config().override(
        {**(SMOKE if options.smoke else {}), **parse_assignments(options.set)}
    )
    study = Study(train, tests, out, config)
    if WITH_UNLABELLED not in (options.arms or WITH_UNLABELLED).split(","):
        return study
    if not (out / "discovered.json").is_file():
        print(f"finding targets in the videos of {train}, once", flush=True)
    return dataclasses.replace(study, discovered=find_targets(train, out / "discovered.json"))


def _cells(options: argparse.Namespace) -> tuple[list, list]:
    from spot_ext.studies.budget_study import ARMS, GROWN, MANY_SPARSE, Cell

    arms = ARMS if options.arms is None else tuple(options.arms.split(","))
    if unknown := set(arms) - set(ARMS):
        raise BadValue(f"--arms {sorted(unknown)[0]}: choose from {', '.join(ARMS)}")
    seeds = _numbers("--seeds", options.seeds)
    cells = [
        Cell(arm, boxes, seed)
        for seed in seeds
        for boxes in _numbers("--budgets", options.budgets)
        for arm in arms
    ]
    if options.grow == "none":
        return cells, []
    try:
        boxes, added = map(int, options.grow.split("+"))
    except ValueError:
        raise BadValue(
            f"--grow {options.grow}: give two whole numbers, e.g. 40+20, or none"
        ) from None
    bases = [Cell(MANY_SPARSE, boxes, seed) for seed in seeds]
    grown = [Cell(arm, boxes, seed, added) for seed in seeds for arm in GROWN]
    return cells + [cell for cell in bases if cell not in cells], grown


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadValue(f"{option} {text}: give whole numbers, e.g. 20,40,80") from None


def _cell(name: str):
    from spot_ext.studies.budget_study import Cell

    match = re.fullmatch(r"(.+)_(\d+)(?:\+(\d+))?_seed_(\d+)", name)
    if match is None:
        raise BadValue(
            f"--cell {name}: not the name of a cell, which is like many-sparse_40_seed_000"
        )
    arm, boxes, added, seed = match.groups()
    return Cell(arm, int(boxes), int(seed), int(added or 0))


def run_all(cells: Sequence, study, options: argparse.Namespace) -> None:
    """Run the missing cells, each in a process with one thread. BadInput after all when some
    failed.
    """
    missing = [cell for cell in cells if not study.is_done(cell)]
    print(f"{len(cells) - len(missing)} of {len(cells)} cells are there", flush=True)
    with ThreadPoolExecutor(max(1, options.workers)) as pool:
        failed = [
            cell.name
            for cell, code in zip(
                missing, pool.map(lambda cell: _run(cell, study, options), missing), strict=True
            )
            if code
        ]
    if failed:
        raise BadInput(
            f"{len(failed)} cells failed, the first is {failed[0]}: read "
            f"{study.folder / 'logs' / failed[0]}.log, "
            "mend it, and start the same command again"
        )


REPOSITORY = Path(__file__).resolve().parents[1]


def _run(cell, study, options: argparse.Namespace) -> int:
    log = study.folder / "logs" / f"{cell.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "benchmarks.budget_study",
        "--out",
        str(study.folder),
        "--cell",
        cell.name,
        *(("--data", str(options.data.resolve())) if options.data else ()),
        *(["--smoke"] if options.smoke else []),
        *(part for text in options.set for part in ("--set", text)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    with log.open("a", encoding="utf-8") as file:
        code = subprocess.run(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, check=False
        ).returncode
    if not code:
        result = study.result(cell)
        print(
            f"{cell.name}: AUC {result['auc']:.1f}, {result['cpu_seconds']:.0f} s of CPU time",
            flush=True,
        )
    return code


def write_report(study, results: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    """Print and write the tables, and draw the plot."""
    rest = "videos | AUC, mean ± std | each seed | explored | CPU min a run |\n|" + "---|" * 7
    parts = [f"| boxes | spent on | {rest}"]
    groups = _grouped(result for result in results if not result["added"])
    for (arm, boxes, _), group in sorted(groups.items(), key=lambda item: (item[0][1], item[0][0])):
        parts.append(_row(boxes, arm, group))
    grown = _grouped(result for result in results if result["added"])
    if grown:
        parts += ["", f"| boxes | labels added | {rest}"]
        boxes = next(iter(grown))[1]
        parts.append(_row(boxes, "none", groups["many-sparse", boxes, 0]))
        parts += [
            _row(f"{boxes} + {added}", arm, group) for (arm, _, added), group in grown.items()
        ]
    total = sum(result["cpu_seconds"] for result in results) / 3600
    parts += [
        "",
        f"{len(results)} runs, {total:.2f} hours of CPU time, "
        f"{platform.processor() or platform.machine()}.",
    ]
    write_text(study.folder / "table.md", "\n".join(parts) + "\n")
    plot(groups, study.folder / "auc.png")
    print("\n".join(parts), study.folder / "table.md", study.folder / "auc.png", sep="\n")


def _grouped(results) -> dict[tuple[str, int, int], list[dict[str, Any]]]:
    groups: dict = {}
    for result in results:
        groups.setdefault((result["arm"], result["boxes"], result["added"]), []).append(result)
    return groups


def _row(boxes: int | str, arm: str, group: Sequence[dict[str, Any]]) -> str:
    aucs = [result["auc"] for result in group]
    videos = "-".join(map(str, sorted({result["videos"] for result in group})))
    more = max(result["unlabelled_videos"] for result in group)
    return (
        f"| {boxes} | {arm} | {videos}{f' + {more}' if more else ''} | {np.mean(aucs):.1f} ± "
        f"{np.std(aucs):.1f} | "
        f"{', '.join(f'{auc:.1f}' for auc in aucs)} | "
        f"{100 * np.mean([result['explored'] for result in group]):.0f}% | "
        f"{np.mean([result['cpu_seconds'] for result in group]) / 60:.1f} |"
    )


def plot(groups: dict[tuple[str, int, int], list[dict[str, Any]]], file: Path) -> None:
    """AUC against boxes, one line a way of spending; bars are the standard deviation over seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4))
    for arm, marker in zip(dict.fromkeys(arm for arm, _, _ in groups), "osD^v", strict=False):
        points = {
            boxes: [result["auc"] for result in groups[arm, boxes, 0]]
            for boxes in sorted(boxes for name, boxes, _ in groups if name == arm)
        }
        axes.errorbar(
            list(points),
            [np.mean(aucs) for aucs in points.values()],
            [np.std(aucs) for aucs in points.values()],
            marker=marker,
            capsize=3,
            label=arm,
        )
    axes.set(xlabel="boxes", ylabel="AUC", xscale="log")
    ticks = sorted({boxes for _, boxes, _ in groups})
    axes.set_xticks(ticks, ticks)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    with atomic_write(file) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    pyplot.close(figure)


if __name__ == "__main__":
    run_script(main)
