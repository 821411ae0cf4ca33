"""The verb `label`: from a few boxes to boxes in every frame."""

from __future__ import annotations

import argparse

from ltr.admin.arguments import EPOCHS, SEED
from ltr.admin.places import input_place, work_folder
from spot_ext.commands import suggest_next, verb
from spot_ext.commands.track import add_network_arguments, print_summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `label`."""
    parser.add_argument(
        "folder", type=input_place, metavar="FOLDER", help="video files, and sub-folders of images"
    )
    parser.add_argument(
        "--boxes",
        type=input_place,
        required=True,
        metavar="FILE",
        help="the boxes you drew, in one or more frames "
        "of each object: CSV, COCO, CVAT, Label Studio, MOT, YOLO, GOT-10k or LaSOT folders, "
        "key-frame JSON",
    )
    parser.add_argument("--out", type=work_folder, required=True, metavar="DIR")
    parser.add_argument(
        "--from",
        dest="format",
        metavar="NAME",
        help="format of the boxes; default: recognised by itself",
    )
    parser.add_argument(
        "--adapt",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="first train the tracker on these videos (default: yes)",
    )
    parser.add_argument(
        "--epochs",
        type=EPOCHS,
        metavar="N",
        help="how many rounds to adapt (default 8); more are slower and closer to these videos",
    )
    parser.add_argument("--seed", type=SEED, default=0)
    add_network_arguments(parser)


@verb(
    "label",
    "From a few boxes to boxes in every frame of your videos: adapts the tracker to them, tracks "
    "from every labelled frame in both directions, and says where it is unsure. Writes boxes.csv, "
    "review.csv (frames worth a look, most doubtful first), label.json and tracker.pth.tar to DIR. "
    "The same command goes on where an interrupted one was. Exit status: 0 all videos done, 1 some "
    "could not be read.",
    examples=[
        "toy --out videos",
        "sample folder --root videos/val --out few.json   # or draw boxes: annotate videos/val",
        "label videos/val --boxes few.json --out labelled",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Label the videos, print a summary and return the exit status."""
    from ltr.parallel.device import device_name
    from spot_ext.propagate.adapting import EPOCHS
    from spot_ext.propagate.labelling import LabelJob, guard_outputs, label

    guard_outputs(options.out)
    summary = label(
        LabelJob(
            options.folder,
            options.boxes,
            options.out,
            options.format,
            options.net,
            options.adapt,
            EPOCHS if options.epochs is None else options.epochs,
            device_name(options.device),
            options.seed,
        )
    )
    frames = sum(video["frames"] * video["objects"] for video in summary["videos"])
    print_summary(
        summary,
        options.json,
        f"{frames} boxes in {len(summary['videos'])} videos: {options.out / 'boxes.csv'}\n"
        f"{summary['to_review']} frames worth a look: {options.out / 'review.csv'}"
        + (f"\ntracker: {options.out / 'tracker.pth.tar'}" if options.adapt else ""),
    )
    boxes = options.out / "boxes.csv"
    review = options.out / "review.csv"
    shown = ("--propagated", boxes, "--suggest", review)
    suggest_next("annotate", options.folder, "--boxes", options.boxes, *shown)
    return 1 if summary["failed"] else 0
