"""The verb `tune`: search the tracking parameters of a parameter file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ltr.admin.arguments import MEGABYTES, PROCESSES, SEED, TRIALS, VIDEOS
from ltr.admin.errors import BadValue
from ltr.admin.places import output_file, work_folder
from spot_ext.commands import verb

if TYPE_CHECKING:
    from spot_ext.tuning.search import Finding, Search


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `tune`."""
    parser.add_argument("tracker", help="a tracker of pytracking/tracker, or of a plug-in")
    parser.add_argument("parameter", help="its parameter file; the values in it are trial 0")
    parser.add_argument(
        "--dataset",
        required=True,
        help="a validation set, not one to report: got10k_val, toy_val …",
    )
    parser.add_argument(
        "--metric", default="auc", help="auc (default; pytracking's) or ao (GOT-10k's)"
    )
    parser.add_argument(
        "--trials",
        type=TRIALS,
        default=40,
        help="sets of values to try, the default ones included (40)",
    )
    parser.add_argument(
        "--sequences", type=VIDEOS, metavar="N", help="a random choice of N sequences; default: all"
    )
    parser.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="NAME[=LOW:HIGH]",
        help="search this parameter, instead of all that the tracker class names; may be repeated",
    )
    parser.add_argument(
        "--seed", type=SEED, default=0, help="of proposals and sequences: same seed, same trials"
    )
    parser.add_argument(
        "--workers", type=PROCESSES, default=0, help="processes; default: this one only"
    )
    parser.add_argument(
        "--device", metavar="NAME", help="cpu, cuda, cuda:1 …; default: the parameter file's"
    )
    parser.add_argument(
        "--memory",
        type=MEGABYTES,
        default=512,
        metavar="MB",
        help="network outputs kept by each process (512)",
    )
    parser.add_argument(
        "--run",
        dest="folder",
        type=work_folder,
        metavar="FOLDER",
        help="where the trials are kept; default: below results_path, by tracker, data set, "
        "metric and seed",
    )
    parser.add_argument(
        "--out", type=output_file, metavar="FILE.py", help="also write the parameter file there"
    )
    parser.add_argument(
        "--per-dataset", action="store_true", help="let the values apply to this data set only"
    )


@verb(
    "tune",
    "Search the tracking parameters of a parameter file on a validation set. The same command "
    "goes on where an interrupted one was, and with a larger --trials continues a finished one.",
    examples=["tune TRACKER PARAM --dataset got10k_val --metric ao --trials 60 --workers 4"],
    arguments=add_arguments,
)
def run(options: argparse.Namespace) -> None:
    """Search, print the best values as a parameter file, and write it with `--out`."""
    if options.seed < 0:
        raise BadValue(f"--seed {options.seed}: give at least 0")
    from pytracking.evaluation import environment
    from spot_ext.tuning.parameter_file import check_target, parameter_text, write_parameter_file
    from spot_ext.tuning.search import Search, tune

    environment.ensure_local_file()
    search = Search(
        options.tracker,
        options.parameter,
        options.dataset,
        options.metric.lower(),
        options.seed,
        options.sequences,
        tuple(options.search),
    )
    if options.out is not None:
        check_target(options.out)
    folder = options.folder or _default_folder(search)
    _say(f"trials are kept in {folder}")
    finding = tune(
        search, folder, options.trials, options.workers, options.memory, _say, options.device
    )
    text = parameter_text(finding, options.per_dataset)
    _say(f"\n{_summary(finding)}\n\n{text}")
    if options.out is not None:
        write_parameter_file(options.out, text)
        _say(f"written: {options.out}")


def _summary(finding: Finding) -> str:
    metric = finding.search.metric.upper()
    count = f"{finding.trials} trials, {finding.stopped} given up early"
    best = finding.best.score
    default = finding.default.score
    if not finding.better or best is None or default is None:
        return f"Nothing is better than the default values: {metric} {default:.2f} ({count})."
    return (
        f"Best: trial {finding.best.number}, {metric} {best:.2f}; default values {default:.2f}, "
        f"{best - default:+.2f} ({count})."
    )


def _default_folder(search: Search) -> Path:
    """Return the folder below results_path that tells this search from every other one."""
    from pytracking.evaluation import environment

    subset = "" if search.sequences is None else f"_{search.sequences}"
    return Path(
        environment.env_settings().results_path,
        "tune",
        search.tracker,
        f"{search.parameter}_{search.dataset}{subset}_{search.metric}_{search.seed:03d}",
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
