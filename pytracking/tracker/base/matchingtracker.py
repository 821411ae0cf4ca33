"""Base of trackers that ask one network where a template is: everything but where to look and which answer to believe."""

from __future__ import annotations

import copy
import functools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput
from ltr.data.crops import mean_color
from pytracking.features.onnx_net import with_backend
from pytracking.tracker.base.siamesetracker import SiameseTracker

SMALLEST_SIDE = 10.0  # px; a box cannot collapse below this


class MatchingTracker(SiameseTracker):
    """`params.net` has `template(z)` and `track(x)`; following many targets at once also takes `match(templates, x)`.
    `params.backend` 'onnx' runs it with ONNX Runtime, see `pytracking.features.onnx_net`.

    A tracker defines `template_side`, `search_side`, `read` and `follow`. Its state is `center_pos` (x, y) and `size`
    (w, h) of the target in frame pixels, `channel_average` of the first frame, and the crop sizes in px.
    """

    multiobj_mode = "parallel"
    default_sizes = (128, 256)  # px of template and search crop, unless the network says otherwise

    def __init__(self, params):
        super().__init__(params)
        net = with_backend(params.net, params.get("backend", "torch"))
        self.net = copy.copy(net)  # weights are shared, the stored template is this tracker's own

    def template_side(self) -> float:
        """Side in frame pixels of the square that becomes the template."""
        raise NotImplementedError

    def search_side(self) -> float:
        """Side in frame pixels of the square in which the target is looked for."""
        raise NotImplementedError

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The network's outputs for B crops as one table `(B, N, columns)` of its N positions."""
        raise NotImplementedError

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Move to the best of the N positions of `table`, and say what `track` returns."""
        raise NotImplementedError

    def initialize_features(self) -> None:
        """Load the network now rather than on the first frame."""
        self.net.initialize()

    @torch.inference_mode()
    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        """Take the template around `info['init_bbox']` = [x, y, w, h]."""
        self.initialize_features()
        start = time.perf_counter()  # reading the network from disk is no tracking time
        template_size, search_size = self.default_sizes
        self.template_size = int(getattr(self.net, "template_sz", template_size))
        self.search_size = int(getattr(self.net, "search_sz", search_size))
        x, y, w, h = (float(value) for value in info["init_bbox"])
        self.center_pos, self.size = np.array([x + w / 2, y + h / 2]), np.array([w, h])
        self.channel_average = mean_color(image)
        crop = self.get_subwindow(image, self.center_pos, self.template_size, self.template_side(), self.channel_average)
        self.net.template(self.net.preprocess_image(crop))
        return {"time": time.perf_counter() - start}

    @torch.inference_mode()
    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Search around the last box; returns `target_bbox` [x, y, w, h] and what `follow` adds."""
        outputs = self.net.track(self.net.preprocess_image(self._search_crop(image)))
        return self._checked_follow(self.read(outputs)[0].cpu().numpy(), image.shape)

    @classmethod
    @torch.inference_mode()
    def track_many(cls, trackers: Sequence[MatchingTracker],
                   images: Sequence[np.ndarray]) -> list[dict[str, Any] | Exception]:
        """What `track` returns for each tracker on its image, in one pass of the network that they share.

        A tracker that fails leaves its exception in its place and the others alone.
        """
        net = trackers[0].net
        crops = torch.cat([tracker._search_crop(image) for tracker, image in zip(trackers, images, strict=True)])
        templates = torch.cat([tracker.net.zf for tracker in trackers])
        tables = cls.read(net.match(templates, net.preprocess_image(crops))).cpu().numpy()  # the one wait for the GPU
        outputs: list[dict[str, Any] | Exception] = []
        for tracker, table, image in zip(trackers, tables, images, strict=True):
            try:
                outputs.append(tracker._checked_follow(table, image.shape))
            except BadInput as error:
                outputs.append(error)
        return outputs

    def _search_crop(self, image: np.ndarray) -> torch.Tensor:
        self.side = self.search_side()
        return self.get_subwindow(image, self.center_pos, self.search_size, self.side, self.channel_average)

    def _checked_follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        if not np.isfinite(table).all():
            raise BadInput("the network's output is not finite - its weights are damaged, or its training diverged")
        return self.follow(table, image_shape)

    def show_scores(self, scores_N: np.ndarray, **status: float) -> None:
        """Show the map of final scores and some numbers on the live view, when there is one."""
        if self.visdom is not None:
            side = math.isqrt(len(scores_N))
            self.visdom.register(torch.from_numpy(scores_N.reshape(side, side)), "heatmap", 2, "Score Map")
            self.visdom.register(status, "info_dict", 1, "Status")

    def _move(self, center: np.ndarray, size: np.ndarray, image_shape: tuple[int, ...]) -> list[float]:
        """Go to `center` within the frame, with a size from `SMALLEST_SIDE` to the frame's; returns [x, y, w, h]."""
        frame_size = np.array([image_shape[1], image_shape[0]], dtype=np.float64)
        self.center_pos = np.clip(center, 0, frame_size)
        self.size = np.minimum(np.maximum(size, SMALLEST_SIDE), frame_size)
        return [*(self.center_pos - self.size / 2).tolist(), *self.size.tolist()]


@functools.lru_cache(maxsize=8)
def hann_window(positions: int) -> np.ndarray:
    """Outer product of two Hann windows over the square grid of `positions` cells, row by row."""
    side = math.isqrt(positions)
    if side * side != positions:
        raise BadInput(f"the network returns {positions} positions, which is no square grid")
    return np.outer(np.hanning(side), np.hanning(side)).flatten()
