"""MSRA10K, a data set of salient objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.mask_images import MaskImages, refuse_fraction
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root


@training_set()
class MSRA10k(MaskImages):
    """`Imgs/<name>.jpg` with `Imgs/<name>.png` below `root` or `msra10k_dir` of local.py."""

    def __init__(
        self,
        root: str | Path | None = None,
        image_loader: Callable = jpeg4py_loader,
        data_fraction: float | None = None,
        min_area: float | None = None,
    ):
        refuse_fraction("MSRA10K", data_fraction)
        root = find_root("MSRA10K", "msra10k_dir", "Imgs/", "Imgs/", root)
        names = sorted(path.stem for path in (root / "Imgs").glob("*.jpg"))
        super().__init__("msra10k", root, names, min_area, image_loader)

    def paths(self, name: str) -> tuple[Path, Path]:
        return self.root / "Imgs" / f"{name}.jpg", self.root / "Imgs" / f"{name}.png"
