"""Runs a training recipe: `python ltr/run_training.py <module> <name>`, from any folder.

On several GPUs or machines: `torchrun --nproc-per-node N -m ltr.run_training <module> <name>`, see
docs/distributed.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Mapping
from pathlib import Path

if __package__ in (
    None,
    "",
):  # run by its path: Python then looks for modules in ltr/ instead of the repository
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from ltr.admin.arguments import SEED, check_numbers, true_or_false
from ltr.admin.errors import run_script


def run_training(
    train_module: str,
    train_name: str,
    cudnn_benchmark: bool = True,
    seed: int | None = None,
    overrides: Mapping[str, str] | None = None,
    run_name: str | None = None,
) -> None:
    """Run a recipe; see `ltr.recipes.run_training`."""
    # Wrong arguments are refused, and help is shown, without the second that torch costs.
    from ltr import recipes

    recipes.run_training(train_module, train_name, cudnn_benchmark, seed, overrides, run_name)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run a training recipe of ltr/train_settings.")
    parser.add_argument("train_module", help="folder of the recipe, e.g. spot or transt")
    parser.add_argument("train_name", help="name of the recipe, e.g. quickstart")
    parser.add_argument(
        "--cudnn_benchmark",
        type=true_or_false,
        default=True,
        metavar="BOOL",
        help="let cuDNN choose its fastest algorithms (default: true)",
    )
    parser.add_argument(
        "--seed", type=SEED, default=None, metavar="N", help="seed of the run (default: 0)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="overrides",
        help="change a setting of the recipe; may be repeated",
    )
    parser.add_argument(
        "--name",
        metavar="NAME",
        dest="run_name",
        help="name of this run, for a second attempt beside the first (default: the recipe's name)",
    )
    if os.environ.get("RANK", "0") != "0":  # of several processes the first says what is wrong
        parser.error = lambda message: sys.exit(2)  # type: ignore[method-assign]
    args = parser.parse_args(arguments)
    check_numbers(parser, args)
    from ltr.parallel.distributed_run import distributed_run
    from ltr.recipes import parse_assignments

    with distributed_run():
        run_training(
            args.train_module,
            args.train_name,
            args.cudnn_benchmark,
            args.seed,
            parse_assignments(args.overrides),
            args.run_name,
        )


if __name__ == "__main__":
    multiprocessing.set_start_method(
        "spawn", force=True
    )  # forked workers and CUDA or OpenCV threads do not mix
    run_script(main)
