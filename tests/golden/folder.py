"""A folder of reference numbers, whole or reduced.

A whole folder is what the reference implementations wrote: `meta.json` with the seed, and one file a subject. A reduced
one has the same files with fewer numbers: inputs that formulas give again are left out, and of a big array a slice is
kept, under the array's name followed by the slice: `pred[::4, :, 8:16]`. Both are read alike.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, MissingFile

COMMITTED = Path(__file__).resolve().parent / "data"
_SLICED = re.compile(r"(?P<name>.+?)\[(?P<slices>[\d:, ]*)\]")


class Golden:
    """The numbers of one seed. Files that no seed changes lie in the folder, beside it, or in the
    committed data.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        meta = self.folder / "meta.json"
        if not meta.is_file():
            raise MissingFile(
                f"'{self.folder}' has no meta.json; give a folder of reference numbers such as "
                "tests/golden/data/seed0"
            )
        try:
            self.seed = int(json.loads(meta.read_text())["seed"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f'{meta} does not name the seed as {{"seed": 0}} ({error}); copy the file again'
            ) from None

    def path(self, name: str) -> Path:
        """Where a file of this seed is, whether or not it exists."""
        return self.folder / name

    def common(self, name: str) -> Path:
        """Where a file that all seeds share is."""
        places = [folder / name for folder in (self.folder, self.folder.parent, COMMITTED)]
        return next((place for place in places if place.exists()), places[1])

    def json(self, name: str) -> Any:
        """Content of a JSON file of this seed."""
        return json.loads(self.path(name).read_text())

    def common_json(self, name: str) -> Any:
        """Content of a JSON file that all seeds share."""
        return json.loads(self.common(name).read_text())

    def arrays(self, name: str) -> Arrays:
        """The arrays in an .npz file of this seed."""
        return Arrays(self.path(name))


class Arrays:
    """Arrays by name, some of them perhaps in part."""

    def __init__(self, path: Path):
        self.path = path
        with np.load(path) as file:
            self._stored = {name: file[name] for name in file.files}
        self._slices = {
            match["name"]: (parse_slices(match["slices"]), entry)
            for entry in self._stored
            if (match := _SLICED.fullmatch(entry))
        }

    def __contains__(self, name: str) -> bool:
        """Whether an array is stored whole."""
        return name in self._stored

    def __getitem__(self, name: str) -> np.ndarray:
        """An array that is stored whole."""
        if name not in self._stored:
            raise BadInput(f"{self.path} has no array '{name}'; copy the file again")
        return self._stored[name]

    def names(self, prefix: str) -> list[str]:
        """Names of the arrays, whole or not, that begin with `prefix`, without it."""
        whole = [name for name in self._stored if not _SLICED.fullmatch(name)]
        return [name[len(prefix) :] for name in (*whole, *self._slices) if name.startswith(prefix)]

    def first(self, name: str) -> np.ndarray:
        """An array whole, or as many of its first rows as are stored."""
        return self._stored[name] if name in self._stored else self._stored[self._slices[name][1]]

    def like(self, name: str, ours: Any) -> tuple[np.ndarray, np.ndarray]:
        """Of our array `ours` what is stored of `name`, and what is stored."""
        ours = np.asarray(ours)
        if name in self._slices:
            slices, entry = self._slices[name]
            return ours[slices], self._stored[entry]
        return ours, self[name]


def parse_slices(text: str) -> tuple[slice, ...]:
    """`'::4, 8:16'` as the slices it denotes."""
    return tuple(
        slice(*(int(part) if part.strip() else None for part in entry.split(":")))
        for entry in text.split(",")
    )
