"""The verb `check`: look for damage in a data set."""

from __future__ import annotations

import argparse
import json
import sys

from ltr.admin.arguments import PROCESSES
from ltr.admin.errors import BadInput
from ltr.admin.places import input_name, input_place, output_file
from spot_ext.commands import verb

NOTHING_FOUND, PROBLEMS_FOUND, NOT_CHECKED = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `check`."""
    parser.add_argument(
        "dataset",
        type=input_name,
        help="name of a training or evaluation data set, e.g. got10k, lasot, otb, toy, folder; or "
        "a file or folder of boxes, to see what would be read from it",
    )
    parser.add_argument(
        "root",
        type=input_place,
        nargs="?",
        metavar="ROOT",
        help="its folder, as local.py would name it; default: the one in local.py",
    )
    parser.add_argument(
        "--videos",
        type=input_place,
        metavar="FOLDER",
        help="folder of the videos that a file of boxes is about",
    )
    parser.add_argument(
        "--from", dest="source", metavar="NAME", help="format of the boxes; default: recognised"
    )
    parser.add_argument(
        "--json", type=output_file, metavar="FILE", help="also write the report there"
    )
    parser.add_argument(
        "--decode",
        action="store_true",
        help="decode every image instead of reading its header and end: finds damage in the middle",
    )
    parser.add_argument(
        "--workers", type=PROCESSES, default=None, help="threads; default: one a core, at least 4"
    )


@verb(
    "check",
    "Look for missing and unreadable frames and wrong boxes in a data set. "
    "Exit status: 0 nothing found, 1 problems found, 2 it could not be checked.",
    examples=[
        "toy --out videos",
        "check got10k videos/train --json report.json",
        "check boxes.csv --videos videos/train   # boxes.csv: boxes of these videos",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Check the data set, print the report and return the exit status."""
    from ltr.io.files import write_text
    from spot_ext.check import check_dataset
    from spot_ext.check.label_files import is_label_file
    from spot_ext.check.report import to_json, to_text

    if is_label_file(options.dataset, options.root):
        return _check_label_file(options)
    try:
        report = check_dataset(
            options.dataset, options.root, options.decode, options.workers, show_progress=True
        )
        if options.json is not None:
            write_text(options.json, to_json(report))
    except (BadInput, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return NOT_CHECKED
    sys.stdout.write(to_text(report) + "\n")
    return PROBLEMS_FOUND if report.problems else NOTHING_FOUND


def _check_label_file(options: argparse.Namespace) -> int:
    """Print what would be read from a file of boxes and return the exit status."""
    from ltr.io.files import write_text
    from spot_ext.check.label_files import check_label_file, report_text

    try:
        report = check_label_file(options.dataset, options.videos, options.source)
        if options.json is not None:
            text = json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n"
            write_text(options.json, text)
    except (BadInput, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return NOT_CHECKED
    sys.stdout.write(report_text(report))
    return NOTHING_FOUND if report.is_sound else PROBLEMS_FOUND
