"""VOT2018 and folders of its form: `<n>/color/%08d.jpg` and `<n>/groundtruth.txt`."""

from __future__ import annotations

import os

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.tabledataset import TableDataset
from pytracking.utils.load_text import read_boxes, read_text


@evaluation_set("vot")
class VOTDataset(TableDataset):
    """The sequences that `list.txt` names, without it all on disk sorted by name.

    Ground truth is a box or a polygon per row; of a polygon the upright hull is taken. Images may
    also lie in `<n>` itself, as in older years. For the VOT protocol with restarts use the VOT
    toolkit; this data set is run like the others.
    """

    title, path_attribute, tag, expected = (
        "VOT",
        "vot_path",
        "vot",
        0,
    )  # every year has another number
    layout = "<sequence>/groundtruth.txt"

    def __init__(self, root: str | None = None):
        super().__init__(root=root)

    def _describe_sequences(self) -> list[dict]:
        listing = os.path.join(self.base_path, "list.txt")
        if os.path.isfile(listing):
            names = read_text(listing).split()
        else:
            names = sorted(
                entry.name
                for entry in os.scandir(self.base_path)
                if os.path.isfile(os.path.join(entry.path, "groundtruth.txt"))
            )
        return [self._describe(name) for name in names]

    def _describe(self, name: str) -> dict:
        colour = f"{name}/color"
        plain = os.path.isfile(os.path.join(self.base_path, name, "00000001.jpg"))
        return {
            "name": name,
            "path": name if plain else colour,
            "startFrame": 1,
            "endFrame": self.row_count(f"{name}/groundtruth.txt"),
            "nz": 8,
            "ext": "jpg",
            "anno_path": f"{name}/groundtruth.txt",
        }

    def read_boxes(self, path: str) -> np.ndarray:
        if read_text(path).lstrip().startswith("m"):
            raise BadInput(
                f"{path} holds masks, as VOT has since 2020 - use the VOT toolkit with "
                "pytracking/run_vot.py, or vot_path of an earlier year"
            )
        rows = read_boxes(path, columns=None)
        if rows.shape[1] == 4:
            return rows
        if rows.shape[1] < 8 or rows.shape[1] % 2:
            raise BadValue(
                f"{path}: rows of {rows.shape[1]} numbers - give a box x,y,w,h or the corners "
                "x1,y1,x2,y2,… "
                "of a polygon per row"
            )
        corners = rows.reshape(len(rows), -1, 2)
        low, high = corners.min(axis=1), corners.max(axis=1)
        return np.concatenate([low, high - low], axis=1)
