"""Base of trackers that compare a template crop with a search crop."""

from __future__ import annotations

import numpy as np
import torch

from ltr.data.crops import CropWindow, cut
from pytracking.tracker.base.basetracker import BaseTracker


class SiameseTracker(BaseTracker):
    """Adds the context crop of SiamFC-style trackers."""

    def get_subwindow(
        self, im: np.ndarray, pos, model_sz: int, original_sz: float, avg_chans: np.ndarray
    ) -> torch.Tensor:
        """The square of `original_sz` px around `pos` = (x, y), resized: float `(1, 3, model_sz,
        model_sz)` on the CPU.

        Grey levels 0 to 255; `avg_chans` is the colour outside the frame.
        """
        return (
            torch.from_numpy(self.get_patch(im, pos, model_sz, original_sz, avg_chans))
            .permute(2, 0, 1)
            .unsqueeze(0)
            .float()
        )

    def get_patch(
        self, im: np.ndarray, pos, model_sz: int, original_sz: float, avg_chans: np.ndarray
    ) -> np.ndarray:
        """Return the crop of `get_subwindow` as uint8 `(model_sz, model_sz, 3)`."""
        return cut(
            im, CropWindow(float(pos[0]), float(pos[1]), int(original_sz), int(model_sz)), avg_chans
        )
