"""The interfaces of trackers and of their parameters, for the code that runs them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class TrackerInstance(Protocol):
    """A tracker on one sequence, as a user's class in `pytracking/tracker` defines it."""

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any] | None:
        """Start from the box or mask in `info` on the image, RGB uint8 (H, W, 3)."""

    def track(self, image: np.ndarray, info: dict[str, Any] = ...) -> dict[str, Any]:
        """Return `target_bbox` [x, y, w, h] on the next image, and what else the tracker gives."""


class LiveTracker(Protocol):
    """A tracker with its parameters that gets its frames from elsewhere, such as a VOT toolkit."""

    name: str
    parameter_name: str
    run_id: int | None

    def get_parameters(self) -> Any:
        """Return the parameters of a new call of the parameter file."""

    def create_tracker(self, params: Any) -> Any:
        """Return a new instance of the tracker's class."""

    def _init_visdom(self, visdom_info: dict | None, debug: int) -> None: ...

    def _read_image(self, image_file: str) -> np.ndarray: ...

    def show_frame(self, tracker: Any, image: np.ndarray, boxes: Any, segmentation: Any) -> None:
        """Show a frame with boxes and mask where there is a window or a visdom server."""
