"""The values to search: ranges that the tracker class declares, and the values of trial 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from pytracking.evaluation.tracker import Tracker

# Lowest and highest value by parameter name.
Range = tuple[float, float]
Space = dict[str, Range]

# Digits of a value in the parameter file.
WRITTEN_DIGITS = 4


def search_space(tracker: Tracker, chosen: Sequence[str] = ()) -> Space:
    """Return the ranges to search.

    A tracker class names them, `tunable = {"window_penalty": (0.0, 0.9)}`, and keeps the value in
    use as an attribute of that name. `chosen` are 'NAME' (only these of the class's) or
    'NAME=LOW:HIGH' (another range, or a parameter that the class does not name). Whole numbers at
    both ends search whole numbers.
    """
    declared: Space = dict(getattr(tracker.tracker_class, "tunable", {}))
    if not chosen:
        if not declared:
            raise BadValue(
                f"tracker {tracker.name} names nothing to search; give --search NAME=LOW:HIGH, or "
                "its class an attribute like tunable = {'window_penalty': (0.0, 0.9)}"
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
                f"--search {name}: tracker {tracker.name} names no such range"
                f"{suggestion(name, declared)}; give one, --search {name}=LOW:HIGH"
            )
    return space


def default_values(tracker: Tracker, space: Space, tag: str) -> dict[str, float]:
    """Return the values of the parameter file, else of the tracker class, for the data set `tag`.

    BadValue for a value that is no number to search from.
    """
    params = tracker.get_parameters().for_dataset(tag)
    instance = None
    values = {}
    for name in space:
        if params.has(name):
            value = params.get(name)
        else:
            if instance is None:
                # Making a tracker may take seconds: only where it is needed, and once.
                instance = tracker.create_tracker(params)
            value = getattr(instance, name, None)
        if not _is_number(value):
            raise BadValue(
                f"parameter '{name}' of {tracker.name} {tracker.parameter_name} is {value!r}, "
                f"which is no number to search from; set params.{name} in the parameter file"
            )
        values[name] = value
    return values


def written(value: float) -> float:
    """Return `value` with the digits that a parameter file shows; it is these that are tried."""
    if isinstance(value, int):
        return value
    return float(f"{value:.{WRITTEN_DIGITS}g}")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value)


def _range(text: str, ends: str) -> Range:
    low_text, _, high_text = ends.partition(":")
    try:
        low, high = _number(low_text), _number(high_text)
    except ValueError:
        raise BadValue(
            f"--search {text}: give a range of numbers, e.g. window_penalty=0.2:0.8"
        ) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise BadValue(f"--search {text}: the range must go from a lower to a higher number")
    if isinstance(low, int) and isinstance(high, int):
        return low, high
    return float(low), float(high)


def _number(text: str) -> float:
    """Return a whole number as int."""
    try:
        return int(text)
    except ValueError:
        return float(text)
