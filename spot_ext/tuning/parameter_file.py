"""The best values as a parameter file that trackers can be run with."""

from __future__ import annotations

from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.io.files import write_text
from pytracking.evaluation.tracker import Tracker
from spot_ext.tuning.search import Finding

MARK = "Found by `python -m spot_ext tune`"  # files with it may be replaced


def parameter_text(finding: Finding, per_dataset: bool = False) -> str:
    """A whole `parameter/<tracker>/<name>.py`: the file that was tuned, with the best values.

    With `per_dataset`, or when the file that was tuned has values of its own for the data set, they
    apply to data sets with its tag only, otherwise to all.
    """
    search, best, default = finding.search, finding.best, finding.default
    base = Tracker(search.tracker, search.parameter).get_parameters()
    own = base.get("per_dataset", None) or {}
    if per_dataset or set(own.get(finding.tag, ())) & set(best.values):
        values = "".join(f"        {name!r}: {value!r},\n" for name, value in best.values.items())
        body = (
            "    known = params.get('per_dataset', None) or {}\n"
            f"    params.per_dataset = {{**known, {finding.tag!r}: {{\n        "
            f"**known.get({finding.tag!r}, {{}}),\n"
            f"{values}    }}}}\n"
        )
    else:
        body = "".join(f"    params.{name} = {value!r}\n" for name, value in best.values.items())
    subset = "" if search.sequences is None else f" ({search.sequences} sequences)"
    verdict = (
        f"default {default.score:.2f}" if finding.better else "the default values, none was better"
    )
    return (
        f'"""{search.parameter} with tuned tracking parameters.\n\n'
        f"{MARK}: {search.metric.upper()} {best.score:.2f} on {search.dataset}{subset}, "
        f"{verdict};\n"
        f"trial {best.number} of {finding.trials}, seed {search.seed}.\n"
        '"""\n\n'
        f"from pytracking.parameter.{search.tracker} import {search.parameter}\n"
        "from pytracking.utils import TrackerParams\n\n\n"
        "def parameters() -> TrackerParams:\n"
        f"    params = {search.parameter}.parameters()\n"
        f"{body}"
        "    return params\n"
    )


def check_target(path: Path) -> None:
    """Raise BadValue unless a parameter file may be written to `path`; called before hours of
    search.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise BadValue(
            f"--out {path}: give a parameter file, e.g. pytracking/parameter/<tracker>/tuned.py"
        )
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise BadValue(
            f"--out {path}: that file is there and was not found by tune - give another name"
        )


def write_parameter_file(path: Path, text: str) -> None:
    """Write `text` to `path`, in one step."""
    write_text(path, text)
