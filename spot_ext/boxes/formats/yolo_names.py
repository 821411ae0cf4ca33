"""Class names of YOLO's data sets: `classes.txt`, a name a line, or `names` in `data.yaml`."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.dataset.annotations import read_lines

CLASSES, DATA = "classes.txt", "data.yaml"
_ENTRY = re.compile(r"\s+(\d+)\s*:\s*(.+)|\s*-\s+(.+)")


def class_files(names: list[str]) -> dict[str, str]:
    """Name and content of both files."""
    rows = "".join(
        f"  {number}: {json.dumps(name, ensure_ascii=False)}\n" for number, name in enumerate(names)
    )
    return {
        CLASSES: "".join(f"{name}\n" for name in names),
        DATA: f"path: .\ntrain: images\nval: images\nnames:\n{rows}",
    }


def read_names(folder: Path) -> list[str]:
    """Names by class number, from the folder or, of one called `labels`, the one above; empty where
    there are none.
    """
    for place in (folder, folder.parent):
        if (place / CLASSES).is_file():
            return [line for line in read_lines(place / CLASSES) if line.strip()]
        if (place / DATA).is_file():
            return _from_yaml(place / DATA)
    return []


def _from_yaml(path: Path) -> list[str]:
    """`names` as a list in brackets, a list with dashes, or a mapping from numbers: the three forms
    in use.
    """
    lines = read_lines(path)
    start = next((row for row, line in enumerate(lines) if line.startswith("names:")), None)
    if start is None:
        return []
    value = re.sub(r"\s#.*$", "", lines[start].removeprefix("names:")).strip()
    if value:
        try:
            found = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found = [part.strip() for part in value.strip("[]{}").split(",")]
        if isinstance(found, dict):
            found = [found.get(number, str(number)) for number in range(max(found, default=-1) + 1)]
        return [str(name) for name in found]
    names: dict[int, str] = {}
    for row, line in enumerate(lines[start + 1 :], start + 2):
        entry = _ENTRY.fullmatch(line)
        if entry is None:
            if line.strip() and not line.lstrip().startswith("#"):
                break
            continue
        number = int(entry[1]) if entry[1] else len(names)
        if number in names or number > 10**5:
            raise BadValue(f"{path} line {row}: class {number} cannot be named here; correct it")
        names[number] = _plain(entry[2] or entry[3])
    return [names.get(number, str(number)) for number in range(max(names, default=-1) + 1)]


def _plain(text: str) -> str:
    text = text.strip()
    if text[:1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text.strip('"')
    return text.strip("'")
