"""The verb `sample`: choose which frames of a data set get a box."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from ltr.admin.arguments import LABELS, LABELS_OF_A_VIDEO, SEED, VIDEOS
from ltr.admin.errors import BadInput, BadValue, suggestion
from ltr.admin.places import input_place, output_place, require_output
from spot_ext.commands import suggest_next, verb

DATASETS = {
    "lasot": "Lasot",
    "got10k": "Got10k",
    "trackingnet": "TrackingNet",
    "folder": "VideoFolder",
}
STRATEGIES = ("uniform", "length-proportional", "few-dense", "many-sparse", "diverse")
TEXT = """Choose which frames of a data set get a box, and write the label file. With --k every
video gets as many; --budget spreads a total over the data set:

  uniform              the same number for all videos
  length-proportional  more for longer videos
  few-dense            10 a video, in as few videos as that makes
  many-sparse          2 a video, in as many videos as that makes
  diverse              3 a video, in videos whose content differs most

--videos N sets the number of videos instead. Within a video the frames are drawn by the paper's
rule."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `sample`."""
    parser.add_argument("dataset", help=f"one of {', '.join(DATASETS)}")
    parser.add_argument(
        "--root",
        type=input_place,
        help="folder of the data set; default: the one in ltr/admin/local.py",
    )
    parser.add_argument(
        "--split", help="split or comma-separated TrackingNet sets; default: the whole training set"
    )
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--k", type=LABELS_OF_A_VIDEO, help="boxes per video (3)")
    amount.add_argument("--budget", type=LABELS, metavar="B", help="boxes in all, exactly")
    parser.add_argument("--videos", type=VIDEOS, metavar="N", help="label N videos only")
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="how a budget is spread (uniform), or with --k and --videos, "
        "how the videos are chosen: uniform (at random) or diverse",
    )
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument(
        "--walk-back",
        action="store_true",
        help="move to the last human box (default for TrackingNet)",
    )
    parser.add_argument(
        "--out", type=output_place, default=Path("."), help="folder or file for the result"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def open_named(name: str, root: Path | None = None, split: str | None = None):
    """Open a data set by the short name that verbs use; `root` instead of the folder in
    ltr/admin/local.py.
    """
    from ltr.admin.environment import ensure_local_file
    from pytracking.evaluation.datasets import open_dataset

    if name not in DATASETS:
        raise BadValue(
            f"data set '{name}' is not known{suggestion(name, DATASETS)} Choose one of: "
            f"{', '.join(DATASETS)}."
        )
    if root is None:
        ensure_local_file()
    if name == "trackingnet" and split is not None:
        set_ids = [_set_id(part) for part in split.split(",")]
        return open_dataset(name, root, training=True, set_ids=set_ids)
    return open_dataset(name, root, split, training=True)


@verb(
    "sample",
    TEXT,
    examples=[
        "toy --out videos",
        "sample got10k --root videos/train --budget 60 --strategy few-dense --seed 0 --out labels",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Choose the frames, write the label file, say what was chosen; return the exit status."""
    from ltr.io.progress import CountProgress
    from spot_ext.boxes import budget, key_frames
    from spot_ext.boxes.formats import label_file

    walk_back = options.walk_back or options.dataset == "trackingnet"
    _check(options)
    if options.out.suffix != ".json":
        require_output(options.out, is_folder=True)
    dataset = open_named(options.dataset, options.root, options.split)
    if options.budget is None and options.videos is None:
        labels = key_frames.choose(
            dataset, 3 if options.k is None else options.k, options.seed, walk_back
        )
    else:
        strategy = options.strategy or "uniform"
        boxes = (
            options.budget
            if options.budget is not None
            else options.videos * (3 if options.k is None else options.k)
        )
        progress = (
            CountProgress("sample", "videos", dataset.get_num_sequences())
            if strategy == "diverse"
            else None
        )
        try:
            labels = budget.choose(
                dataset,
                budget.Budget(boxes, strategy, options.videos),
                options.seed,
                walk_back,
                progress.step if progress else None,
            )
        finally:
            if progress:
                progress.close()
    if not labels.videos:
        raise BadInput(
            f"none of {dataset.get_num_sequences()} videos has enough frames that show the target "
            "for these labels; "
            "give longer videos or ask for fewer boxes a video"
        )
    if options.out.suffix != ".json":
        options.out.mkdir(parents=True, exist_ok=True)
        options.out = options.out / f"{labels.extra.get('name', labels.name)}.json"
    path = label_file.write(labels, options.out)
    _report(options, dataset, labels, path)
    if options.dataset == "folder" and options.root is not None:
        suggest_next("label", options.root, "--boxes", path, "--out", "labelled")
    return 1 if labels.extra.get(key_frames.UNREADABLE) else 0


def _check(options: argparse.Namespace) -> None:
    if options.budget is None and options.strategy not in (None, "uniform", "diverse"):
        raise BadValue(
            f"--strategy {options.strategy} spreads a total: give --budget B in place of --k"
        )
    if options.budget is None and options.videos is None and options.strategy == "diverse":
        raise BadValue(
            "--strategy diverse chooses among the videos: say how many with --videos N, or give "
            "--budget B"
        )
    for name in ("k", "budget", "videos"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise BadValue(f"--{name} {getattr(options, name)}: give at least 1")


def count_frames(dataset, seq_ids: Iterable[int]) -> int:
    """Return the number of frames of the videos that can be read."""
    total = 0
    for seq_id in seq_ids:
        # such a video is told where it is used
        with contextlib.suppress(BadInput, OSError):
            total += dataset.get_sequence_length(seq_id)
    return total


def _report(options: argparse.Namespace, dataset, labels, path: Path) -> None:
    frames = count_frames(dataset, range(dataset.get_num_sequences()))
    total = dataset.get_num_sequences()
    if options.json:
        sys.stdout.write(
            json.dumps(
                {
                    "videos": len(labels.videos),
                    "boxes": labels.num_labels,
                    "frames": frames,
                    "videos_in_all": total,
                    "left_out": len(labels.failures),
                    "labels": str(path),
                }
            )
            + "\n"
        )
        return
    sys.stdout.write(
        f"{len(labels.videos)} of {total} videos, {labels.num_labels} boxes on as many of "
        f"{frames} frames, "
        f"{len(labels.failures)} videos left out: {path}\n"
    )


def _set_id(text: str) -> int:
    if not text.strip().isdecimal():
        raise BadValue(f"--split {text}: TrackingNet's sets are numbers, e.g. --split 0,1,2,3")
    return int(text)
