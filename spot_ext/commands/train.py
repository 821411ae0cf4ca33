"""The verb `train`: run a recipe."""

from __future__ import annotations

import argparse

from ltr.admin.arguments import SEED
from spot_ext.commands import verb


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--seed` and `--set`, which every verb that trains by a recipe takes."""
    parser.add_argument("--seed", type=SEED, default=0)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting of the recipe",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `train`."""
    parser.add_argument("recipe")
    add_training_arguments(parser)


@verb(
    "train",
    "Run a recipe of ltr/train_settings/spot.",
    examples=["train quickstart --set k=5"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Run the recipe with the settings of the command line."""
    from ltr.recipes import parse_assignments, run_training

    overrides = parse_assignments(options.set)
    run_training("spot", options.recipe, seed=options.seed, overrides=overrides)
