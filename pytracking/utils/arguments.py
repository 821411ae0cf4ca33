"""Command line arguments that several scripts of this package have."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from ltr.admin.arguments import DEBUG_LEVEL, PORT, true_or_false
from ltr.admin.places import output_file


def add_tracker(parser: ArgumentParser) -> None:
    """`tracker_name` and `tracker_param`."""
    parser.add_argument("tracker_name", help="folder under pytracking/tracker, e.g. transt")
    parser.add_argument(
        "tracker_param",
        help="parameter file in pytracking/parameter/<tracker_name>, e.g. spot_transt",
    )


def add_device(parser: ArgumentParser) -> None:
    """`--device`."""
    parser.add_argument(
        "--device", help="cpu, cuda, cuda:1, … instead of what the parameter file says"
    )


def add_visdom(parser: ArgumentParser, without: str) -> None:
    """`--use_visdom`, `--visdom_server` and `--visdom_port`; `without` says what --debug shows when
    there is no visdom.
    """
    parser.add_argument(
        "--use_visdom",
        type=true_or_false,
        default=True,
        metavar="BOOL",
        help=f"with --debug: panels on a visdom server (default true); false: {without}",
    )
    parser.add_argument(
        "--visdom_server",
        default="127.0.0.1",
        help="address of the visdom server (default 127.0.0.1)",
    )
    parser.add_argument("--visdom_port", type=PORT, default=8097, help="its port (default 8097)")


def visdom_info(args: Namespace) -> dict[str, Any]:
    """Return what the arguments of `add_visdom` say, as trackers take it."""
    return {"use_visdom": args.use_visdom, "server": args.visdom_server, "port": args.visdom_port}


def add_video_output(parser: ArgumentParser, result_name: str) -> None:
    """`--debug`, `--save_results` (into `result_name`) and `--save_video` of scripts that show a
    video.
    """
    parser.add_argument(
        "--debug",
        type=DEBUG_LEVEL,
        default=0,
        help="above 0: the tracker shows panels on a visdom server",
    )
    parser.add_argument(
        "--save_results",
        action="store_true",
        help=f"write the boxes to {result_name} in the results folder",
    )
    parser.add_argument(
        "--save_video",
        type=output_file,
        metavar="FILE",
        help="write the video with the boxes drawn in, .mp4 or .avi",
    )
