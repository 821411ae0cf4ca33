"""The verb `check`: look for damage in a data set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ltr.admin.errors import BadInput
from spot_ext.commands import verb

NOTHING_FOUND, PROBLEMS_FOUND, NOT_CHECKED = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `check`."""
    parser.add_argument(
        "dataset",
        help="name of a training or evaluation data set, e.g. got10k, lasot, otb, toy, folder",
    )
    parser.add_argument(
        "root",
        type=Path,
        nargs="?",
        metavar="ROOT",
        help="its folder, as local.py would name it; default: the one in local.py",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report there")
    parser.add_argument(
        "--decode",
        action="store_true",
        help="decode every image instead of reading its header and end: finds damage in the middle",
    )
    parser.add_argument(
        "--workers", type=int, default=None, help="threads; default: one a core, at least 4"
    )


@verb(
    "check",
    "Look for missing and unreadable frames and wrong boxes in a data set. "
    "Exit status: 0 nothing found, 1 problems found, 2 it could not be checked.",
    examples=["toy --out videos", "check got10k videos/train --json report.json"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> int:
    """Check the data set, print the report and return the exit status."""
    from ltr.io.files import write_text
    from spot_ext.check import check_dataset
    from spot_ext.check.report import to_json, to_text

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
