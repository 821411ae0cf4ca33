"""Run OpenCV's trackers with their default parameters, as pytracking's evaluation runs trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.admin.errors import NotConfigured
from pytracking.evaluation.tracker import Tracker
from pytracking.tracker.base import BaseTracker
from pytracking.utils import TrackerParams


def make_opencv(name: str) -> Any:
    """OpenCV's tracker CSRT, KCF or MIL; NotConfigured where the installed OpenCV does not have
    it.
    """
    make = getattr(cv2, f"Tracker{name}_create", None)
    if make is None:
        raise NotConfigured(
            f"this OpenCV has no {name}: install opencv-contrib-python in place of opencv-python"
        )
    return make()


class OpenCVTracker(BaseTracker):
    """`params.method` names the tracker. Frames go in as BGR; on a failure the last box stays."""

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> None:
        self.box = [float(value) for value in info["init_bbox"]]
        self.tracker = make_opencv(self.params.method)
        self.tracker.init(
            np.ascontiguousarray(image[..., ::-1]), tuple(round(value) for value in self.box)
        )

    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        found, box = self.tracker.update(np.ascontiguousarray(image[..., ::-1]))
        if found:
            self.box = [float(value) for value in box]
        return {"target_bbox": list(self.box)}


class OpenCVHarness(Tracker):
    """Wrap one of OpenCV's trackers with its own result folder."""

    def __init__(self, method: str, results_folder: Path):
        super().__init__("opencv", method, display_name=method)
        self.results_dir = str(results_folder / f"opencv_{method}")
        self.tracker_class = OpenCVTracker

    def get_parameters(self) -> TrackerParams:
        """Nothing but the method."""
        make_opencv(self.parameter_name)  # here rather than on every sequence
        params = TrackerParams()
        params.method = self.parameter_name
        return params
