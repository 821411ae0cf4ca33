"""The interface between the evaluation and a tracker."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytracking.utils.plotting import draw_tracking_panel


class BaseTracker:
    """A tracker of one target: `initialize` on the first frame, then `track` on every other one.

    `params` is what the parameter file returned. `visdom` is set by the evaluation when a live view
    is on: a tracker may show what it computes with `self.visdom.register(data, mode, debug_level,
    title)`.

    What a class may add: `initialize_features()`, called once before videos, to load networks
    early; `multiobj_mode`, 'parallel' (one tracker per object is made) or 'default' (this class
    follows several objects itself: boxes come and go as dicts by object id);
    `merge_results(out_all)`, a static method that joins the outputs of parallel trackers.
    """

    def __init__(self, params):
        self.params = params
        self.visdom = None

    def predicts_segmentation_mask(self) -> bool:
        """Say whether `track` returns masks; VOT asks."""
        return False

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any] | None:
        """Start on `image` (H, W, 3) RGB uint8 with `info['init_bbox']` = [x, y, w, h]; may return
        `{'time': s}`.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no initialize")

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Follow the target to `image`; returns at least `{'target_bbox': [x, y, w, h]}`.

        `info['previous_output']` is what the call before returned. Further keys that the evaluation
        stores: `time`, `segmentation` (H, W) and `object_presence_score`; `clf_target_bbox`,
        `clf_search_area` and `segm_search_area` are boxes it draws.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no track")

    def visdom_draw_tracking(
        self, image: np.ndarray, box: Any, segmentation: np.ndarray | None = None
    ) -> None:
        """Show the frame with the box, list or dict of boxes `box`, and the mask, in the panel
        `Tracking`.
        """
        draw_tracking_panel(self.visdom, image, box, segmentation)
