"""The verbs `track` and `label` of `python -m spot_ext`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ltr.admin.errors import BadValue
from spot_ext.commands.declaring import add_verb


def add_to(verbs) -> None:
    """Declare the verbs."""
    _add_track(verbs)
    _add_label(verbs)


def _add_track(verbs) -> None:
    parser = add_verb(
        verbs,
        "track",
        _track,
        "Follow one object through a video from its box in one frame, and write its boxes as CSV: "
        "a line a "
        "frame, with a confidence; x, y, w, h are empty where the object is lost.",
        "track videos/val/toy_val_0001 --box 165.5,111.5,39.5,48 --out boxes.csv --video "
        "tracked.mp4\n"
        "          (videos: python -m spot_ext toy --out videos)",
    )
    parser.add_argument(
        "video", type=Path, metavar="VIDEO", help="a video file, or a folder of images"
    )
    parser.add_argument(
        "--box",
        required=True,
        metavar="X,Y,W,H",
        help="the object in the first frame, in pixels from the top left corner",
    )
    parser.add_argument(
        "--start", type=int, default=0, metavar="FRAME", help="frame of the box, counted from 0 (0)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.csv",
        help="where the boxes go; default: VIDEO's name with .csv, in this folder",
    )
    parser.add_argument(
        "--video",
        type=Path,
        dest="annotated",
        metavar="FILE.mp4",
        help="also write the video with the box drawn",
    )
    _add_network(parser)


def _add_label(verbs) -> None:
    parser = add_verb(
        verbs,
        "label",
        _label,
        "From a few boxes to boxes in every frame of your videos: adapts the tracker to them, "
        "tracks from every "
        "labelled frame in both directions, and says where it is unsure. Writes boxes.csv, "
        "review.csv (frames "
        "worth a look, most doubtful first), label.json and tracker.pth.tar to DIR. The same "
        "command goes on "
        "where an interrupted one was. Exit status: 0 all videos done, 1 some could not be read.",
        "sample folder --root videos/val --out few.json   (or draw boxes: annotate videos/val "
        "--boxes few.csv)\n"
        "          python -m spot_ext label videos/val --boxes few.json --out labelled\n"
        "          (videos: python -m spot_ext toy --out videos)",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="video files, and sub-folders of images"
    )
    parser.add_argument(
        "--boxes",
        type=Path,
        required=True,
        metavar="FILE",
        help="the boxes you drew, in one or more frames "
        "of each object: CSV, COCO, CVAT, Label Studio, MOT, YOLO, GOT-10k or LaSOT folders, "
        "key-frame JSON",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
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
        type=int,
        metavar="N",
        help="of that training; more take longer and fit these videos more (8)",
    )
    parser.add_argument("--seed", type=int, default=0)
    _add_network(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--net",
        default="shipped",
        metavar="FILE",
        help="checkpoint to start from, e.g. of the full network "
        "on a GPU; default: the light one that comes with the package, for CPUs",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1 …; default: cuda where there is one"
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


def _track(options) -> None:
    from spot_ext.propagate.network import choose_device
    from spot_ext.propagate.tracking import TrackJob, track

    out = options.out or Path(f"{options.video.stem or options.video.absolute().name}.csv")
    summary = track(
        TrackJob(
            options.video.expanduser(),
            _box(options.box),
            options.start,
            out,
            options.annotated,
            options.net,
            choose_device(options.device),
        )
    )
    _show(
        summary,
        options.json,
        f"{summary['frames'] - summary['start']} frames, {summary['frames_per_second']} a second; "
        f"{summary['without_box']} without a box. Boxes: {out}"
        + (f", video: {options.annotated}" if options.annotated else ""),
    )


def _label(options) -> int:
    from spot_ext.propagate.adapting import EPOCHS
    from spot_ext.propagate.labelling import LabelJob, label
    from spot_ext.propagate.network import choose_device

    summary = label(
        LabelJob(
            options.folder,
            options.boxes,
            options.out,
            options.format,
            options.net,
            options.adapt,
            EPOCHS if options.epochs is None else options.epochs,
            choose_device(options.device),
            options.seed,
        )
    )
    frames = sum(video["frames"] * video["objects"] for video in summary["videos"])
    _show(
        summary,
        options.json,
        f"{frames} boxes in {len(summary['videos'])} videos: {options.out / 'boxes.csv'}\n"
        f"{summary['to_review']} frames worth a look: {options.out / 'review.csv'}"
        + (f"\ntracker: {options.out / 'tracker.pth.tar'}" if options.adapt else ""),
    )
    return 1 if summary["failed"] else 0


def _box(text: str) -> tuple[float, float, float, float]:
    try:
        x, y, w, h = (float(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise BadValue(
            f"--box {text}: expected four numbers x,y,w,h, for example --box 310,122,64,150"
        ) from None
    if not (w >= 1 and h >= 1 and abs(x) < 1e6 and abs(y) < 1e6 and w < 1e6 and h < 1e6):
        raise BadValue(f"--box {text}: width and height must be at least 1 pixel")
    return x, y, w, h


def _show(summary: dict, as_json: bool, text: str) -> None:
    sys.stdout.write((json.dumps(summary, indent=2) if as_json else text) + "\n")
