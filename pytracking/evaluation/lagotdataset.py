"""LaGOT: several objects annotated in LaSOT's videos, from one JSON file under `lagot_path`; images
under `lasot_path`.

The file holds per sequence `{'xywh': …, 'frames': [paths relative to lasot_path]}`, where `xywh` is
a list of boxes, or with several objects a dict track id -> list of boxes. A row of negative numbers
means: not visible.
"""

from __future__ import annotations

import functools
import json
import os
from collections import OrderedDict

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.data import BaseDataset, LazySequence, Sequence, SequenceList
from pytracking.utils.load_text import read_text

FILE = "LaGOT_{}_object_per_sequence_annotations_final.json"
TAG = "LaGOT"
ANNOTATED_EVERY = 3  # frames between two annotated ones; what is not annotated counts as visible


@evaluation_set("lagot", sot_mode=False)
@evaluation_set("lagot_sot_mode", sot_mode=True)
class LaGOTDataset(BaseDataset):
    """The sequences with all their objects at once, or with `sot_mode` one object per sequence."""

    def __init__(self, sot_mode: bool = False, root: str | None = None):
        super().__init__(root=root)
        self.sot_mode = sot_mode
        self.base_path = self.folder("lagot_path", TAG)
        self.image_path = self.folder("lasot_path", "LaSOT, whose images LaGOT uses,")
        file = os.path.join(self.base_path, FILE.format("one" if sot_mode else "multiple"))
        if not os.path.isfile(file):
            raise MissingFile(
                f"{TAG}: no {os.path.basename(file)} in '{self.base_path}' - "
                + self.remedy("lagot_path", "it")
            )
        try:
            self.annotations: dict[str, dict] = json.loads(read_text(file))
            wrong = [
                name
                for name, entry in self.annotations.items()
                if not {"xywh", "frames"} <= entry.keys()
            ]
        except (ValueError, AttributeError) as error:
            raise BadInput(
                f"{TAG}: {file} cannot be read as annotations ({error}) - download it again"
            ) from None
        if wrong:
            raise BadInput(
                f"{TAG}: {file} has no 'xywh' or no 'frames' for {wrong[0]} - download it again"
            )

    def get_sequence_list(self) -> SequenceList:
        construct = _single_object if self.sot_mode else _several_objects
        return SequenceList(
            LazySequence(
                name,
                TAG,
                functools.partial(construct, name, entry, self.image_path),
                object_ids=None if self.sot_mode else list(entry["xywh"]),
            )
            for name, entry in self.annotations.items()
        )

    def __len__(self) -> int:
        return len(self.annotations)


def _single_object(name: str, entry: dict, image_path: str) -> Sequence:
    boxes_xywh = _boxes(name, entry["xywh"])
    visible = np.ones(len(boxes_xywh), bool)
    visible[::ANNOTATED_EVERY] = (boxes_xywh[::ANNOTATED_EVERY] >= 0).all(axis=1)
    return Sequence(name, _frames(entry, image_path), TAG, boxes_xywh, target_visible=visible)


def _several_objects(name: str, entry: dict, image_path: str) -> Sequence:
    boxes_xywh = OrderedDict((track, _boxes(name, rows)) for track, rows in entry["xywh"].items())
    late = [
        track for track, rows in boxes_xywh.items() if not len(rows) or not (rows[0] > -1).all()
    ]
    if late:
        raise BadValue(
            f"{TAG}: object {late[0]} of {name} has no box on the first frame, where all objects "
            "start - "
            "download the annotations again"
        )
    ids = list(boxes_xywh)
    start = OrderedDict((track, rows[0]) for track, rows in boxes_xywh.items())
    return Sequence(
        name,
        _frames(entry, image_path),
        TAG,
        boxes_xywh,
        init_data={0: {"bbox": start, "object_ids": ids}},
        object_ids=ids,
        multiobj_mode=True,
    )


def _frames(entry: dict, image_path: str) -> list[str]:
    return [os.path.join(image_path, path) for path in entry["frames"]]


def _boxes(name: str, rows: list) -> np.ndarray:
    try:
        return np.array(rows, dtype=np.float64).reshape(-1, 4)
    except (ValueError, TypeError):
        raise BadValue(
            f"{TAG}: the boxes of {name} are no rows of four numbers - download the annotations "
            "again"
        ) from None
