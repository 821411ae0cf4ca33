"""OxUvA: long videos in `images/<split>/<video>/%06d.jpeg`, tracks in `tasks/<split>.csv`.

A track is named `<video>_<object>_frames[<first>:<last + 1>]`. Coordinates in the tables are
fractions of the image.
"""

from __future__ import annotations

import csv
import functools
import os
from dataclasses import dataclass, field

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import default_image_loader
from ltr.dataset.registry import evaluation_set
from pytracking.evaluation.data import BaseDataset, LazySequence, Sequence, SequenceList
from pytracking.evaluation.frames import frame_range
from pytracking.evaluation.lists import report_partial, report_without_frames
from pytracking.utils.load_text import read_text

SPLITS = {"dev": 200, "test": 166}


@dataclass(frozen=True)
class Track:
    """A row of `tasks/<split>.csv`, and the boxes annotated after it. Boxes are (xmin, xmax, ymin,
    ymax), fractions.
    """

    video: str
    object_id: str
    first: int
    last: int
    boxes: dict[int, tuple[float, ...]] = field(default_factory=dict)  # by frame number

    @property
    def name(self) -> str:
        return f"{self.video}_{self.object_id}_frames[{self.first:06d}:{self.last + 1:06d}]"


@evaluation_set("oxuva_dev", split="dev")
@evaluation_set("oxuva_test", split="test")
class OxUvADataset(BaseDataset):
    """The tracks of `split` 'dev' (annotated about every 30 frames, from `annotations/dev.csv`) or
    'test' (first frame only). Rows of the ground truth without an annotation are -1, and so are
    those where the target is absent.
    """

    def __init__(self, split: str, root: str | None = None):
        super().__init__(root=root)
        if split not in SPLITS:
            raise BadValue(f"OxUvA: unknown split '{split}', use {' or '.join(SPLITS)}")
        self.split = split
        self.base_path = self.folder("oxuva_path", "OxUvA")
        self.tracks = self._read_tracks()
        report_partial("OxUvA", len(self.tracks), SPLITS[split], self.base_path)
        report_without_frames(
            "OxUvA", ((track.name, self._image_folder(track.video)) for track in self.tracks)
        )

    def _read_tracks(self) -> list[Track]:
        tracks = {}
        for number, row in self._rows("tasks", self.split, 8):
            video, object_id, first, last, *box = row
            try:
                track = Track(video, object_id, int(first), int(last))
                track.boxes[track.first] = tuple(map(float, box))
            except ValueError:
                raise self._bad_row(
                    "tasks", self.split, number, "init_frame, last_frame, xmin, xmax, ymin, ymax"
                ) from None
            tracks[video, object_id] = track
        if self.split == "dev":
            self._add_annotations(tracks)
        return list(tracks.values())

    def _add_annotations(self, tracks: dict[tuple[str, str], Track]) -> None:
        for number, row in self._rows("annotations", "dev", 12):
            track = tracks.get((row[0], row[1]))
            if track is None or row[7] == "absent":
                continue
            try:
                frame, box = int(row[6]), tuple(map(float, row[8:12]))
            except ValueError:
                raise self._bad_row(
                    "annotations", "dev", number, "frame_num, … xmin, xmax, ymin, ymax"
                ) from None
            if track.first <= frame <= track.last:
                track.boxes[frame] = box

    def _rows(self, folder: str, split: str, columns: int) -> list[tuple[int, list[str]]]:
        file = os.path.join(self.base_path, folder, f"{split}.csv")
        if not os.path.isfile(file):
            raise MissingFile(
                f"OxUvA: no {folder}/{split}.csv in '{self.base_path}' - "
                + self.remedy("oxuva_path", "tasks/, annotations/ and images/")
            )
        rows = [
            (number, row)
            for number, row in enumerate(csv.reader(read_text(file).splitlines()), 1)
            if row
        ]
        for number, row in rows:
            if len(row) != columns:
                raise BadValue(
                    f"{file} line {number}: {len(row)} columns where {columns} belong - copy the "
                    "file again"
                )
        return [(number, [entry.strip() for entry in row]) for number, row in rows]

    def _bad_row(self, folder: str, split: str, number: int, wanted: str) -> BadValue:
        return BadValue(
            f"{os.path.join(self.base_path, folder, split)}.csv line {number}: expected numbers "
            f"for {wanted} - "
            "copy the file again"
        )

    def _image_folder(self, video: str) -> str:
        return os.path.join(self.base_path, "images", self.split, video)

    def get_sequence_list(self) -> SequenceList:
        return SequenceList(
            LazySequence(
                track.name,
                "oxuva",
                functools.partial(_construct_sequence, track, self._image_folder(track.video)),
            )
            for track in self.tracks
        )

    def __len__(self) -> int:
        return len(self.tracks)


def _construct_sequence(track: Track, image_folder: str) -> Sequence:
    frames = frame_range(image_folder, track.first, track.last, 6, "jpeg")
    height, width = default_image_loader(frames[0]).shape[:2]
    boxes_xywh = np.full((len(frames), 4), -1.0)
    for frame, (left, right, top, bottom) in track.boxes.items():
        boxes_xywh[frame - track.first] = [
            left * width,
            top * height,
            (right - left) * width,
            (bottom - top) * height,
        ]
    return Sequence(track.name, frames, "oxuva", boxes_xywh)
