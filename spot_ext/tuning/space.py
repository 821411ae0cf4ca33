"""What is searched: ranges that the tracker class declares, and the values that a parameter file
has without a search.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ltr.admin.errors import BadValue, suggestion
from pytracking.evaluation.tracker import Tracker

Space = dict[str, tuple[float, float]]  # lowest and highest value by parameter name


def search_space(tracker: Tracker, chosen: Sequence[str] = ()) -> Space:
    """The ranges to search.

    A tracker class names them, `tunable = {"window_penalty": (0.0, 0.9)}`; of each it keeps the
    value in use as an attribute of that name. `chosen` are 'NAME' (only these of the class's) or
    'NAME=LOW:HIGH' (another range, or a parameter that the class does not name). Whole numbers at
    both ends search whole numbers.
    """
    declared: Space = dict(getattr(tracker.tracker_class, "tunable", {}))
    if not chosen:
        if not declared:
            raise BadValue(
                f"tracker {tracker.name} names nothing to search - give --search NAME=LOW:HIGH, "
                "or its class "
                "an attribute like tunable = {'window_penalty': (0.0, 0.9)}"
            )
        return declared
    space = {}
    for text in chosen:
        name, equals, ends = text.partition("=")
        if equals:
            space[name] = _range(text, ends)
        elif name in declared:
            space[name] = declared[name]
        else:
            raise BadValue(
                f"--search {name}: tracker {tracker.name} names no such "
                f"range{suggestion(name, declared)} - give "
                f"one, --search {name}=LOW:HIGH"
            )
    return space


def default_values(tracker: Tracker, space: Space, tag: str) -> dict[str, float]:
    """The values of the parameter file, else of the tracker class, for data sets with `tag`."""
    params = tracker.get_parameters().for_dataset(tag)
    instance = None
    values = {}
    for name in space:
        if not params.has(name) and instance is None:
            instance = tracker.create_tracker(params)
        value = params.get(name) if params.has(name) else getattr(instance, name, None)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
        ):
            raise BadValue(
                f"parameter '{name}' of {tracker.name} {tracker.parameter_name} is {value!r}, "
                "which is no number "
                f"to search from - set params.{name} in the parameter file"
            )
        values[name] = value
    return values


def written(value: float) -> float:
    """`value` with the digits that a parameter file shows; it is these that are tried."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _range(text: str, ends: str) -> tuple[float, float]:
    low, _, high = ends.partition(":")
    try:
        numbers = (int(low), int(high))
    except ValueError:
        try:
            numbers = (float(low), float(high))
        except ValueError:
            raise BadValue(
                f"--search {text}: give a range of numbers, e.g. window_penalty=0.2:0.8"
            ) from None
    if not all(map(math.isfinite, numbers)) or numbers[0] >= numbers[1]:
        raise BadValue(f"--search {text}: the range must go from a lower to a higher number")
    return numbers
