"""JSON files and the fields in them, with a sentence for each kind of damage."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, in_short, suggestion
from ltr.io.files import write_text


def load(path: Path) -> Any:
    """Content of a JSON file. Raises BadValue with the line."""
    if not path.is_file():
        raise BadValue(f"{path} is a folder; give the JSON file in it")
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise BadValue(
            f"{path} line {error.lineno}: not JSON ({error.msg}); export it again"
        ) from None
    except UnicodeDecodeError as error:
        raise BadValue(f"{path} is not UTF-8 text ({error}); save it as UTF-8") from None
    # Numbers of thousands of digits.
    except ValueError as error:
        raise BadValue(f"{path}: not JSON ({in_short(error)}); export it again") from None
    except RecursionError:
        raise BadValue(f"{path}: nested too deeply for a file of boxes; export it again") from None


def save(content: Any, path: Path, file_name: str) -> list[Path]:
    """Write `content` in one step; a folder gets it as `file_name`."""
    path = path / file_name if path.is_dir() else path
    write_text(path, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    return [path]


def records(
    parent: Mapping[str, Any], key: str, where: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects in the list `parent[key]`, each with what to call it in an error; nothing where
    the key is absent.
    """
    items = parent.get(key, [])
    if not isinstance(items, list):
        raise BadValue(f"{where}: '{key}' is no list; correct it")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise BadValue(f"{where}: {key}[{number}] is no object with fields; correct it")
        yield f"{where}: {key}[{number}]", item


def number(record: Mapping[str, Any], key: str, where: str) -> float:
    """A finite number that must be there."""
    value = need(record, key, where)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise BadValue(f"{where}: '{key}' is {in_short(value)!r}, not a number; correct it")
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    # A whole number that no float holds.
    except OverflowError:
        return False


def integer(record: Mapping[str, Any], key: str, where: str) -> int:
    """A whole number that must be there."""
    value = number(record, key, where)
    if value != int(value):
        raise BadValue(f"{where}: '{key}' is {value}, not a whole number; correct it")
    return int(value)


def positive(record: Mapping[str, Any], key: str, where: str, whole: bool = True) -> Any:
    """A number above 0, or None where it is absent, null or 0, which programs write for what they
    do not know.
    """
    if not record.get(key):
        return None
    value = (integer if whole else number)(record, key, where)
    if value < 0:
        raise BadValue(f"{where}: '{key}' is {value}, it must be above 0; correct it")
    return value


def box(values: Any, where: str, name: str = "bbox") -> Sequence[float]:
    """Four numbers."""
    if (
        not isinstance(values, list)
        or len(values) != 4
        or any(isinstance(value, bool) or not isinstance(value, (int, float)) for value in values)
    ):
        raise BadValue(
            f"{where}: '{name}' is {str(values)[:60]}, not four numbers x,y,w,h; correct it"
        )
    return values


def need(record: Mapping[str, Any], key: str, where: str) -> Any:
    """A field that must be there."""
    if key not in record:
        raise BadValue(f"{where} has no '{key}'{suggestion(key, record)}; add it")
    return record[key]


def identity(record: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return an id as text, so that 1 and "1" are the same; None where it is absent or null."""
    value = record.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
        raise BadValue(
            f"{where}: '{key}' is {str(value)[:40]!r}, an id is a whole number or text; correct it"
        )
    return None if value is None else str(value)


def needed_identity(record: Mapping[str, Any], key: str, where: str) -> str:
    """Return an id that must be there, as text."""
    need(record, key, where)
    value = identity(record, key, where)
    if value is None:
        raise BadValue(f"{where}: '{key}' is null, an id is a whole number or text; correct it")
    return value
