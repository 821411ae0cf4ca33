"""The verb `toy`: render the embedded videos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ltr.admin.places import work_folder
from spot_ext.commands import suggest_next, verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `toy`."""
    parser.add_argument(
        "--out",
        type=work_folder,
        help="folder; default: toy_path in pytracking/evaluation/local.py",
    )


@verb(
    "toy",
    "Render the embedded videos, a GOT-10k tree.",
    examples=["toy --out videos"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Render the videos where they are not there, and print their folder."""
    from pytracking.evaluation import environment
    from spot_ext.rendering import drawn

    folder = options.out
    if folder is None:
        environment.ensure_local_file()
        folder = Path(environment.env_settings().toy_path)
    tree = drawn.ensure(folder)
    sys.stdout.write(f"{tree.root}\n")
    suggest_next("sample", "folder", "--root", tree.root / "val", "--out", "few.json")
