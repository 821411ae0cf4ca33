"""The online tracker of TransT: argmax of the windowed classification, box as the network regresses it.

Source: TransT (CVPR 2021), section 3.4; SPOT evaluates with the same tracker.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadInput
from ltr.data.crops import context_side, mean_color
from pytracking.tracker.base import SiameseTracker
from pytracking.tracker.transt.config import cfg

TEMPLATE_FACTOR, SEARCH_FACTOR = 2, 4  # side of the context window relative to the box
SMALLEST_SIDE = 10.0  # px; a box cannot collapse below this


class TransT(SiameseTracker):
    """`params.net` has `template(z)` and `track(x)`; `params.window_penalty` (default 0.49) weights the Hann window."""

    multiobj_mode = "parallel"

    def __init__(self, params):
        super().__init__(params)
        self.net = copy.copy(params.net)  # weights are shared, the stored template is this tracker's own
        self.window_penalty = params.get("window_penalty", cfg.TRACK.WINDOW_INFLUENCE)

    def initialize_features(self) -> None:
        """Load the network now rather than on the first frame."""
        self.net.initialize()

    @torch.inference_mode()
    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        """Take the template around `info['init_bbox']` = [x, y, w, h]."""
        self.initialize_features()
        start = time.perf_counter()  # reading the network from disk is no tracking time
        self.template_size = int(getattr(self.net, "template_sz", cfg.TRACK.EXEMPLAR_SIZE))
        self.search_size = int(getattr(self.net, "search_sz", cfg.TRACK.INSTANCE_SIZE))
        x, y, w, h = (float(value) for value in info["init_bbox"])
        self.center_pos = np.array([x + w / 2, y + h / 2])
        self.size = np.array([w, h])
        self.channel_average = mean_color(image)
        self.window = None
        crop = self.get_subwindow(image, self.center_pos, self.template_size, context_side(w, h, TEMPLATE_FACTOR),
                                  self.channel_average)
        self.net.template(self.net.preprocess_image(crop))
        return {"time": time.perf_counter() - start}

    @torch.inference_mode()
    def track(self, image: np.ndarray, info: dict[str, Any] | None = None) -> dict[str, Any]:
        """Search around the last box.

        Returns `target_bbox` [x, y, w, h] and floats: `best_score` (windowed score of the chosen cell), `target_score`
        (the same without the window) and, when the network predicts it, `pred_iou` (expected overlap).
        """
        return self._follow(_tables(self.net.track(self.net.preprocess_image(self._search_crop(image))))[0], image.shape)

    @classmethod
    @torch.inference_mode()
    def track_many(cls, trackers: Sequence[TransT], images: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """What `track` returns for each tracker on its image, in one pass of the network that they share."""
        net = trackers[0].net
        crops = torch.cat([tracker._search_crop(image) for tracker, image in zip(trackers, images, strict=True)])
        templates = torch.cat([tracker.net.zf for tracker in trackers])
        tables = _tables(net.match(templates, net.preprocess_image(crops)))
        return [tracker._follow(table, image.shape)
                for tracker, table, image in zip(trackers, tables, images, strict=True)]

    def _search_crop(self, image: np.ndarray) -> torch.Tensor:
        """The region `(1, 3, S, S)` of `image` in which the target is looked for."""
        self.search_side = context_side(*self.size, SEARCH_FACTOR)
        return self.get_subwindow(image, self.center_pos, self.search_size, self.search_side, self.channel_average)

    def _follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Move to the best of the predictions `table` (see `_tables`) for the search crop taken last."""
        scores_N, boxes_cxcywh_N4 = table[:, 0], table[:, 1:5]
        windowed_N = scores_N * (1 - self.window_penalty) + self._window(len(scores_N)) * self.window_penalty
        best = int(np.argmax(windowed_N))
        box = boxes_cxcywh_N4[best].astype(np.float64) * self.search_side
        if not (np.isfinite(box).all() and np.isfinite(windowed_N[best])):
            raise BadInput("the network's output is not finite - its weights are damaged, or its training diverged")
        frame_size = np.array([image_shape[1], image_shape[0]], dtype=np.float64)
        self.center_pos = np.clip(self.center_pos + box[:2] - self.search_side / 2, 0, frame_size)
        self.size = np.minimum(np.maximum(box[2:], SMALLEST_SIDE), frame_size)

        output = {"target_bbox": [*(self.center_pos - self.size / 2).tolist(), *self.size.tolist()],
                  "best_score": float(windowed_N[best]), "target_score": float(scores_N[best])}
        if table.shape[1] > 5:
            output["pred_iou"] = float(table[best, 5])
        return output

    def _window(self, positions: int) -> np.ndarray:
        """Outer product of two Hann windows over the square grid of `positions` cells, row by row."""
        if self.window is None or len(self.window) != positions:
            side = math.isqrt(positions)
            if side * side != positions:
                raise BadInput(f"the network returns {positions} positions, which is no square grid")
            hann = np.hanning(side)
            self.window = np.outer(hann, hann).flatten()
        return self.window


def _tables(outputs: dict[str, torch.Tensor]) -> np.ndarray:
    """`(B, N, 5 or 6)`: target score, box cxcywh and, when predicted, IoU, in one copy from the GPU (a sync point)."""
    parts = [outputs["pred_logits"].float().softmax(-1)[..., :1], outputs["pred_boxes"].float()]
    if outputs.get("pred_ious") is not None:
        parts.append(outputs["pred_ious"].float().reshape(*parts[0].shape))
    return torch.cat(parts, dim=-1).cpu().numpy()
