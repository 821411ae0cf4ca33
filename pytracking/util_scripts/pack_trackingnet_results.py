"""Pack results on TrackingNet's test set for its server.

python pytracking/util_scripts/pack_trackingnet_results.py <tracker> <parameters> [--run_id N]
[--output_name NAME]
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(os.path.dirname(_FOLDER)),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.errors import run_script
from ltr.admin.places import add_overwrite, declared_places
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.environment import ensure_local_file
from pytracking.util_scripts.check_pack import tell_problems
from pytracking.util_scripts.packing import (
    archive_path,
    as_text,
    require_files,
    result_folder,
    write_archive,
)
from pytracking.utils.load_text import read_boxes


def pack_trackingnet_results(
    tracker_name: str, param_name: str, run_id: int | None = None, output_name: str | None = None
) -> Path:
    """Write `<tn_packed_results_path>/<output_name>.zip` from one run on the sequences of
    `trackingnet_path`.

    The archive holds `<seq>.txt` (boxes x,y,w,h, `%.2f`, commas). `output_name` is by default
    `<tracker>_<param>`, with `_<run_id>` when that is given. Returns the archive's path.

    Raises MissingFile, before anything is written, when results are missing.
    """
    folder = result_folder(tracker_name, param_name, run_id)
    archive = archive_path("tn_packed_results_path", output_name or f"{tracker_name}_{folder.name}")
    names = [sequence.name for sequence in get_dataset("trackingnet", load_frames=False)]
    run = "" if run_id is None else f" --runid {run_id}"
    require_files(
        (folder / f"{name}.txt" for name in names),
        "TrackingNet",
        f"run `python pytracking/run_tracker.py {tracker_name} {param_name} --dataset_name "
        f"trackingnet{run}`",
    )
    write_archive(
        archive,
        ((f"{name}.txt", as_text(read_boxes(folder / f"{name}.txt"), "%.2f")) for name in names),
    )
    return archive


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Pack results on TrackingNet's test set for its server, and check the archive."
    )
    parser.add_argument("tracker_name", help="as for run_tracker.py")
    parser.add_argument("param_name", help="parameter file the run was made with")
    parser.add_argument("--run_id", type=int, help="number of the run, if it had one")
    parser.add_argument(
        "--output_name", help="name of the archive, without .zip (default: tracker_parameters)"
    )
    add_overwrite(parser, always=True)
    args = parser.parse_args()

    ensure_local_file()
    with declared_places(parser, args):
        return tell_problems(
            pack_trackingnet_results(
                args.tracker_name, args.param_name, args.run_id, args.output_name
            )
        )


if __name__ == "__main__":
    run_script(main)
