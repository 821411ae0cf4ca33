"""Our trackers in the experiments of the got10k toolkit.

from got10k.experiments import ExperimentGOT10k
tracker = Got10kTracker(Tracker("transt", "spot_transt"))
experiment = ExperimentGOT10k("/data/got10k", subset="val")
experiment.run(tracker)
experiment.report([tracker.name])
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from pytracking.evaluation.tracker import Tracker


class Got10kTracker:
    """`tracker` with the interface of `got10k.trackers.Tracker`, which this does not import.

    Args:
        name: folder of its results, default `<tracker>_<parameters>` and the run id if any.
        is_deterministic: the toolkit then runs each sequence once rather than three times.

    """

    def __init__(self, tracker: Tracker, name: str | None = None, is_deterministic: bool = True):
        run = "" if tracker.run_id is None else f"_{tracker.run_id:03d}"
        self.tracker = tracker
        self.name = name or f"{tracker.name}_{tracker.parameter_name}{run}"
        self.is_deterministic = is_deterministic
        self._instance: Any = None
        self._output: dict[str, Any] = {}

    def init(self, image, box) -> None:
        """Start on `image`, RGB as PIL image or array (H, W, 3), with `box` [x, y, w, h]."""
        params = self.tracker.get_parameters()
        params.visualization, params.debug = False, 0
        self._instance = self.tracker.create_tracker(params)
        if hasattr(self._instance, "initialize_features"):
            self._instance.initialize_features()
        self._output = (
            self._instance.initialize(_rgb(image), {"init_bbox": [float(number) for number in box]})
            or {}
        )

    def update(self, image) -> np.ndarray:
        """The box [x, y, w, h] on the next `image`."""
        if self._instance is None:
            raise BadInput(f"tracker {self.name}: update() was called before init()")
        self._output = self._instance.track(
            _rgb(image), {"previous_output": OrderedDict(self._output)}
        )
        return np.asarray(self._output["target_bbox"], dtype=np.float64)

    def track(
        self, img_files: Sequence[str], box, visualize: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Follow the target `box` through the images `img_files`.

        Returns boxes_xywh (N, 4), the first one being `box`, and the seconds (N,) each frame took
        without reading it: what the tracker says, else what was measured.
        """
        boxes_xywh, seconds = np.empty((len(img_files), 4)), np.empty(len(img_files))
        for index, file in enumerate(img_files):
            image = self.tracker._read_image(file)
            start = time.perf_counter()
            if index == 0:
                self.init(image, box)
                boxes_xywh[0] = box
            else:
                boxes_xywh[index] = self.update(image)
            seconds[index] = self._output.get("time", time.perf_counter() - start)
            if visualize:
                from got10k.utils.viz import show_frame

                show_frame(image[..., ::-1], boxes_xywh[index])  # it takes arrays as BGR
        return boxes_xywh, seconds


def _rgb(image) -> np.ndarray:
    """`image` as RGB uint8 (H, W, 3)."""
    return np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
