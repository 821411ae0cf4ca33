"""The verb `evaluate`: track a data set where results are missing, and print the table."""

from __future__ import annotations

import argparse

from ltr.admin.arguments import PROCESSES, RUN_ID
from ltr.admin.errors import BadInput
from ltr.admin.invocation import spot_command
from spot_ext.commands import verb


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `evaluate`."""
    parser.add_argument("tracker_name", metavar="TRACKER", help="folder under pytracking/tracker")
    parser.add_argument(
        "tracker_param", metavar="PARAM", help="file in pytracking/parameter/TRACKER"
    )
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="data set, for example toy, otb, lasot"
    )
    parser.add_argument(
        "--runid", type=RUN_ID, metavar="N", help="number of the repetition, with its own results"
    )
    parser.add_argument(
        "--threads", type=PROCESSES, default=0, metavar="N", help="worker processes (0: none)"
    )
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1 …")


@verb(
    "evaluate",
    "Track a data set with a tracker and print the table of its scores. Sequences that have "
    "results are not tracked again, so a stopped command goes on where it was.",
    examples=["evaluate TRACKER PARAM --dataset toy"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Track what has no results yet, then print the table of pytracking.analysis."""
    from pytracking.analysis.__main__ import main as print_table
    from pytracking.evaluation.environment import ensure_local_file
    from pytracking.run_tracker import run_tracker

    ensure_local_file()
    tracker, parameter = options.tracker_name, options.tracker_param
    failures = run_tracker(
        tracker,
        parameter,
        options.runid,
        options.dataset,
        threads=options.threads,
        device=options.device,
    )
    if failures:
        first = failures[0]
        again = spot_command("evaluate", tracker, parameter, "--dataset", options.dataset)
        raise BadInput(
            f"{first.tracker} failed on {first.sequence} ({first.message}), one of {len(failures)} "
            f"failures; mend that and start {again} again, finished sequences are kept"
        )
    run_id = [] if options.runid is None else ["--runid", str(options.runid)]
    print_table([tracker, parameter, "--dataset_name", options.dataset, *run_id])
