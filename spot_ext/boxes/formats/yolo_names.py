"""Class names of YOLO's data sets: `classes.txt`, `obj.names`, or `names` in `data.yaml`."""

from __future__ import annotations

import reprlib
from pathlib import Path
from typing import Any

import yaml

from ltr.admin.errors import BadValue
from ltr.dataset.annotations import read_lines

CLASSES, DATA, CVAT_NAMES = "classes.txt", "data.yaml", "obj.names"

# The first line of our data.yaml; its files are named after frames that count from 1.
_OURS = "# frames in file names count from 1"

# The first lines of the files that earlier versions wrote.
_OURS_BEFORE = "path: .\ntrain: images\nval: images\nnames:\n"

# A class number beyond this is a mistake, not a class.
_MOST_CLASSES = 10**5


def class_files(names: list[str]) -> dict[str, str]:
    """Return name and content of the two files with class names."""
    content = {
        "path": ".",
        "train": "images",
        "val": "images",
        "names": dict(enumerate(names)),
    }
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10**6)
    return {CLASSES: "".join(f"{name}\n" for name in names), DATA: f"{_OURS}\n{text}"}


def written_here(folder: Path) -> bool:
    """Say whether `class_files` wrote the class names of a folder, or of the one above it."""
    for place in (folder, folder.parent):
        if (place / DATA).is_file():
            text = (place / DATA).read_text(encoding="utf-8-sig", errors="replace")
            return text.startswith((_OURS, _OURS_BEFORE))
    return False


def read_names(folder: Path) -> list[str]:
    """Return class names by number, from the folder or the one above; empty where there are none.

    The one above counts for a folder called `labels`, which lies beside the file of names.
    """
    for place in (folder, folder.parent):
        for name in (CLASSES, CVAT_NAMES):
            if (place / name).is_file():
                return [line for line in read_lines(place / name) if line.strip()]
        for name in (DATA, "data.yml", "dataset.yaml"):
            if (place / name).is_file():
                return _from_yaml(place / name)
    return []


def _from_yaml(path: Path) -> list[str]:
    """Read `names` of a data.yaml: a list, or a mapping from numbers to names."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        place = str(path) if line is None else f"{path} line {line + 1}"
        problem = getattr(error, "problem", None) or "it cannot be read"
        raise BadValue(f"{place}: not YAML ({problem}); correct it") from None
    names = content.get("names") if isinstance(content, dict) else None
    if names is None:
        return []
    if isinstance(names, list):
        return [_text(name, path) for name in names]
    if not isinstance(names, dict):
        raise BadValue(
            f"{path}: names is {reprlib.repr(names)[:40]}, not a list of names or a mapping from "
            "numbers to names; correct it"
        )
    return _from_mapping(names, path)


def _from_mapping(names: dict[Any, Any], path: Path) -> list[str]:
    found: dict[int, str] = {}
    for key, name in names.items():
        is_number = isinstance(key, int) and not isinstance(key, bool)
        number = int(key) if is_number or str(key).isdecimal() else -1
        if not 0 <= number <= _MOST_CLASSES or number in found:
            raise BadValue(f"{path}: class {str(key)[:40]} cannot be named here; correct it")
        found[number] = _text(name, path)
    return [found.get(number, str(number)) for number in range(max(found, default=-1) + 1)]


def _text(name: Any, path: Path) -> str:
    if isinstance(name, (dict, list)) or name is None:
        # Its whole text may have no end: an alias of YAML can stand for nine others.
        raise BadValue(f"{path}: the class name {reprlib.repr(name)[:40]} is no text; correct it")
    return str(name)
