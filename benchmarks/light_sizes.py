"""Compare sizes of the light TransT by accuracy and speed, each trained alike for minutes.

    python -m benchmarks.light_sizes DATA [--sizes small,shipped] [--out DIR] [--set NAME=VALUE …]

DATA: see `benchmarks.data_tree`; its training sequences are tracked. Every size has the shipped
network's recipe, cut short: fewer rendered videos, the backbone held at its ImageNet weights, bf16.
Prints a Markdown table: parameters, AUC and OP50, IoU of the last labelled pairs, and frames/s of
`track()` at 1280x720 on one core (1 / CPU time) with torch and ONNX Runtime. A quarter of an hour a
size; it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import WORKSPACE
from benchmarks.data_tree import TRAIN_SETS, configure
from ltr.admin.errors import BadValue, run_script, suggestion
from ltr.io.files import write_text

SIZES = {
    "small": (
        "1 layer of 96",
        {"hidden_dim": 96, "dim_feedforward": 384, "featurefusion_layers": 1},
    ),
    "shipped": ("2 layers of 128", {}),
    "large": ("2 layers of 192", {"hidden_dim": 192, "dim_feedforward": 768, "nheads": 6}),
    "small_crops": (
        "2 layers of 128, crops of 97 and 193 px",
        {"template_sz": 97, "search_sz": 193},
    ),
}
VIDEOS = 1500
SCHEDULE = {
    "burn_in_epochs": 5,
    "epochs": 6,
    "iterations": 80,
    "optim": {"decay_epoch": 5},
    "precision": "bf16",
    "num_workers": 1,
    "frame_cache_mb": 4000,
    "keep_checkpoints": 1,
}


def main() -> None:
    """Train what is missing, track, time, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--sizes", default=",".join(SIZES), help=f"some of {', '.join(SIZES)} (all)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=WORKSPACE / "light_sizes",
        help="workspace of this benchmark",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )
    options = parser.parse_args()
    names = options.sizes.split(",")
    for name in names:
        if name not in SIZES:
            raise BadValue(
                f"--sizes {name}: not a size{suggestion(name, SIZES)}; choose from "
                f"{', '.join(SIZES)}"
            )
    _, out = configure(options.data, options.out)
    from benchmarks.light import use_one_core

    use_one_core(None)
    from pytracking.evaluation import get_dataset
    from spot_ext.studies import evaluate
    from spot_ext.training.architectures import get_architecture

    trainers = {name: trained(name, options) for name in names}
    files = {name: out / "networks" / f"light_{name}.pth.tar" for name in names}
    trackers = evaluate.track(
        [
            evaluate.Candidate(name, file, 3, get_architecture("transt_light"))
            for name, file in files.items()
        ],
        get_dataset(*TRAIN_SETS),
        out / "results",
    )
    rows = evaluate.score_rows(trackers, get_dataset(*TRAIN_SETS), "light_sizes")
    lines = [
        "| size | parameters | AUC | OP50 | IoU of pairs | frames/s, torch | frames/s, ONNX |",
        "|---|" + "---|" * 6,
    ]
    for name, row in zip(names, rows, strict=True):
        (millions, speeds), known = (
            speed(files[name]),
            trainers[name].stats["train"]["iou_sup"].history[-1],
        )
        lines.append(
            f"| {SIZES[name][0]} | {millions} M | {row.scores['AUC']:.1f} | "
            f"{row.scores['OP50']:.1f} | "
            f"{known:.3f} | {' | '.join(f'{fps:.0f}' for fps in speeds)} |"
        )
    write_text(out / "table.md", "\n".join(lines) + "\n")
    print("\n".join(lines))


def trained(name: str, options: argparse.Namespace):
    """The finished trainer of one size."""
    from ltr.admin.settings import Settings
    from ltr.recipes import parse_assignments
    from ltr.train_settings.spot import transt_light
    from spot_ext.training import recipe
    from spot_ext.training.config import DatasetConfig

    settings, base = Settings(), transt_light.config()
    settings.seed, settings.overrides = options.seed, parse_assignments(options.set)
    settings.project_path, settings.print_interval = f"ltr/spot/light_{name}", 40
    network = {**base.network, "frozen_backbone_layers": "all", **SIZES[name][1]}
    return recipe.train(
        settings,
        base.replace(
            network=network,
            publish=f"light_{name}",
            **SCHEDULE,
            crops={"template_size": network["template_sz"], "search_size": network["search_sz"]},
            datasets=(
                DatasetConfig("RenderedVideos", {**base.datasets[0].options, "count": VIDEOS}),
            ),
        ),
    )


def speed(file: Path) -> tuple[str, list[float]]:
    """Parameters in millions, and frames/s with torch and ONNX Runtime."""
    from benchmarks import light
    from pytracking.features.net_wrappers import NetWithBackbone

    wrapper = NetWithBackbone(str(file), use_gpu=False)
    wrapper.initialize()
    frames, boxes = light.video(60, 120)
    return light.millions(wrapper.net), [
        1000 / light.measure(light.Matching(wrapper, backend), frames, boxes)[0]
        for backend in ("torch", "onnx")
    ]


if __name__ == "__main__":
    run_script(main)
