"""COCO as images with one annotated object each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.base_video_dataset import object_meta
from ltr.dataset.coco_annotations import CocoAnnotations
from ltr.dataset.file_video_dataset import take_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root


class CocoObjects:
    """Rows of an annotation file that a data set uses, and where their images are."""

    def __init__(
        self,
        annotations: CocoAnnotations,
        folder: Path,
        data_fraction: float | None,
        min_area: float | None,
    ):
        keep = annotations.crowd == 0
        if min_area is not None:
            keep &= annotations.areas > min_area
        self.annotations, self.folder = annotations, folder
        self.rows = np.array(take_fraction(np.flatnonzero(keep).tolist(), data_fraction), np.int64)

    def ids(self) -> list[int]:
        """The annotation ids of the file."""
        return self.annotations.ids[self.rows].tolist()

    def class_name(self, i: int) -> str:
        """Class of object i."""
        return self.annotations.class_names[self.annotations.class_of[self.rows[i]]]

    def classes(self) -> list[str]:
        """Names of all classes of the file, sorted."""
        return sorted(self.annotations.class_names)

    def of_class(self, class_name: str) -> list[int]:
        """The objects of a class."""
        number = self.annotations.class_names.index(class_name)
        return np.flatnonzero(self.annotations.class_of[self.rows] == number).tolist()

    def info(self, i: int) -> dict[str, torch.Tensor]:
        """`bbox` (4,), `mask` (H, W) uint8, `valid`, `visible` of object i."""
        box = torch.from_numpy(self.annotations.boxes_xywh[self.rows[i]].copy())
        valid = (box[2] > 0) & (box[3] > 0)
        return {
            "bbox": box,
            "mask": torch.from_numpy(self.annotations.mask(int(self.rows[i]))),
            "valid": valid,
            "visible": valid.to(torch.uint8),
        }

    def image_path(self, i: int) -> str:
        """The image of object i."""
        return str(self.folder / self.annotations.image_name(int(self.rows[i])))


def open_coco(
    root: str | Path | None,
    split: str,
    version: str,
    data_fraction: float | None,
    min_area: float | None = None,
) -> tuple[Path, CocoObjects]:
    """The root of COCO, and the objects of `annotations/instances_<split><version>.json` in
    `images/<split><version>`.
    """
    root = find_root("COCO", "coco_dir", "annotations/", "annotations/ and images/", root)
    annotations = CocoAnnotations(
        root / "annotations" / f"instances_{split}{version}.json", f"COCO {split}{version}"
    )
    return root, CocoObjects(
        annotations, root / "images" / f"{split}{version}", data_fraction, min_area
    )


class CocoImages(BaseImageDataset):
    """Base of image data sets with annotations in COCO's format: an entry of `image_list` is the id
    of one object.
    """

    def __init__(self, name: str, root: Path, objects: CocoObjects, image_loader: Callable):
        super().__init__(name, root, image_loader)
        self._objects = objects
        self.image_list = objects.ids()
        self.class_list = objects.classes()

    def get_name(self) -> str:
        return self.name

    def has_class_info(self) -> bool:
        return True

    def has_segmentation_info(self) -> bool:
        return True

    def get_class_name(self, image_id: int) -> str:
        return self._objects.class_name(image_id)

    def get_images_in_class(self, class_name: str) -> list[int]:
        return self._objects.of_class(class_name)

    def get_image_info(self, im_id: int) -> dict[str, torch.Tensor]:
        return self._objects.info(im_id)

    def get_image(
        self, image_id: int, anno: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any], OrderedDict]:
        anno = self.get_image_info(image_id) if anno is None else anno
        image = self.image_loader(self._objects.image_path(image_id))
        return image, anno, object_meta(object_class_name=self.get_class_name(image_id))


@training_set()
class MSCOCO(CocoImages):
    """The objects of COCO, crowds left out: `annotations/` and `images/` below `root` or `coco_dir`
    of local.py.

    `min_area` keeps objects of a larger area in pixels, `data_fraction` a random part. `split` is
    'train' or 'val', `version` '2014' or '2017'.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        data_fraction: float | None = None,
        min_area: float | None = None,
        split: str = "train",
        version: str = "2014",
    ):
        root, objects = open_coco(root, split, str(version), data_fraction, min_area)
        super().__init__("coco", root, objects, image_loader)


def repeat(
    values: dict[str, torch.Tensor], frame_ids: Sequence[int]
) -> dict[str, list[torch.Tensor]]:
    """The annotation of a sequence of one image for every requested frame."""
    return {key: [value[0, ...].clone() for _ in frame_ids] for key, value in values.items()}
