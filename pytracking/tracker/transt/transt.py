"""The online tracker of TransT: argmax of the windowed classification, box as the network regresses it.

Source: TransT (CVPR 2021), section 3.4; SPOT evaluates with the same tracker.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from ltr.data.crops import context_side
from pytracking.tracker.base import MatchingTracker, hann_window
from pytracking.tracker.transt.config import cfg

TEMPLATE_FACTOR, SEARCH_FACTOR = 2, 4  # side of the context window relative to the box


class TransT(MatchingTracker):
    """`params.window_penalty` (default 0.49) weights the Hann window: higher favours targets that moved little."""

    default_sizes = (cfg.TRACK.EXEMPLAR_SIZE, cfg.TRACK.INSTANCE_SIZE)
    tunable: ClassVar[dict[str, tuple[float, float]]] = {"window_penalty": (0.0, 0.9)}  # for `spot_ext tune`

    def __init__(self, params):
        super().__init__(params)
        self.window_penalty = params.get("window_penalty", cfg.TRACK.WINDOW_INFLUENCE)

    def template_side(self) -> float:
        return context_side(*self.size, TEMPLATE_FACTOR)

    def search_side(self) -> float:
        return context_side(*self.size, SEARCH_FACTOR)

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Columns: target score, box cxcywh in units of the crop and, when predicted, IoU."""
        parts = [outputs["pred_logits"].float().softmax(-1)[..., :1], outputs["pred_boxes"].float()]
        if outputs.get("pred_ious") is not None:
            parts.append(outputs["pred_ious"].float().reshape(parts[0].shape))
        return torch.cat(parts, dim=-1)

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Take the best position.

        `track` returns besides the box `best_score` (windowed score of the chosen cell), `target_score` (the same
        without the window) and, when the network predicts it, `pred_iou` (expected overlap).
        """
        scores_N = table[:, 0]
        windowed_N = scores_N * (1 - self.window_penalty) + hann_window(len(scores_N)) * self.window_penalty
        best = int(np.argmax(windowed_N))
        box = table[best, 1:5].astype(np.float64) * self.side
        target = self._move(self.center_pos + box[:2] - self.side / 2, box[2:], image_shape)
        output = {"target_bbox": target, "best_score": float(windowed_N[best]), "target_score": float(scores_N[best])}
        if table.shape[1] > 5:
            output["pred_iou"] = float(table[best, 5])
        self.show_scores(windowed_N, **{name: value for name, value in output.items() if name != "target_bbox"})
        return output
