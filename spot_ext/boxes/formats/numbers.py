"""Numbers from text and to text."""

from __future__ import annotations

from ltr.admin.errors import BadValue


def to_text(value: float) -> str:
    """The shortest text that reads back as the same number; whole numbers without a point."""
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def to_float(text: str, where: str, name: str) -> float:
    """A number. Raises BadValue with `where` and the name of the field."""
    try:
        return float(text)
    except ValueError:
        raise BadValue(f"{where}: {name} is '{text[:40]}', not a number; correct it") from None


def to_int(text: str, where: str, name: str) -> int:
    """A whole number, written with or without `.0`. Raises BadValue with `where` and the name of
    the field.
    """
    try:
        return int(text)
    except ValueError:
        pass
    value = to_float(text, where, name)
    if not value.is_integer():
        raise BadValue(f"{where}: {name} is '{text[:40]}', not a whole number; correct it")
    return int(value)
