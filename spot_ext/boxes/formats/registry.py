"""The formats that are there: each module of this folder that defines one is found by itself."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.track import VideoBoxes


@dataclass(frozen=True)
class Format:
    """A file format; a module of this folder that holds one as `FORMAT` has registered it.

    `looks_like` tells the format from a file's name and first lines; formats are asked in ascending
    `order`, so that a general one (any folder of text files) comes after a special one. `suffixes`
    are those of its files; none where it is always a folder.
    """

    name: str
    text: str  # one line for help texts
    order: int
    looks_like: Callable[[Candidate], bool]
    read: Callable[[Path, Infos], list[VideoBoxes]]
    write: Callable[[Sequence[VideoBoxes], Path, Infos], list[Path]]
    suffixes: tuple[str, ...] = ()


def find_formats(package: str, folders: Sequence[str]) -> Mapping[str, Format]:
    """Return the formats that the modules of a package define, by name, in their order."""
    found = []
    for module in pkgutil.iter_modules(folders):
        loaded = importlib.import_module(f"{package}.{module.name}")
        if isinstance(getattr(loaded, "FORMAT", None), Format):
            found.append(loaded.FORMAT)
    return {item.name: item for item in sorted(found, key=lambda item: item.order)}
