"""The verb `label`: from a few boxes to boxes in every frame."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltr.admin.arguments import EPOCHS, SEED
from ltr.admin.places import input_place, work_folder
from spot_ext.commands import suggest_next, verb
from spot_ext.commands.track import add_network_arguments, print_summary

FILMS_FOLDER = "films"


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
    parser.add_argument(
        "--video",
        action="store_true",
        help="also write films with the boxes drawn in: DIR/films/VIDEO.mp4",
    )
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
    from ltr.io import outputs
    from ltr.parallel.device import device_name
    from spot_ext.propagate.adapting import EPOCHS
    from spot_ext.propagate.labelling import LabelJob, guard_outputs, label

    guard_outputs(options.out)
    if options.video:
        outputs.current().add_output(options.out / FILMS_FOLDER, is_tree=True)
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
    films = []
    if options.video:
        films = _write_films(options.folder.expanduser(), options.out)
    boxes_count = sum(
        video["frames"] * video["objects"] - video["without_box"] for video in summary["videos"]
    )
    print_summary(
        summary,
        options.json,
        f"{boxes_count} boxes in {len(summary['videos'])} videos: {options.out / 'boxes.csv'}\n"
        f"{summary['to_review']} frames worth a look: {options.out / 'review.csv'}"
        + (f"\ntracker: {options.out / 'tracker.pth.tar'}" if options.adapt else "")
        + "".join(f"\nfilm: {film}" for film in films),
    )
    boxes = options.out / "boxes.csv"
    review = options.out / "review.csv"
    shown = ("--propagated", boxes, "--suggest", review)
    suggest_next("annotate", options.folder, "--boxes", options.boxes, *shown)
    return 1 if summary["failed"] else 0


def _write_films(folder: Path, out: Path) -> list[Path]:
    """Write the films of what `label` has just written, and return their files."""
    from ltr.dataset.video_folder import VideoFolder
    from spot_ext.boxes import formats
    from spot_ext.propagate.film import write_films

    videos = VideoFolder(folder)
    return write_films(formats.read(out / "boxes.csv", "csv", videos), videos, out / FILMS_FOLDER)
