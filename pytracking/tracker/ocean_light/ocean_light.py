"""The online tracker of the light Ocean: scores windowed and penalised for changes of size and
shape, the size smoothed.

Source: SiamRPN++ (CVPR 2019) and Ocean (ECCV 2020), section 3.4. The network's score is trained to
be the IoU of the position's box, so that no second score is needed.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from ltr.data.crops import context_side
from ltr.models.tracking.ocean_light import STRIDE
from pytracking.tracker.base import MatchingTracker, hann_window

# Side of the template's window relative to the box; the search region has the same scale.
TEMPLATE_FACTOR = 2


class OceanLightTracker(MatchingTracker):
    """Follows one target with an `OceanLight`.

    `params.penalty_k` (default 0.04): higher resists changes of size and shape.
    `params.window_influence` (0.3): higher favours targets that moved little. `params.lr` (0.6):
    higher follows the size faster, 1 takes it as the network says.
    """

    default_sizes = (113, 193)
    # For `spot tune`.
    tunable: ClassVar[dict[str, tuple[float, float]]] = {
        "penalty_k": (0.0, 0.3),
        "window_influence": (0.0, 0.8),
        "lr": (0.2, 1.0),
    }

    def __init__(self, params):
        super().__init__(params)
        self.penalty_k = params.get("penalty_k", 0.04)
        self.window_influence = params.get("window_influence", 0.3)
        self.lr = params.get("lr", 0.6)

    def template_side(self) -> float:
        return context_side(self.size[0], self.size[1], TEMPLATE_FACTOR)

    def search_side(self) -> float:
        side = round(self.template_side() * self.search_size / self.template_size)
        # Crop pixels per frame pixel.
        self.scale = self.search_size / side
        return side

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Columns: score, distances to left, top, right and bottom in px of the crop, IoU."""
        parts = [
            outputs["pred_logits"].float().sigmoid(),
            outputs["pred_boxes"].float(),
            outputs["pred_ious"].float(),
        ]
        return torch.cat(parts, dim=1).flatten(2).transpose(1, 2)

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Take the best position.

        `track` returns besides the box `best_score` (score of the chosen position, neither
        penalised nor windowed), `pred_iou` (expected overlap) and `object_presence_score`, their
        geometric mean.
        """
        table = table.astype(np.float64)
        scores_N = table[:, 0]
        low_N2, high_N2 = table[:, 1:3], table[:, 3:5]
        sizes_N2 = low_N2 + high_N2
        penalty_N = self._penalty(sizes_N2 / self.scale)
        window_N = hann_window(len(scores_N))
        windowed_N = (
            penalty_N * scores_N * (1 - self.window_influence) + window_N * self.window_influence
        )
        best = int(np.argmax(windowed_N))
        side = round(len(scores_N) ** 0.5)
        # From the crop's centre.
        position = STRIDE * (np.array([best % side, best // side]) - (side - 1) / 2)
        center = self.center_pos + (position + (high_N2[best] - low_N2[best]) / 2) / self.scale
        # A box that the network doubts changes the size little.
        rate = min(penalty_N[best] * scores_N[best] * self.lr, 1.0)
        size = self.size * (1 - rate) + sizes_N2[best] / self.scale * rate
        target = self._move(center, size, image_shape)
        presence = float(np.sqrt(scores_N[best] * table[best, 5]))
        scores = {"best_score": float(scores_N[best]), "pred_iou": float(table[best, 5])}
        self.show_scores(windowed_N, **scores)
        return {"target_bbox": target, **scores, "object_presence_score": presence}

    def _penalty(self, sizes_N2: np.ndarray) -> np.ndarray:
        """Return (N,), 1 for boxes of the last size and shape, less the more they differ."""
        size = _change(_length(sizes_N2) / _length(self.size))
        shape = _change(self.size[0] / self.size[1] / (sizes_N2[:, 0] / sizes_N2[:, 1]))
        return np.exp(-(shape * size - 1) * self.penalty_k)


def _change(ratio: np.ndarray) -> np.ndarray:
    return np.maximum(ratio, 1 / ratio)


def _length(size: np.ndarray) -> np.ndarray:
    """Return the side of the square with the area of a box (..., 2) and its context."""
    pad = size.sum(-1) / 2
    return np.sqrt((size[..., 0] + pad) * (size[..., 1] + pad))
