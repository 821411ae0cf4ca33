"""LVIS: COCO's images with more than a thousand classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ltr.admin.errors import MissingFile
from ltr.data.image_loader import jpeg4py_loader_w_failsafe
from ltr.dataset.coco import CocoImages, CocoObjects
from ltr.dataset.coco_annotations import CocoAnnotations
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root


@training_set()
class LVIS(CocoImages):
    """The objects of LVIS: `annotations/lvis_v0.5_<split>.json` and `images/<split>2017/` below
    `root` or `lvis_dir` of local.py. Without that file, `lvis_v1_<split>.json` is taken, whose
    images say which of COCO's folders they are in.

    `min_area` keeps objects of a larger area in pixels, `data_fraction` a random part.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader_w_failsafe,
        data_fraction: float | None = None,
        min_area: float | None = None,
        split: str = "train",
    ):
        root = find_root("LVIS", "lvis_dir", "annotations/", "annotations/ and images/", root)
        files = [
            root / "annotations" / f"lvis_{version}_{split}.json" for version in ("v0.5", "v1")
        ]
        file = next((file for file in files if file.is_file()), None)
        if file is None:
            raise MissingFile(
                f"LVIS: there is neither {files[0]} nor {files[1].name}; get one of them or "
                "correct the split"
            )
        folder = root / "images" / f"{split}2017" if file == files[0] else root / "images"
        super().__init__(
            "lvis",
            root,
            CocoObjects(CocoAnnotations(file, f"LVIS {split}"), folder, data_fraction, min_area),
            image_loader,
        )
