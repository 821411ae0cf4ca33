"""COCO as video sequences of one image."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.base_video_dataset import BaseVideoDataset, object_meta
from ltr.dataset.coco import open_coco, repeat
from ltr.dataset.registry import training_set


@training_set("coco")
class MSCOCOSeq(BaseVideoDataset):
    """The objects of COCO, crowds left out, each a sequence of one image, which `get_frames` gives
    for any frame id.

    The files are `annotations/instances_<split><version>.json` and `images/<split><version>/` below
    `root` or `coco_dir` of local.py. `data_fraction` keeps a random part. An entry of
    `sequence_list` is the id of an object.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        data_fraction: float | None = None,
        split: str = "train",
        version: str = "2014",
    ):
        root, self._objects = open_coco(root, split, str(version), data_fraction)
        super().__init__("coco", root, image_loader)
        self.sequence_list = self._objects.ids()
        self.class_list = self._objects.classes()

    def get_name(self) -> str:
        return self.name

    def is_video_sequence(self) -> bool:
        return False

    def has_class_info(self) -> bool:
        return True

    def has_segmentation_info(self) -> bool:
        return True

    def get_class_name(self, seq_id: int) -> str:
        """Class of the object."""
        return self._objects.class_name(seq_id)

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self._objects.of_class(class_name)

    def get_sequence_info(self, seq_id: int) -> dict[str, torch.Tensor]:
        return {key: value[None] for key, value in self._objects.info(seq_id).items()}

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        image = self.get_frame(seq_id, 0)
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        return (
            [image.copy() for _ in frame_ids],
            repeat(anno, frame_ids),
            object_meta(object_class_name=self.get_class_name(seq_id)),
        )

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        return self.image_loader(self._objects.image_path(seq_id))
