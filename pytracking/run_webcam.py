"""Track what a camera sees: `python pytracking/run_webcam.py transt spot_transt`."""

from __future__ import annotations

import argparse
import os
import sys

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(_FOLDER),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from typing import Any

from ltr.admin.arguments import CAMERA, check_numbers
from ltr.admin.errors import run_script
from ltr.admin.places import add_overwrite, declared_places
from pytracking.evaluation.environment import ensure_local_file, env_settings
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.arguments import (
    add_device,
    add_tracker,
    add_video_output,
    add_visdom,
    visdom_info,
)


def run_webcam(
    tracker_name: str,
    tracker_param: str,
    debug: int | None = None,
    visdom_info: dict | None = None,
    save_results: bool = False,
    save_video: str | os.PathLike | None = None,
    device: str | None = None,
    camera: int = 0,
) -> dict[Any, list]:
    """Track objects, drawn with the mouse, in the pictures of a camera.

    Args:
        tracker_name: folder under `pytracking/tracker` and `pytracking/parameter`.
        tracker_param: file in `pytracking/parameter/<tracker_name>`.
        debug: level for the tracker; above 0 it shows panels on the visdom server that
            `visdom_info` names.
        save_results: write `video_webcam_<id>.txt` into the results folder.
        save_video: write the pictures with the boxes drawn in to this file (.mp4 or .avi).
        device: 'cpu', 'cuda:1', … instead of what the parameter file says.
        camera: number of the camera.

    Returns:
        The boxes_xywh of each object id, a row per frame since it was drawn.

    """
    tracker = Tracker(tracker_name, tracker_param, device=device)
    return tracker.run_video_generic(
        debug=debug,
        visdom_info=visdom_info,
        videofilepath=camera,
        save_results=save_results,
        save_video=save_video,
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Track what a camera sees. In the window: click, move, click starts an "
        "object, r forgets all objects, q ends."
    )
    add_tracker(parser)
    add_visdom(parser, without="no panels")
    add_video_output(parser, "video_webcam_<object>.txt")
    add_device(parser)
    parser.add_argument("--camera", type=CAMERA, default=0, help="number of the camera (default 0)")
    add_overwrite(parser)
    args = parser.parse_args()
    check_numbers(parser, args)

    ensure_local_file()
    env_settings()  # an error in local.py is shown before anything else
    with declared_places(parser, args):
        run_webcam(
            args.tracker_name,
            args.tracker_param,
            args.debug,
            visdom_info(args),
            args.save_results,
            args.save_video,
            args.device,
            args.camera,
        )


if __name__ == "__main__":
    run_script(main)
