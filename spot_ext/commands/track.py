"""The verb `track`: follow one object through a video."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ltr.admin.arguments import FRAME_ID
from ltr.admin.errors import BadValue
from ltr.admin.places import add_output, input_name, input_place, output_file
from spot_ext.commands import verb

# Larger coordinates are typing errors: no video has frames this wide.
LARGEST_COORDINATE = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `track`."""
    parser.add_argument(
        "video", type=input_place, metavar="VIDEO", help="a video file, or a folder of images"
    )
    parser.add_argument(
        "--box",
        required=True,
        metavar="X,Y,W,H",
        help="the object in the first frame, in pixels from the top left corner",
    )
    parser.add_argument(
        "--start",
        type=FRAME_ID,
        default=0,
        metavar="FRAME",
        help="frame of the box, counted from 0 (0)",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        metavar="FILE.csv",
        help="where the boxes go; default: VIDEO's name with .csv, in this folder",
    )
    parser.add_argument(
        "--video",
        type=output_file,
        dest="annotated",
        metavar="FILE.mp4",
        help="also write the video with the box drawn",
    )
    add_network_arguments(parser)


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments that `track` and `label` share."""
    parser.add_argument(
        "--net",
        type=input_name,
        default="shipped",
        metavar="FILE",
        help="checkpoint to start from, e.g. of the full network "
        "on a GPU; default: the light one that comes with the package, for CPUs",
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1 …; default: cuda where there is one"
    )
    parser.add_argument("--json", action="store_true", help="print a summary as JSON")


@verb(
    "track",
    "Follow one object through a video from its box in one frame, and write its boxes as CSV: "
    "a line a frame, with a confidence; x, y, w, h are empty where the object is lost.",
    examples=[
        "toy --out videos",
        "track videos/val/toy_val_0001 --box 165.5,111.5,39.5,48 --out boxes.csv "
        "--video tracked.mp4",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Track the object, write its boxes and print a summary."""
    from ltr.parallel.device import device_name
    from spot_ext.propagate.tracking import TrackJob, track

    out = options.out
    if out is None:
        out = Path(f"{options.video.stem or options.video.absolute().name}.csv")
        add_output(out)
    summary = track(
        TrackJob(
            options.video.expanduser(),
            parse_box(options.box),
            options.start,
            out,
            options.annotated,
            options.net,
            device_name(options.device),
        )
    )
    print_summary(
        summary,
        options.json,
        f"{summary['frames'] - summary['start']} frames, {summary['frames_per_second']} a second; "
        f"{summary['without_box']} without a box. Boxes: {out}"
        + (f", video: {options.annotated}" if options.annotated else ""),
    )


def parse_box(text: str) -> tuple[float, float, float, float]:
    """Return the box x, y, w, h that `--box` gives; BadValue where it is none."""
    try:
        x, y, w, h = (float(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise BadValue(
            f"--box {text}: expected four numbers x,y,w,h, for example --box 310,122,64,150"
        ) from None
    is_large_enough = w >= 1 and h >= 1
    if not is_large_enough or max(abs(x), abs(y), w, h) >= LARGEST_COORDINATE:
        raise BadValue(f"--box {text}: width and height must be at least 1 pixel")
    return x, y, w, h


def print_summary(summary: dict[str, Any], as_json: bool, text: str) -> None:
    """Print `text`, or the whole summary as JSON."""
    sys.stdout.write((json.dumps(summary, indent=2) if as_json else text) + "\n")
