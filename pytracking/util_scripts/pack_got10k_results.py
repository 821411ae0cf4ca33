"""Pack results on GOT-10k's test split for its server.

python pytracking/util_scripts/pack_got10k_results.py <tracker> <parameters> <archive name>
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(os.path.dirname(_FOLDER)),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.errors import BadValue, run_script
from ltr.admin.places import add_overwrite, declared_places
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

RUNS = (0, 1, 2)
SEQUENCES = [f"GOT-10k_Test_{number:06d}" for number in range(1, 181)]


def pack_got10k_results(
    tracker_name: str,
    param_name: str,
    output_name: str,
    all_times: bool = False,
    deterministic: bool = False,
) -> Path:
    """Write `<got_packed_results_path>/<output_name>.zip` from the runs 0, 1 and 2 on the 180 test
    sequences.

    Per sequence the archive holds a folder with `<seq>_001.txt` to `<seq>_003.txt` (boxes x,y,w,h,
    `%f`, commas) and `<seq>_time.txt`: seconds per frame of run 2, as pytracking packs them; with
    `all_times` a column for each run, as the GOT-10k toolkit writes them. With `deterministic` the
    one run without a number, else run 0, stands for all three: the tracker gives the same boxes
    every time. Returns the archive's path.

    Raises MissingFile, before anything is written, when results are missing.
    """
    archive = archive_path("got_packed_results_path", output_name)
    folders = [result_folder(tracker_name, param_name, run) for run in RUNS]
    runs = "--runid 0`, and again with --runid 1 and 2"
    if deterministic:
        unnumbered = result_folder(tracker_name, param_name)
        has_results = (unnumbered / f"{SEQUENCES[0]}.txt").is_file()
        # As a tracker is run without --runid, or as three runs are made of it.
        folders = [unnumbered if has_results else folders[0]] * len(RUNS)
        runs = "--runid 0`"
    require_files(
        (
            folder / f"{name}{ending}.txt"
            for folder in dict.fromkeys(folders)
            for name in SEQUENCES
            for ending in ("", "_time")
        ),
        "GOT-10k",
        f"run `python pytracking/run_tracker.py {tracker_name} {param_name} --dataset_name "
        f"got10k_test {runs}",
    )
    write_archive(archive, _entries(folders, all_times))
    return archive


def _entries(folders: list[Path], all_times: bool) -> Iterator[tuple[str, str]]:
    for name in SEQUENCES:
        for run, folder in zip(RUNS, folders, strict=True):
            yield (
                f"{name}/{name}_{run + 1:03d}.txt",
                as_text(read_boxes(folder / f"{name}.txt"), "%f"),
            )
        times = [read_boxes(folder / f"{name}_time.txt", columns=1) for folder in folders]
        if all_times and len({len(column) for column in times}) > 1:
            raise BadValue(
                f"GOT-10k: the time files of {name} in {', '.join(map(str, folders))} differ in "
                "length - remove "
                "that sequence's results and run the tracker again"
            )
        yield f"{name}/{name}_time.txt", as_text(np.hstack(times) if all_times else times[-1], "%f")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Pack three runs on GOT-10k's test split for its server, and check the archive."
    )
    parser.add_argument("tracker_name", help="as for run_tracker.py")
    parser.add_argument("param_name", help="parameter file the runs were made with")
    parser.add_argument("output_name", help="name of the archive, without .zip")
    parser.add_argument(
        "--all_times", action="store_true", help="times of all three runs rather than of the last"
    )
    parser.add_argument(
        "--deterministic",
        action="store_true",
        help="one run stands for all three: the tracker gives the same boxes every time",
    )
    add_overwrite(parser, always=True)
    args = parser.parse_args()

    ensure_local_file()
    with declared_places(parser, args):
        return tell_problems(
            pack_got10k_results(
                args.tracker_name,
                args.param_name,
                args.output_name,
                args.all_times,
                args.deterministic,
            )
        )


if __name__ == "__main__":
    run_script(main)
