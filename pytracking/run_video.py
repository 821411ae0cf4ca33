"""Track objects in a video: `python pytracking/run_video.py transt spot_transt clip.mp4
--optional_box 40 30 80 60`.
"""

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

from ltr.admin.arguments import COORDINATE, check_numbers
from ltr.admin.errors import run_script
from ltr.admin.places import add_overwrite, declared_places, input_name
from pytracking.evaluation.environment import ensure_local_file, env_settings
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.arguments import add_device, add_tracker, add_video_output


def run_video(
    tracker_name: str,
    tracker_param: str,
    videofile: str | os.PathLike,
    optional_box=None,
    debug: int | None = None,
    save_results: bool = False,
    save_video: str | os.PathLike | None = None,
    device: str | None = None,
) -> dict[Any, list]:
    """Track objects through a video file or a folder of images.

    Args:
        tracker_name: folder under `pytracking/tracker` and `pytracking/parameter`.
        tracker_param: file in `pytracking/parameter/<tracker_name>`.
        optional_box: x, y, w, h in pixels of the first frame, four numbers per object; without it
            boxes are drawn with the mouse.
        debug: level for the tracker; above 0 it shows panels on a visdom server.
        save_results: write `video_<stem>_<id>.txt` into the results folder.
        save_video: write the video with the boxes drawn in to this file (.mp4 or .avi).
        device: 'cpu', 'cuda:1', … instead of what the parameter file says.

    Returns:
        The boxes_xywh of each object id, a row per frame.

    """
    tracker = Tracker(tracker_name, tracker_param, device=device)
    return tracker.run_video_generic(
        debug=debug,
        videofilepath=videofile,
        optional_box=optional_box,
        save_results=save_results,
        save_video=save_video,
    )


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Track objects in a video. In the window: click, move, click starts an "
        "object, space pauses and goes on, r forgets all objects, q ends."
    )
    add_tracker(parser)
    parser.add_argument("videofile", type=input_name, help="video file, or folder of images")
    parser.add_argument(
        "--optional_box",
        type=COORDINATE,
        nargs="+",
        metavar="NUMBER",
        help="x y w h of the object on the first frame, in pixels; four more numbers for each "
        "further object. "
        "With it no display is needed",
    )
    add_video_output(parser, "video_<name>_<object>.txt")
    add_device(parser)
    add_overwrite(parser)
    args = parser.parse_args()
    check_numbers(parser, args)

    ensure_local_file()
    env_settings()  # an error in local.py is shown before anything else
    with declared_places(parser, args):
        run_video(
            args.tracker_name,
            args.tracker_param,
            args.videofile,
            args.optional_box,
            args.debug,
            args.save_results,
            args.save_video,
            args.device,
        )


if __name__ == "__main__":
    run_script(main)
