"""The online tracker of TransT: argmax of the windowed classification, box as the network regresses it.

Source: TransT (CVPR 2021), section 3.4; SPOT evaluates with the same tracker.
"""

from __future__ import annotations

import copy
import math
import time
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
        side = context_side(*self.size, SEARCH_FACTOR)
        crop = self.get_subwindow(image, self.center_pos, self.search_size, side, self.channel_average)
        scores_N, boxes_cxcywh_N4, ious_N = self._decode(self.net.track(self.net.preprocess_image(crop)))

        windowed_N = scores_N * (1 - self.window_penalty) + self._window(len(scores_N)) * self.window_penalty
        best = int(np.argmax(windowed_N))
        box = boxes_cxcywh_N4[best].astype(np.float64) * side
        if not (np.isfinite(box).all() and np.isfinite(windowed_N[best])):
            raise BadInput("the network's output is not finite - its weights are damaged, or its training diverged")
        frame_size = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
        self.center_pos = np.clip(self.center_pos + box[:2] - side / 2, 0, frame_size)
        self.size = np.minimum(np.maximum(box[2:], SMALLEST_SIDE), frame_size)

        output = {"target_bbox": [*(self.center_pos - self.size / 2).tolist(), *self.size.tolist()],
                  "best_score": float(windowed_N[best]), "target_score": float(scores_N[best])}
        if ious_N is not None:
            output["pred_iou"] = float(ious_N[best])
        return output

    @staticmethod
    def _decode(outputs: dict[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Target scores `(N,)`, boxes `(N, 4)` and IoUs `(N,)` or None, in one copy from the GPU (a sync point)."""
        parts = [outputs["pred_logits"][0].float().softmax(-1)[:, :1], outputs["pred_boxes"][0].float()]
        if outputs.get("pred_ious") is not None:
            parts.append(outputs["pred_ious"][0].float().reshape(-1, 1))
        table = torch.cat(parts, dim=1).cpu().numpy()
        return table[:, 0], table[:, 1:5], table[:, 5] if table.shape[1] > 5 else None

    def _window(self, positions: int) -> np.ndarray:
        """Outer product of two Hann windows over the square grid of `positions` cells, row by row."""
        if self.window is None or len(self.window) != positions:
            side = math.isqrt(positions)
            if side * side != positions:
                raise BadInput(f"the network returns {positions} positions, which is no square grid")
            hann = np.hanning(side)
            self.window = np.outer(hann, hann).flatten()
        return self.window
