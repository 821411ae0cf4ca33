"""Videos made of the images of an image data set."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.base_video_dataset import BaseVideoDataset
from ltr.dataset.masks import mask_box
from ltr.dataset.registry import training_set


@training_set()
class SyntheticVideo(BaseVideoDataset):
    """Every image of `base_image_dataset` as a sequence: each frame is the image, changed by
    `transform` anew.

    `transform` is called as those of `ltr.data.transforms` are: `transform(image=[...], bbox=[...],
    mask=[...], joint=False)`, `mask` only where the data set has masks. With masks the boxes are
    those around the changed masks.
    """

    def __init__(self, base_image_dataset: BaseImageDataset, transform: Callable | None = None):
        super().__init__(
            f"{base_image_dataset.get_name()}_syn_vid",
            base_image_dataset.root,
            base_image_dataset.image_loader,
        )
        self.base_image_dataset, self.transform = base_image_dataset, transform
        self.sequence_list = list(range(base_image_dataset.get_num_images()))
        self.class_list = list(base_image_dataset.get_class_list())

    def get_name(self) -> str:
        return self.name

    def is_video_sequence(self) -> bool:
        return False

    def is_synthetic_video_dataset(self) -> bool:
        return True

    def has_class_info(self) -> bool:
        return self.base_image_dataset.has_class_info()

    def has_segmentation_info(self) -> bool:
        return self.base_image_dataset.has_segmentation_info()

    def get_sequences_in_class(self, class_name: str) -> list[int]:
        return self.base_image_dataset.get_images_in_class(class_name)

    def get_sequence_info(self, seq_id: int) -> dict[str, torch.Tensor]:
        """The annotation of the image, as that of a sequence of one frame."""
        info = self.base_image_dataset.get_image_info(seq_id)
        return {key: torch.as_tensor(value)[None] for key, value in info.items()}

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        image, _, meta = self.base_image_dataset.get_image(
            seq_id, {key: value[0] for key, value in anno.items()}
        )
        frames = [image.copy() for _ in frame_ids]
        picked = {key: [value[0, ...].clone() for _ in frame_ids] for key, value in anno.items()}
        if self.transform is not None:
            frames, picked = apply_transform(self.transform, frames, picked)
        return frames, picked, meta


def apply_transform(
    transform: Callable, frames: list[np.ndarray], anno: dict[str, list]
) -> tuple[list[np.ndarray], dict[str, list]]:
    """`transform` on each frame by itself, with its box and mask; boxes follow from the masks where
    there are any.
    """
    keys = [key for key in ("bbox", "mask") if key in anno]
    frames, *changed = transform(image=frames, **{key: anno[key] for key in keys}, joint=False)
    anno = {**anno, **dict(zip(keys, changed, strict=True))}
    if "mask" in keys:
        anno["bbox"] = [
            torch.tensor(mask_box(np.asarray(mask)), dtype=torch.float32) for mask in anno["mask"]
        ]
    return frames, anno
