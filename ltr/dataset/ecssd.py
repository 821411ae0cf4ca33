"""ECSSD, a data set of salient objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.mask_images import MaskImages, refuse_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root

_IMAGES = 1000


@training_set()
class ECSSD(MaskImages):
    """`images/0001.jpg` and `ground_truth_mask/0001.png` to 1000 below `root` or `ecssd_dir` of
    local.py.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        data_fraction: float | None = None,
        min_area: float | None = None,
    ):
        refuse_fraction("ECSSD", data_fraction)
        root = find_root("ECSSD", "ecssd_dir", "images/", "images/ and ground_truth_mask/", root)
        super().__init__("ecssd", root, range(1, _IMAGES + 1), min_area, image_loader)

    def paths(self, name: int) -> tuple[Path, Path]:
        return (
            self.root / "images" / f"{name:04d}.jpg",
            self.root / "ground_truth_mask" / f"{name:04d}.png",
        )
