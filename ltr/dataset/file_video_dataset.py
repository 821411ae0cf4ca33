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

_CACHED_SEQUENCES = 1024  # annotations kept in each process: about 50 kB for a long LaSOT video


class FileVideoDataset(BaseVideoDataset):
    """A data set with one image file a frame and a text file of boxes a sequence.

    A subclass says where things are: `frame_path` and `boxes_path`, and, where it knows more, `visibility` and `meta`.
    Annotations are parsed once and kept for the sequences used last.
    """

    def __init__(self, name: str, root: str | Path, image_loader: Callable = jpeg4py_loader):
        super().__init__(name, root, image_loader)
        self._infos: OrderedDict[int, dict] = OrderedDict()

    def get_name(self) -> str:
        return self.name

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        """File of a frame (0-based)."""
        raise NotImplementedError

    def boxes_path(self, seq_id: int) -> Path:
        """File with one box a line."""
        raise NotImplementedError

    def visibility(self, seq_id: int, boxes: np.ndarray, valid: np.ndarray) -> dict[str, Tensor]:
        """`visible` (N,), and further per-frame annotation."""
        return {"visible": torch.from_numpy(valid.astype(np.uint8))}

    def meta(self, seq_id: int) -> OrderedDict:
        """What is known of the target."""
        return object_meta()

    def get_sequence_info(self, seq_id: int) -> dict[str, Tensor]:
        if seq_id not in self._infos:
            boxes = self._all_boxes(seq_id)
            valid = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)  # False for NaN
            self._infos[seq_id] = {"bbox": torch.from_numpy(boxes), "valid": torch.from_numpy(valid),
                                   **self.visibility(seq_id, boxes, valid)}
            if len(self._infos) > _CACHED_SEQUENCES:
                self._infos.popitem(last=False)
        self._infos.move_to_end(seq_id)
        return dict(self._infos[seq_id])

    def get_frames(self, seq_id: int, frame_ids: Sequence[int],
                   anno: dict[str, Any] | None = None) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        frames = [self.get_frame(seq_id, frame_id) for frame_id in frame_ids]
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        picked = {key: [value[frame_id, ...].clone() for frame_id in frame_ids] for key, value in anno.items()}
        return frames, picked, self.meta(seq_id)

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        return self.image_loader(str(self.frame_path(seq_id, int(frame_id))))

    def get_sequence_length(self, seq_id: int) -> int:
        return count_rows(self.boxes_path(seq_id))

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        return read_boxes(self.boxes_path(seq_id), frame_ids)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_infos": OrderedDict()}  # workers read what they need

    def _all_boxes(self, seq_id: int) -> np.ndarray:
        return read_boxes(self.boxes_path(seq_id))


def take_fraction(sequences: list, fraction: float | None) -> list:
    """A random `fraction` of the sequences (all for None), drawn from Python's global generator as pytracking does."""
    return sequences if fraction is None else random.sample(sequences, int(len(sequences) * fraction))


def by_class(classes: Sequence[str | None]) -> dict[str, list[int]]:
    """Sequence ids by class name, classes sorted; `classes` holds the class of each sequence."""
    grouped: dict[str, list[int]] = {}
    for seq_id, name in enumerate(classes):
        if name is not None:
            grouped.setdefault(name, []).append(seq_id)
    return dict(sorted(grouped.items()))
