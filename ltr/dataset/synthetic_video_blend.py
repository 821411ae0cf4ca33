"""Videos made by pasting the object of one image data set onto the images of another."""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from ltr.admin.errors import BadValue
from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.registry import training_set
from ltr.dataset.synthetic_video import SyntheticVideo, apply_transform


@training_set()
class SyntheticVideoBlend(SyntheticVideo):
    """Every image of `foreground_image_dataset`, which must have masks, as a sequence before a
    background drawn at random.

    In each frame the object, changed by `foreground_transform`, covers the background, changed by
    `background_transform` and brought to the size of the foreground. See `SyntheticVideo` for the
    transforms.
    """

    def __init__(
        self,
        foreground_image_dataset: BaseImageDataset,
        background_image_dataset: BaseImageDataset,
        foreground_transform: Callable | None = None,
        background_transform: Callable | None = None,
    ):
        if not foreground_image_dataset.has_segmentation_info():
            raise BadValue(
                f"SyntheticVideoBlend: {foreground_image_dataset.get_name()} has no masks to cut "
                "objects out with; "
                "give an image data set that has"
            )
        super().__init__(foreground_image_dataset, foreground_transform)
        self.name = f"{foreground_image_dataset.get_name()}_syn_vid_blend"
        self.background_image_dataset, self.background_transform = (
            background_image_dataset,
            background_transform,
        )

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        frames, picked, meta = super().get_frames(seq_id, frame_ids, anno)
        number = random.randrange(self.background_image_dataset.get_num_images())
        image, info, _ = self.background_image_dataset.get_image(number)
        backgrounds = [image.copy() for _ in frame_ids]
        if self.background_transform is not None:
            values = {
                key: [value.clone() for _ in frame_ids]
                for key, value in info.items()
                if key in ("bbox", "mask")
            }
            backgrounds, _ = apply_transform(self.background_transform, backgrounds, values)
        return (
            [_paste(*layers) for layers in zip(frames, picked["mask"], backgrounds, strict=True)],
            picked,
            meta,
        )


def _paste(foreground: np.ndarray, mask: Any, background: np.ndarray) -> np.ndarray:
    height, width = foreground.shape[:2]
    return np.where(
        np.asarray(mask)[..., None] > 0, foreground, cv2.resize(background, (width, height))
    )
