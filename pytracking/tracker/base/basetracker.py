"""The interface between the evaluation and a tracker."""

from __future__ import annotations

from typing import Any

import numpy as np


class BaseTracker:
    """A tracker of one target: `initialize` on the first frame, then `track` on every other one.

    `params` is what the parameter file returned. `visdom` is set by the evaluation when a live view is on.
    """

    def __init__(self, params):
        self.params = params
        self.visdom = None

    def predicts_segmentation_mask(self) -> bool:
        """Whether `track` returns masks; VOT asks."""
        return False

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any] | None:
        """Start on `image` (H, W, 3) RGB uint8 with `info['init_bbox']` = [x, y, w, h]; may return `{'time': s}`."""
        raise NotImplementedError(f"{type(self).__name__} defines no initialize")

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Follow the target to `image`; returns at least `{'target_bbox': [x, y, w, h]}`.

        `info['previous_output']` is what the call before returned. Further keys that the evaluation stores: `time`,
        `segmentation` (H, W) and `object_presence_score`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no track")
