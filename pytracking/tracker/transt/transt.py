"""The online tracker of TransT: argmax of the windowed classification, box as the network regresses
it.

Source: TransT (CVPR 2021), section 3.4; SPOT evaluates with the same tracker.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch

from ltr.data.crops import context_side
from ltr.models.decoding import decode_transt
from pytracking.tracker.base import MatchingTracker, hann_window
from pytracking.tracker.transt.config import cfg

TEMPLATE_FACTOR, SEARCH_FACTOR = 2, 4  # side of the context window relative to the box


WIDENING = 1.1  # of the search region, per frame without the target


class TransT(MatchingTracker):
    """`params.window_penalty` (default 0.49) weights the Hann window: higher favours targets that
    moved little.

    Recovery, for networks that predict IoU: with `params.unsure_below` (default 0: off) a target
    whose predicted IoU is lower counts as not found. The box then stays where it is, at its last
    size, and the region that is searched grows by a tenth a frame, up to `params.widest` (default
    2) times its side, until the target is found again.
    """

    default_sizes = (cfg.TRACK.EXEMPLAR_SIZE, cfg.TRACK.INSTANCE_SIZE)
    tunable: ClassVar[dict[str, tuple[float, float]]] = {
        "window_penalty": (0.0, 0.9)
    }  # for `spot_ext tune`

    def __init__(self, params):
        super().__init__(params)
        self.window_penalty = params.get("window_penalty", cfg.TRACK.WINDOW_INFLUENCE)
        self.unsure_below, self.widest = params.get("unsure_below", 0.0), params.get("widest", 2.0)

    def initialize(self, image: np.ndarray, info: dict[str, Any]) -> dict[str, Any]:
        """See `MatchingTracker.initialize`."""
        self.widening = 1.0
        return super().initialize(image, info)

    def template_side(self) -> float:
        width, height = self.size
        return context_side(width, height, TEMPLATE_FACTOR)

    def search_side(self) -> float:
        width, height = self.size
        return context_side(width, height, SEARCH_FACTOR) * self.widening

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Columns: target score, box cxcywh in units of the crop and, when predicted, IoU."""
        return decode_transt(outputs).columns()

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Take the best position.

        `track` returns besides the box `best_score` (windowed score of the chosen cell),
        `target_score` (the same without the window) and, when the network predicts it, `pred_iou`
        (expected overlap).
        """
        scores_N = table[:, 0]
        windowed_N = (
            scores_N * (1 - self.window_penalty) + hann_window(len(scores_N)) * self.window_penalty
        )
        best = int(np.argmax(windowed_N))
        box = table[best, 1:5].astype(np.float64) * self.side
        if self._found(table[best]):
            target = self._move(self.center_pos + box[:2] - self.side / 2, box[2:], image_shape)
        else:
            target = self._move(self.center_pos, self.size, image_shape)
        scores = {"best_score": float(windowed_N[best]), "target_score": float(scores_N[best])}
        if table.shape[1] > 5:
            scores["pred_iou"] = float(table[best, 5])
            scores["object_presence_score"] = min(max(scores["pred_iou"], 0.0), 1.0)
        self.show_scores(windowed_N, **scores)
        return {"target_bbox": target, **scores}

    def _found(self, position: np.ndarray) -> bool:
        """Say whether the target is at the chosen row of the table; sets how wide the next search
        is.
        """
        found = len(position) <= 5 or position[5] >= self.unsure_below
        self.widening = 1.0 if found else min(self.widening * WIDENING, self.widest)
        return found
