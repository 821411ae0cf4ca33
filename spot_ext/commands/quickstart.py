"""The verb `quickstart`: train and evaluate on the embedded videos."""

from __future__ import annotations

import argparse

from spot_ext.commands import verb
from spot_ext.commands.train import add_training_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `quickstart`."""
    parser.add_argument(
        "--arch",
        metavar="NAME",
        help="network, instead of the recipe quickstart's; an unknown one lists them",
    )
    add_training_arguments(parser)


@verb(
    "quickstart",
    "Train and evaluate on the embedded videos in minutes.",
    examples=["quickstart --seed 1"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Run the quickstart recipe of the network that was asked for."""
    from ltr.recipes import parse_assignments, run_training
    from spot_ext.studies.quickstart import recipe_for

    overrides = parse_assignments(options.set)
    run_training("spot", recipe_for(options.arch), seed=options.seed, overrides=overrides)
