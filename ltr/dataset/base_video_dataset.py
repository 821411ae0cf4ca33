"""The base of video data sets: the methods that samplers call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data

from ltr.data.image_loader import jpeg4py_loader

META_KEYS = ("object_class_name", "motion_class", "major_class", "root_class", "motion_adverb")


def object_meta(**known: str | None) -> OrderedDict:
    """The third value of `get_frames`: what is known of the target, None for the rest."""
    return OrderedDict((key, known.get(key)) for key in META_KEYS)


class BaseVideoDataset(torch.utils.data.Dataset):
    """Base of video data sets. A subclass fills `sequence_list` and implements `get_name`,
    `get_sequence_info`, `get_frames`.

    `get_frame`, `get_sequence_length`, `get_boxes` and `get_visible` have defaults that go through
    these; a subclass overrides them where it can do with less: a sparsely labelled training reads
    boxes with `get_boxes` only.
    """

    def __init__(self, name: str, root: str | Path | None, image_loader: Callable = jpeg4py_loader):
        self.name = name
        # a Path in our data sets; users' own classes give text or nothing
        self.root: Any = root
        self.image_loader = image_loader
        self.sequence_list: list = []
        self.class_list: list = []

    def __len__(self) -> int:
        return self.get_num_sequences()

    def __getitem__(self, index: int) -> None:
        """Not used: frames are drawn by a sampler."""
        return None

    def is_video_sequence(self) -> bool:
        """False where a sequence is one image."""
        return True

    def is_synthetic_video_dataset(self) -> bool:
        """Say whether videos are made from images."""
        return False

    def is_mot_dataset(self) -> bool:
        """Say whether annotations are dicts by object id."""
        return False

    def has_class_info(self) -> bool:
        """Say whether `get_sequences_in_class` and the class in `get_frames` work."""
        return False

    def has_occlusion_info(self) -> bool:
        """Say whether `visible` says more than `valid`."""
        return False

    def has_segmentation_info(self) -> bool:
        """Say whether annotations hold masks."""
        return False

    def prepare(self) -> None:
        """Do now what the first use would do in every loader worker, such as making an index; to be
        called before they start.
        """

    def get_name(self) -> str:
        """Name of the data set, in lower case."""
        raise NotImplementedError

    def get_num_sequences(self) -> int:
        """Number of sequences."""
        return len(self.sequence_list)

    def get_num_classes(self) -> int:
        """Number of target classes."""
        return len(self.get_class_list())

    def get_class_list(self) -> list[str]:
        """Names of the target classes."""
        return self.class_list

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        """Ids of the sequences that show the class."""
        raise NotImplementedError

    def get_sequence_info(self, seq_id: int) -> dict[str, Any]:
        """`bbox` float32 (N, 4) xywh, `valid` bool (N,) (it has an area), `visible` uint8 (N,), and
        what else there is.
        """
        raise NotImplementedError

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        """Frames (H, W, 3) uint8 RGB, the entries of `anno` (default: `get_sequence_info`) for
        them, and `object_meta`.
        """
        raise NotImplementedError

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        """Return one frame (H, W, 3) uint8 RGB; no annotation is read."""
        empty = {
            "bbox": torch.zeros(frame_id + 1, 4),
            "valid": torch.zeros(frame_id + 1, dtype=torch.bool),
            "visible": torch.zeros(frame_id + 1, dtype=torch.uint8),
        }
        return self.get_frames(seq_id, [frame_id], empty)[0][0]

    def get_sequence_length(self, seq_id: int) -> int:
        """Number of frames."""
        return len(self.get_sequence_info(seq_id)["bbox"])

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        """Boxes xywh float32 (n, 4) of the given frames. A reader of files interprets the lines of
        these frames only.
        """
        return np.asarray(self.get_sequence_info(seq_id)["bbox"], np.float32)[
            list(frame_ids)
        ].reshape(-1, 4)

    def get_visible(self, seq_id: int) -> np.ndarray:
        """Bool (N,): the target can be seen."""
        return np.asarray(self.get_sequence_info(seq_id)["visible"]).astype(bool)
