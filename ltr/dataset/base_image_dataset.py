"""The base of image data sets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch.utils.data

from ltr.data.image_loader import jpeg4py_loader


class BaseImageDataset(torch.utils.data.Dataset):
    """Base of image data sets. A subclass fills `image_list` and implements `get_name`,
    `get_image_info`, `get_image`.
    """

    def __init__(self, name: str, root: str | Path | None, image_loader: Callable = jpeg4py_loader):
        self.name = name
        # a Path in our data sets; users' own classes give text or nothing
        self.root: Any = root
        self.image_loader = image_loader
        self.image_list: list = []
        self.class_list: list = []

    def __len__(self) -> int:
        return self.get_num_images()

    def __getitem__(self, index: int) -> None:
        """Not used: images are drawn by a sampler."""
        return None

    def get_name(self) -> str:
        """Name of the data set, in lower case."""
        raise NotImplementedError

    def get_num_images(self) -> int:
        """Number of images."""
        return len(self.image_list)

    def has_class_info(self) -> bool:
        """Say whether `get_class_name` and `get_images_in_class` work."""
        return False

    def get_class_name(self, image_id: int) -> str | None:
        """Class of the image's target."""
        return None

    def get_num_classes(self) -> int:
        """Number of target classes."""
        return len(self.get_class_list())

    def get_class_list(self) -> list[str]:
        """Names of the target classes."""
        return self.class_list

    def get_images_in_class(self, class_name: str) -> list[int]:
        """Ids of the images that show the class."""
        raise NotImplementedError

    def has_segmentation_info(self) -> bool:
        """Say whether annotations hold masks."""
        return False

    def get_image_info(self, im_id: int) -> dict[str, Any]:
        """`bbox` (4,) xywh, `valid`, `visible`, and `mask` (H, W) where there is one."""
        raise NotImplementedError

    def get_image(
        self, image_id: int, anno: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any], OrderedDict]:
        """Image (H, W, 3) uint8 RGB, its annotation (default: `get_image_info`), and what is known
        of the target.
        """
        raise NotImplementedError
