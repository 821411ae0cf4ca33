"""Data sets on disk with one image file a frame and one text file of boxes a sequence."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.annotations import count_rows, read_boxes
from ltr.dataset.base_video_dataset import BaseVideoDataset, object_meta
from ltr.dataset.sequence_index import SequenceIndex, index_file
from ltr.frames.shared import PackedFrames


class FileVideoDataset(BaseVideoDataset):
    """A data set with one image file a frame and a text file of boxes a sequence.

    A subclass says where things are: `frame_path`, `boxes_path` and, where there are more,
    `flag_paths`; and, where it knows more, `visibility` and `meta`. In place of a folder of images
    there may be a video file or a tar archive (see `ltr.frames.opening`).

    Annotation is parsed once and kept in an index (see `ltr.dataset.sequence_index`), which is made
    or opened by `prepare` or by the first call that needs whole sequences: `get_sequence_info`,
    `get_visible`. `get_boxes` and `get_sequence_length` never cause it: without an index they
    interpret the rows asked for and no other, which is all that sparsely labelled training reads.
    """

    def __init__(self, name: str, root: str | Path, image_loader: Callable = jpeg4py_loader):
        super().__init__(name, root, image_loader)
        self._index: SequenceIndex | None = None
        self._frames = PackedFrames()

    def get_name(self) -> str:
        return self.name

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        """File of a frame (0-based)."""
        raise NotImplementedError

    def boxes_path(self, seq_id: int) -> Path:
        """File with one box a line."""
        raise NotImplementedError

    def flag_paths(self, seq_id: int) -> Sequence[Path]:
        """Further files that `visibility` reads; the index is made anew for a sequence when one of
        them changes.
        """
        return ()

    def visibility(
        self, seq_id: int, boxes: np.ndarray, valid: np.ndarray
    ) -> dict[str, np.ndarray]:
        """`visible` uint8 (N,), and further per-frame annotation."""
        return {"visible": valid.astype(np.uint8)}

    def meta(self, seq_id: int) -> OrderedDict:
        """Return what is known of the target."""
        return object_meta()

    def prepare(self) -> None:
        """Make or open the index of all sequences: 20 s for 30,000 the first time, later 0.6 s
        (benchmarks/index.py).

        Call it before loader workers start, else each of them does it on first use (one parses, the
        others wait).
        """
        if self._index is None:
            name = type(
                self
            ).__name__  # not get_name(): another class may keep other columns of the same data
            files = [
                (self.boxes_path(i), *self.flag_paths(i)) for i in range(len(self.sequence_list))
            ]
            self._index = SequenceIndex.open(
                index_file(name.lower(), self.root),
                [_key(s) for s in self.sequence_list],
                files,
                self._parse,
                f"{name} {self.root}",
            )

    def get_sequence_info(self, seq_id: int) -> dict[str, Tensor]:
        record = self._record(seq_id)
        boxes = np.array(record["bbox"])
        return {
            "bbox": torch.from_numpy(boxes),
            "valid": torch.from_numpy(_valid(boxes)),
            **{
                key: torch.from_numpy(np.array(value))
                for key, value in record.items()
                if key != "bbox"
            },
        }

    def get_visible(self, seq_id: int) -> np.ndarray:
        return self._record(seq_id)["visible"].astype(bool)

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        frames = [self.get_frame(seq_id, frame_id) for frame_id in frame_ids]
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        picked = {
            key: [value[frame_id, ...].clone() for frame_id in frame_ids]
            for key, value in anno.items()
        }
        return frames, picked, self.meta(seq_id)

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        return self._frames.read(
            self.frame_path(seq_id, int(frame_id)), int(frame_id), self.image_loader
        )

    def get_sequence_length(self, seq_id: int) -> int:
        record = self._index[seq_id] if self._index is not None else None
        return count_rows(self.boxes_path(seq_id)) if record is None else len(record["bbox"])

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        frame_ids = [int(frame_id) for frame_id in frame_ids]
        record = self._index[seq_id] if self._index is not None else None
        if record is None or not all(0 <= frame_id < len(record["bbox"]) for frame_id in frame_ids):
            return self._boxes_at(seq_id, frame_ids)
        return np.array(record["bbox"][frame_ids])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None}  # a spawned worker maps the file itself

    def _boxes_at(self, seq_id: int, frame_ids: list[int]) -> np.ndarray:
        """Boxes of these frames; their lines only are interpreted."""
        return read_boxes(self.boxes_path(seq_id), frame_ids)

    def _all_boxes(self, seq_id: int) -> np.ndarray:
        return read_boxes(self.boxes_path(seq_id))

    def _parse(self, seq_id: int) -> dict[str, np.ndarray]:
        boxes = self._all_boxes(seq_id)
        return {"bbox": boxes, **self.visibility(seq_id, boxes, _valid(boxes))}

    def _record(self, seq_id: int) -> dict[str, np.ndarray]:
        self.prepare()
        record = None if self._index is None else self._index[seq_id]
        # where there is no record, parsing once more says what is wrong
        return self._parse(seq_id) if record is None else record


def _valid(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] > 0) & (boxes[:, 3] > 0)  # False for NaN


def _key(sequence: Any) -> str:
    return sequence if isinstance(sequence, str) else "/".join(map(str, sequence))


def take_fraction(sequences: list, fraction: float | None) -> list:
    """A random `fraction` of the sequences (all for None), drawn from Python's global generator as
    pytracking does.
    """
    return (
        sequences if fraction is None else random.sample(sequences, int(len(sequences) * fraction))
    )


def by_class(classes: Sequence[str | None]) -> dict[str, list[int]]:
    """Sequence ids by class name, classes sorted; `classes` holds the class of each sequence."""
    grouped: dict[str, list[int]] = {}
    for seq_id, name in enumerate(classes):
        if name is not None:
            grouped.setdefault(name, []).append(seq_id)
    return dict(sorted(grouped.items()))
