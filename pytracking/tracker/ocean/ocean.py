"""The online tracker of Ocean: scores checked at the predicted box, changes of size and shape
penalised, the size smoothed.

Source: Ocean (ECCV 2020), section 3.4, after SiamFC's scale search; SPOT evaluates with the same
tracker.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from pytracking.tracker.base import MatchingTracker, hann_window

CONTEXT = 0.5  # of the sum of the box's sides, added to each of them
STRIDE = 8  # px between positions in the search crop


class Ocean(MatchingTracker):
    """Ocean's tracker. Its hyper-parameters, all in the parameter file, are these.

    `params.penalty_k` (0.062): higher resists changes of size and shape. `params.window_influence`
    (0.38): higher favours targets that moved little. `params.lr` (0.765): higher follows the size
    faster. `params.ratio` (0.94): share of the classification in the score, the rest is the align
    head's. `params.smooth_once` (False): True smooths the size once; the release smooths it twice,
    which published numbers rest on.
    """

    default_sizes = (127, 255)
    tunable: ClassVar[dict[str, tuple[float, float]]] = {  # for `spot_ext tune`
        "penalty_k": (0.0, 0.2),
        "window_influence": (0.0, 0.8),
        "lr": (0.2, 1.0),
        "ratio": (0.5, 1.0),
    }

    def __init__(self, params):
        super().__init__(params)
        self.penalty_k, self.window_influence = (
            params.get("penalty_k", 0.062),
            params.get("window_influence", 0.38),
        )
        self.lr, self.ratio = params.get("lr", 0.765), params.get("ratio", 0.94)
        self.smooth_once = params.get("smooth_once", False)

    def template_side(self) -> float:
        return round(float(_padded(self.size)))

    def search_side(self) -> float:
        context = float(_padded(self.size))
        self.scale = self.template_size / context  # crop pixels per frame pixel
        return round(context + (self.search_size - self.template_size) / self.scale)

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Columns: classification, align score, distances to left, top, right, bottom in px and,
        when predicted, IoU.
        """
        parts = [
            outputs["pred_logits"].float().sigmoid(),
            outputs["align_logits"].float().sigmoid(),
            outputs["pred_boxes"].float(),
        ]
        if outputs.get("pred_ious") is not None:
            parts.append(outputs["pred_ious"].float())
        return torch.cat(parts, dim=1).flatten(2).transpose(1, 2)

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Take the best position.

        `track` returns besides the box `best_score` (score of the chosen position, neither
        penalised nor windowed) and, when the network predicts it, `pred_iou` (expected overlap).
        """
        table = table.astype(np.float64)
        scores_N = self.ratio * table[:, 0] + (1 - self.ratio) * table[:, 1]
        low_N2, high_N2 = table[:, 2:4], table[:, 4:6]
        sizes_N2 = low_N2 + high_N2
        penalty_N = self._penalty(sizes_N2, self.size * self.scale)
        windowed_N = (
            penalty_N * scores_N * (1 - self.window_influence)
            + hann_window(len(scores_N)) * self.window_influence
        )
        best = int(np.argmax(windowed_N))
        side = round(len(scores_N) ** 0.5)
        position = STRIDE * (
            np.array([best % side, best // side]) - (side - 1) / 2
        )  # from the crop's centre
        center = self.center_pos + (position + (high_N2[best] - low_N2[best]) / 2) / self.scale
        rate = penalty_N[best] * scores_N[best] * self.lr
        found = sizes_N2[best] / self.scale
        if not self.smooth_once:
            found = self.size * (1 - rate) + found * rate
        target = self._move(center, self.size * (1 - rate) + found * rate, image_shape)
        scores = {"best_score": float(scores_N[best])}
        if table.shape[1] > 6:
            scores["pred_iou"] = float(table[best, 6])
        self.show_scores(windowed_N, **scores)
        return {"target_bbox": target, **scores}

    def _penalty(self, sizes_N2: np.ndarray, last: np.ndarray) -> np.ndarray:
        """(N,), 1 for boxes of the size and shape of the `last` one, less the more they differ."""

        def change(ratio):
            return np.maximum(ratio, 1 / ratio)

        size = change(_padded(sizes_N2) / _padded(last))
        shape = change((last[0] / last[1]) / (sizes_N2[:, 0] / sizes_N2[:, 1]))
        return np.exp(-(shape * size - 1) * self.penalty_k)


def _padded(size: np.ndarray) -> np.ndarray | float:
    """Side of the square with the area of a box (..., 2) and its context."""
    pad = CONTEXT * size.sum(-1)
    return np.sqrt((size[..., 0] + pad) * (size[..., 1] + pad))
