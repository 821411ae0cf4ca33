"""Frames from one image file each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from ltr.data.image_loader import default_image_loader
from ltr.frames.source import FrameSource


class ImageFiles(FrameSource):
    """Frames that are image files, one each."""

    def __init__(
        self,
        paths: Sequence[str | os.PathLike],
        image_loader: Callable[[str], np.ndarray] = default_image_loader,
    ):
        self.paths = list(paths)
        self.image_loader = image_loader

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, frame_id: int) -> np.ndarray:
        place = os.path.dirname(self.paths[0]) if self.paths else "an empty folder"
        self._check_frame_id(frame_id, place)
        return self.image_loader(str(self.paths[frame_id]))
