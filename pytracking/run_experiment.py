"""Run several trackers on several data sets: `python pytracking/run_experiment.py <module>
<function>`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

if (
    not __package__
):  # run by path: find the packages of this checkout, not the modules of this folder
    _FOLDER = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [
        os.path.dirname(_FOLDER),
        *(p for p in sys.path if os.path.abspath(p or ".") != _FOLDER),
    ]

from ltr.admin.arguments import DEBUG_LEVEL, PROCESSES, check_numbers
from ltr.admin.errors import BadInput, BadValue, MissingFile, run_script, suggestion
from ltr.io.plugins import importable, modules_in
from pytracking.evaluation.environment import ensure_local_file, env_settings
from pytracking.evaluation.running import Failure, run_dataset
from pytracking.utils.arguments import add_device


def run_experiment(
    experiment_module: str,
    experiment_name: str,
    debug: int = 0,
    threads: int = 0,
    *,
    device: str | None = None,
) -> list[Failure]:
    """Run the trackers and sequences that `pytracking.experiments.<module>.<name>()` returns as
    `(trackers, dataset)`.

    `debug` and `threads` are those of `run_dataset`. `device` ('cpu', 'cuda:1', …) replaces that of
    every tracker's parameter file. Returns the sequences that failed.
    """
    env_settings()  # plug-in folders named in local.py
    module_name = f"pytracking.experiments.{experiment_module}"
    if not importable(module_name):
        known = modules_in("pytracking.experiments")
        raise MissingFile(
            f"there is no experiment file pytracking/experiments/{experiment_module}.py, nor a "
            "plug-in "
            f"of that name{suggestion(experiment_module, known)} - there are {', '.join(known)}"
        )
    module = importlib.import_module(module_name)
    experiment = getattr(module, experiment_name, None)
    if not callable(experiment):
        raise BadValue(
            f"{module.__file__} has no function {experiment_name}()"
            f"{suggestion(experiment_name, vars(module))}"
        )
    print(f"Running:  {experiment_module}  {experiment_name}")
    returned = experiment()
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise BadInput(
            f"{module.__file__}: {experiment_name}() must return the pair (trackers, dataset)"
        )
    trackers, dataset = returned
    if device is not None:
        for tracker in trackers:
            tracker.device = device
    return run_dataset(dataset, trackers, debug, threads)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Run the trackers and data sets that a function in "
        "pytracking/experiments puts together."
    )
    parser.add_argument("experiment_module", help="file in pytracking/experiments")
    parser.add_argument("experiment_name", help="function in it that returns (trackers, dataset)")
    parser.add_argument(
        "--debug",
        type=DEBUG_LEVEL,
        default=0,
        help="above 0: show frames, store nothing, stop at an error",
    )
    parser.add_argument(
        "--threads", type=PROCESSES, default=0, help="number of worker processes (default 0: none)"
    )
    add_device(parser)
    args = parser.parse_args()
    check_numbers(parser, args)

    ensure_local_file()
    failures = run_experiment(
        args.experiment_module,
        args.experiment_name,
        args.debug,
        args.threads,
        device=args.device,
    )
    return 1 if failures else 0


if __name__ == "__main__":
    run_script(main)
