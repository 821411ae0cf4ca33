"""Tells whether a person drew a box, for all formats that have fields with names.

Ours says it by `human`. Programs that fill in boxes between a person's key frames say it in one of
a few ways, by which the table in docs/formats.md goes format by format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltr.admin.errors import BadValue

# A box of which one of these is true was computed: Label Studio's interpolated exports (`auto`),
# VATIC (`generated`), and what others call the same.
COMPUTED_IF_TRUE = ("auto", "generated", "interpolated", "is_interpolated")

# A box of which one of these is false was computed: CVAT's exports, datumaro.
COMPUTED_IF_FALSE = ("keyframe", "is_keyframe", "key_frame")

# Values of `source` of boxes that a model made, as CVAT writes them.
MACHINE_SOURCES = ("auto", "automatic", "model")

_TRUE = ("1", "true", "yes")
_FALSE = ("0", "false", "no", "")


def drawn_by_person(where: str, *records: Mapping[str, Any]) -> bool | None:
    """Return whether a person drew a box; None where nothing is said.

    `records` are the fields of the box and of what holds it, the nearest first.
    """
    for record in records:
        human = flag(record, "human", where)
        if human is not None:
            return human
    for record in records:
        if any(flag(record, name, where) is True for name in COMPUTED_IF_TRUE):
            return False
        if any(flag(record, name, where) is False for name in COMPUTED_IF_FALSE):
            return False
        if str(record.get("source", "")).lower() in MACHINE_SOURCES:
            return False
    return None


def flag(record: Mapping[str, Any], name: str, where: str) -> bool | None:
    """Return a field that says yes or no, as true, 1 or text; None where it is absent or null."""
    value = record.get(name)
    if value is None:
        return None
    if isinstance(value, (bool, int)):
        return bool(value)
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise BadValue(f"{where}: {name} is '{str(value)[:40]}', not 0 or 1; correct it")
