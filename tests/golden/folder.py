"""A folder of reference numbers, whole or reduced.

A whole folder is written by the reference implementations: `meta.json` with the seed, and one file
a subject. A reduced one has the same files with fewer numbers: inputs that formulas give again are
left out, and of a big array a slice is kept, under the array's name followed by the slice:
`pred[::4, :, 8:16]`. Both are read alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ltr.admin.errors import BadInput, MissingFile

# The forms of folders: SPOT's networks with their data and method, and OSTrack.
SPOT = "spot"
OSTRACK = "ostrack"
COMMITTED = Path(__file__).resolve().parent / "data"
_SLICED = re.compile(r"(?P<name>.+?)\[(?P<slices>[\d:, ]*)\]")


class Golden:
    """The numbers of one seed.

    Files that no seed changes lie in the folder, beside it, or in the committed data.
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
        """Return the place of a file of this seed; it need not exist."""
        return self.folder / name

    def common(self, name: str) -> Path:
        """Return the place of a file that all seeds share."""
        folders = (self.folder, self.folder.parent, self.folder.parent.parent, COMMITTED)
        places = [folder / name for folder in folders]
        return next((place for place in places if place.exists()), places[1])

    @property
    def form(self) -> str:
        """Return what the folder holds numbers of."""
        return OSTRACK if self.path("ostrack_criterion.npz").exists() else SPOT

    def pictures(self, name: str) -> Arrays:
        """Open an .npz file of the pictures of this seed, which OSTrack's folder shares with
        SPOT's: `../../seedN`, by default the committed ones.
        """
        beside = self.folder.parent.parent / f"seed{self.seed}"
        place = next(p for p in (beside / name, COMMITTED / "seed0" / name) if p.exists())
        return Arrays(place)

    def json(self, name: str) -> Any:
        """Read a JSON file of this seed."""
        return json.loads(self.path(name).read_text())

    def common_json(self, name: str) -> Any:
        """Read a JSON file that all seeds share."""
        return json.loads(self.common(name).read_text())

    def arrays(self, name: str) -> Arrays:
        """Open an .npz file of this seed."""
        return Arrays(self.path(name))

    def network(self, net: nn.Module) -> nn.Module:
        """Return the network that a check runs: `net`, filled by formulas.

        Measurements of the tolerances put it into float64 here, and mutants break it here.
        """
        return net


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
        """Tell whether an array is stored whole."""
        return name in self._stored

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array that is stored whole."""
        if name not in self._stored:
            raise BadInput(f"{self.path} has no array '{name}'; copy the file again")
        return self._stored[name]

    def convert(self, function: Callable[[np.ndarray], np.ndarray]) -> None:
        """Replace every stored array by `function` of it."""
        self._stored = {name: function(array) for name, array in self._stored.items()}

    def names(self, prefix: str) -> list[str]:
        """List the arrays, whole or not, that begin with `prefix`, without it."""
        whole = [name for name in self._stored if not _SLICED.fullmatch(name)]
        return [name[len(prefix) :] for name in (*whole, *self._slices) if name.startswith(prefix)]

    def first(self, name: str) -> np.ndarray:
        """Return an array whole, or as many of its first rows as are stored."""
        if name in self._stored:
            return self._stored[name]
        _, entry = self._slices[name]
        return self._stored[entry]

    def like(self, name: str, ours: Any) -> tuple[np.ndarray, np.ndarray]:
        """Cut our array `ours` to the stored slice of `name`; return both."""
        ours = np.asarray(ours)
        if name in self._slices:
            slices, entry = self._slices[name]
            return ours[slices], self._stored[entry]
        return ours, self[name]


def parse_slices(text: str) -> tuple[slice, ...]:
    """Read `'::4, 8:16'` as the slices it denotes."""
    slices = []
    for entry in text.split(","):
        bounds = [int(bound) if bound.strip() else None for bound in entry.split(":")]
        slices.append(slice(*bounds))
    return tuple(slices)
