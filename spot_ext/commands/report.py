"""The verb `report`: show a run as one HTML file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ltr.admin.places import input_place, output_file
from spot_ext.commands import verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `report`."""
    parser.add_argument(
        "run_folder",
        type=input_place,
        metavar="RUN",
        help="folder of a run, with checkpoints, of a quickstart, or the one that `label` wrote",
    )
    parser.add_argument(
        "--out",
        type=output_file,
        default=Path("report.html"),
        metavar="FILE.html",
        help="(report.html)",
    )
    parser.add_argument(
        "--label",
        type=input_place,
        metavar="DIR",
        help="also show the dense boxes that `label` wrote there",
    )
    parser.add_argument(
        "--results",
        type=input_place,
        metavar="DIR",
        help="an evaluation to show: a report's folder below "
        "result_plot_path; default: the one of the quickstart",
    )
    parser.add_argument(
        "--root",
        type=input_place,
        metavar="DIR",
        help="where the videos are now, if not where the run found them",
    )
    parser.add_argument(
        "--json", action="store_true", help="write the numbers to stdout as JSON, beside the page"
    )


@verb(
    "report",
    "Show a run as one HTML file that needs no network: curves, pseudo-labels, what was explored, "
    "examples, the success plot, settings and times.",
    examples=[
        "report workspace/checkpoints/ltr/spot/quickstart/seed_000 --out report.html   "
        "# after `quickstart`",
        "report labelled --out report.html   # after `label`",
    ],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Read the run, write the page and print its answers."""
    from ltr.admin.errors import BadValue
    from ltr.io.checkpoint import checkpoint_files
    from ltr.io.files import write_text
    from spot_ext.report.labelled import adaptation_run, is_labelled_folder
    from spot_ext.report.page import build, to_html, to_plain
    from spot_ext.report.run_folder import run_folder

    if options.out.is_dir():
        raise BadValue(
            f"--out {options.out} is a folder; name a file in it, e.g. "
            f"{options.out / 'report.html'}"
        )
    folder, label = options.run_folder, options.label
    if label is None and is_labelled_folder(folder):
        label = folder
        folder = folder if checkpoint_files(run_folder(folder)) else adaptation_run(label)
    report = build(folder, label, options.results, options.root)
    title = (
        report.run.name
        if report.run is not None and label is not options.run_folder
        else label.resolve().name
    )
    write_text(options.out, to_html(report, title))
    if options.json:
        sys.stdout.write(json.dumps({**to_plain(report), "report": str(options.out)}) + "\n")
    else:
        for answer in report.answers:
            sys.stdout.write(f"{answer.question} {answer.short}: {answer.text}\n")
        sys.stdout.write(f"{options.out}\n")
