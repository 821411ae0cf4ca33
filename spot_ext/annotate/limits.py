"""Limits of what the page may send: everything that is saved must be read and shown again."""

from __future__ import annotations

import math
from typing import Any

from ltr.admin.errors import BadValue

# Characters of an object's name and of a label. The CSV file is read back with fields of 131,072
# bytes at most, and nobody reads longer names on the page.
LONGEST_NAME = 200
# Pixels, in any direction from the frame's corner; no video has frames this large.
LARGEST_COORDINATE = 1e6
# Digits of a frame number in an address; no video is this long.
LONGEST_FRAME_NUMBER = 9
# Characters of a refused value that a sentence repeats.
_SHOWN = 60


def check_object_name(where: str, name: str) -> None:
    """Raise BadValue for a name of an object that cannot be kept or shown."""
    _check_text(where, "the object's name", name)
    # Names that are numbers are sorted by value, and signs such as ² are digits without a value.
    if name.isdigit() and not name.isascii():
        raise BadValue(
            f"{where}: the object's name {shortened(name)} looks like a number and is none; name "
            "it otherwise"
        )


def check_label(where: str, label: Any) -> None:
    """Raise BadValue for a label that cannot be kept or shown."""
    if not isinstance(label, str):
        raise BadValue(f"{where}: the label {shortened(label)} is no text that can be shown")
    _check_text(where, "the label", label)


def checked_box(where: str, box: Any) -> tuple[float, float, float, float]:
    """Return four numbers x, y, width, height; BadValue where they are none of a box."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_coordinate, box)):
        raise BadValue(
            f"{where}: a box is four numbers [x, y, width, height] between "
            f"-{LARGEST_COORDINATE:,.0f} and {LARGEST_COORDINATE:,.0f}, not {shortened(box)}"
        )
    if box[2] <= 0 or box[3] <= 0:
        raise BadValue(f"{where}: width and height of {shortened(box)} must be above 0")
    x, y, width, height = (float(value) for value in box)
    return x, y, width, height


def frame_number(text: str) -> int:
    """Return the frame number in an address; BadValue where it is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_FRAME_NUMBER):
        raise BadValue(f"frame={shortened(text)}: give a whole number")
    return int(text)


def shortened(value: Any) -> str:
    """Return `value` as a sentence repeats it; long numbers have no text in Python."""
    if isinstance(value, int) and value.bit_length() > 8 * _SHOWN:
        return f"a number of {value.bit_length()} bits"
    try:
        text = repr(value)
    except ValueError:
        return f"a {type(value).__name__} with numbers that are too long"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _check_text(where: str, what: str, text: str) -> None:
    if not text.isprintable():
        raise BadValue(f"{where}: {what} {shortened(text)} cannot be shown; name it otherwise")
    if len(text) > LONGEST_NAME:
        raise BadValue(f"{where}: {what} has {len(text)} characters; give at most {LONGEST_NAME}")


def _is_coordinate(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # Compared before it becomes a float, which a long whole number cannot.
    return -LARGEST_COORDINATE <= value <= LARGEST_COORDINATE and math.isfinite(value)
