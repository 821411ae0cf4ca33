"""Image data sets whose annotation is one mask image for each image: ECSSD, MSRA10k, HKU-IS."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput
from ltr.data.image_loader import imread_indexed
from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.masks import mask_box
from ltr.dataset.sequence_index import SequenceIndex, index_file

FOREGROUND = 255


class NotOffered(BadInput, NotImplementedError):
    """An argument that the interface has and the data set does not serve."""


def refuse_fraction(name: str, data_fraction: float | None) -> None:
    """These data sets are small: a part of them cannot be asked for."""
    if data_fraction is not None:
        raise NotOffered(f"{name}: data_fraction is not offered for this data set; leave it out")


class MaskImages(BaseImageDataset):
    """Base of these data sets: `image_list` holds names, `paths` gives the image and the mask of
    one.

    Pixels of 255 in the mask are the object. `min_area` keeps images whose object has more pixels;
    finding them decodes every mask, once (see `ltr.dataset.sequence_index`).
    """

    def __init__(
        self, name: str, root: Path, names: Sequence, min_area: float | None, image_loader: Callable
    ):
        super().__init__(name, root, image_loader)
        self.image_list = list(names)
        if min_area is not None:
            areas = SequenceIndex.open(
                index_file(type(self).__name__.lower(), root),
                [str(n) for n in names],
                [(self.paths(n)[1],) for n in names],
                self._area,
                name,
            )
            self.image_list = [
                n for i, n in enumerate(names) if (areas[i] or self._area(i))["area"][0] > min_area
            ]

    def paths(self, name: Any) -> tuple[Path, Path]:
        """Files of an image and of its mask."""
        raise NotImplementedError

    def get_name(self) -> str:
        return self.name

    def has_segmentation_info(self) -> bool:
        return True

    def get_image_info(self, im_id: int) -> dict[str, torch.Tensor]:
        return mask_info(self._mask(im_id))

    def get_image(
        self, image_id: int, anno: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any], OrderedDict]:
        anno = self.get_image_info(image_id) if anno is None else anno
        return self.image_loader(str(self.paths(self.image_list[image_id])[0])), anno, object_meta()

    def _mask(self, im_id: int) -> np.ndarray:
        return (imread_indexed(self.paths(self.image_list[im_id])[1]) == FOREGROUND).astype(
            np.uint8
        )

    def _area(self, im_id: int) -> dict[str, np.ndarray]:
        return {"area": np.array([self._mask(im_id).sum()], np.int64)}


def mask_info(mask: np.ndarray) -> dict[str, torch.Tensor]:
    """`bbox` (4,) around a mask (H, W) of 0 and 1, `mask`, `valid`, `visible`."""
    box = torch.tensor(mask_box(mask), dtype=torch.float32)
    valid = (box[2] > 0) & (box[3] > 0)
    return {
        "bbox": box,
        "mask": torch.from_numpy(mask),
        "valid": valid,
        "visible": valid.to(torch.uint8),
    }
