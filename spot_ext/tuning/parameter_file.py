"""The best values as a parameter file that trackers can be run with."""

from __future__ import annotations

from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.io import outputs
from ltr.io.files import require_place, write_text
from pytracking.evaluation.tracker import Tracker
from spot_ext.tuning.search import Finding

# Files with this mark may be replaced.
MARK = "Found by `python -m spot_ext tune`"

FILE = '''"""{parameter} with tuned tracking parameters.

{mark}: {metric} {score:.2f} on {dataset}{subset}, {verdict};
trial {number} of {trials}, seed {seed}.
"""

from pytracking.parameter.{tracker} import {parameter}
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    params = {parameter}.parameters()
{body}    return params
'''

FOR_ALL_DATA_SETS = "    params.{name} = {value!r}\n"

FOR_ONE_DATA_SET = """    known = params.get('per_dataset', None) or {{}}
    params.per_dataset = {{**known, {tag!r}: {{
        **known.get({tag!r}, {{}}),
{values}    }}}}
"""


def parameter_text(finding: Finding, per_dataset: bool = False) -> str:
    """Return a whole `parameter/<tracker>/<name>.py`: the tuned file with the best values.

    With `per_dataset`, or when the tuned file has values of its own for the data set, they apply
    to data sets with its tag only, otherwise to all.
    """
    search = finding.search
    best = finding.best
    verdict = "the default values, none was better"
    if finding.better:
        verdict = f"default {finding.default.score:.2f}"
    return FILE.format(
        tracker=search.tracker,
        parameter=search.parameter,
        mark=MARK,
        metric=search.metric.upper(),
        score=best.score,
        dataset=search.dataset,
        subset="" if search.sequences is None else f" ({search.sequences} sequences)",
        verdict=verdict,
        number=best.number,
        trials=finding.trials,
        seed=search.seed,
        body=_body(finding, per_dataset),
    )


def _body(finding: Finding, per_dataset: bool) -> str:
    search = finding.search
    values = finding.best.values
    params = Tracker(search.tracker, search.parameter).get_parameters()
    values_by_dataset = params.get("per_dataset", None) or {}
    has_own_values = bool(set(values_by_dataset.get(finding.tag, ())) & set(values))
    if per_dataset or has_own_values:
        listed = "".join(f"        {name!r}: {value!r},\n" for name, value in values.items())
        return FOR_ONE_DATA_SET.format(tag=finding.tag, values=listed)
    return "".join(
        FOR_ALL_DATA_SETS.format(name=name, value=value) for name, value in values.items()
    )


def check_target(path: Path) -> None:
    """Raise BadValue unless a parameter file may be written to `path`.

    It is called before hours of search.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise BadValue(
            f"--out {path}: give a parameter file, e.g. pytracking/parameter/<tracker>/tuned.py"
        )
    if path.is_file() and MARK in path.read_text(encoding="utf-8", errors="replace"):
        # A version that kept no list of outputs may have written it.
        outputs.current().adopt(path)
    require_place(path)


def write_parameter_file(path: Path, text: str) -> None:
    """Write `text` to `path`, in one step."""
    write_text(path, text)
