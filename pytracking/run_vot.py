"""Run a tracker under a VOT toolkit, see docs/vot.md. The toolkit starts this; it is not for the
terminal.
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

from ltr.admin.arguments import DEBUG_LEVEL, RUN_ID, check_numbers
from ltr.admin.errors import run_script
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.arguments import add_tracker


def run_vot2020(
    tracker_name: str,
    tracker_param: str,
    run_id: int | None = None,
    debug: int = 0,
    visdom_info: dict | None = None,
) -> None:
    """Run a tracker under the VOT toolkit of 2020 and later, with masks or rectangles.

    Args:
        tracker_name: folder under `pytracking/tracker` and `pytracking/parameter`.
        tracker_param: file in `pytracking/parameter/<tracker_name>`.
        run_id: number of the repetition.
        debug: level for the tracker.

    """
    Tracker(tracker_name, tracker_param, run_id).run_vot2020(debug, visdom_info)


def run_vot(
    tracker_name: str,
    tracker_param: str,
    run_id: int | None = None,
    debug: int = 0,
    visdom_info: dict | None = None,
) -> None:
    """Run a tracker under the toolkits up to 2019, which give polygons. Arguments as for
    `run_vot2020`.
    """
    Tracker(tracker_name, tracker_param, run_id).run_vot(debug, visdom_info)


PROTOCOLS = {"vot": run_vot, "vot2020": run_vot2020}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Run a tracker under a VOT toolkit, which starts this command itself: name "
        "it in trackers.ini, with `protocol = trax`."
    )
    add_tracker(parser)
    parser.add_argument("--run_id", "--runid", type=RUN_ID, help="number of the repetition")
    parser.add_argument(
        "--debug", type=DEBUG_LEVEL, default=0, help="level for the tracker (default 0)"
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="vot",
        help="vot: polygons, up to 2019 (default); vot2020: masks and rectangles, 2020 and later",
    )
    args = parser.parse_args()
    check_numbers(parser, args)
    PROTOCOLS[args.protocol](args.tracker_name, args.tracker_param, args.run_id, args.debug)


if __name__ == "__main__":
    run_script(main)
