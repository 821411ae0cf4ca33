"""What `python -m spot_ext tune` prints and writes."""

from __future__ import annotations

import sys
from pathlib import Path

from ltr.admin.errors import BadValue
from pytracking.evaluation import environment
from spot_ext.tuning.parameter_file import check_target, parameter_text, write_parameter_file
from spot_ext.tuning.search import Finding, Search, tune


def run(options) -> Finding:
    """Search as the parsed `options` say, print the best values as a parameter file, and write it
    with `--out`.
    """
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
    if search.seed < 0:
        raise BadValue(f"--seed {search.seed}: give at least 0")
    if options.out is not None:
        check_target(options.out)
    folder = options.folder or _default_folder(search)
    _say(f"trials are kept in {folder}")
    finding = tune(search, folder, options.trials, options.workers, options.memory, _say)
    text = parameter_text(finding, options.per_dataset)
    _say(f"\n{_summary(finding)}\n\n{text}")
    if options.out is not None:
        write_parameter_file(options.out, text)
        _say(f"written: {options.out}")
    return finding


def _summary(finding: Finding) -> str:
    name, best, default = finding.search.metric.upper(), finding.best, finding.default
    count = f"{finding.trials} trials, {finding.stopped} given up early"
    if not finding.better:
        return f"Nothing is better than the default values: {name} {default.score:.2f} ({count})."
    return (
        f"Best: trial {best.number}, {name} {best.score:.2f}; default values {default.score:.2f}, "
        f"{best.score - default.score:+.2f} ({count})."
    )


def _default_folder(search: Search) -> Path:
    """`<results_path>/tune/<tracker>/<parameter>_<data set>_<metric>_<seed>`, with the number of
    sequences if not all.
    """
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
