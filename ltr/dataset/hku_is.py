"""HKU-IS, a data set of salient objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.mask_images import MaskImages, refuse_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root


@training_set()
class HKUIS(MaskImages):
    """`imgs/<name>.png` and `gt/<name>.png` below `root` or `hkuis_dir` of local.py."""

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        data_fraction: float | None = None,
        min_area: float | None = None,
    ):
        refuse_fraction("HKU-IS", data_fraction)
        root = find_root("HKU-IS", "hkuis_dir", "imgs/", "imgs/ and gt/", root)
        names = sorted(path.stem for path in (root / "imgs").glob("*.png"))
        super().__init__("hku-is", root, names, min_area, image_loader)

    def paths(self, name: str) -> tuple[Path, Path]:
        return self.root / "imgs" / f"{name}.png", self.root / "gt" / f"{name}.png"
