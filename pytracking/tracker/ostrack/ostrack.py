"""The online tracker of OSTrack: windowed scores, and no state but the last box.

Source: OSTrack (Ye et al., ECCV 2022, section 3.4). Networks that SPOT trained with TransT's crops
are tracked with the same tracker.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import torch

from ltr.data.crops import context_side
from ltr.data.processing_utils.square import area_side, cut_area
from ltr.models.decoding import window_side
from ltr.models.tracking.ostrack import decode
from pytracking.libs.dcf import hann2d
from pytracking.tracker.base import MatchingTracker

# Sides of the squares that are cut around the target, in units of the square of its area.
TEMPLATE_FACTOR = 2.0
SEARCH_FACTOR = 4.0
# px; a box has at least this side, and at least this much of it stays in the frame
MARGIN = 10.0


class OSTrack(MatchingTracker):
    """`params.window_penalty` (default 1) weights the Hann window: the score is multiplied by the
    window to this power; higher favours targets that moved little, 0 leaves the window out.

    `params.search_factor` (default 4; the network for 384 px takes 5) is the side of the search
    region in units of the square of the target's area.
    """

    default_sizes = (128, 256)
    # For `spot tune`.
    tunable: ClassVar[dict[str, tuple[float, float]]] = {"window_penalty": (0.0, 2.0)}

    def __init__(self, params):
        super().__init__(params)
        self.window_penalty = params.get("window_penalty", 1.0)
        self.search_factor = params.get("search_factor", SEARCH_FACTOR)

    def template_side(self) -> float:
        return self._side(TEMPLATE_FACTOR)

    def search_side(self) -> float:
        return self._side(self.search_factor)

    def _side(self, factor: float) -> int:
        if self.net.context_crops:
            return context_side(self.size[0], self.size[1], factor)
        return area_side(self.size[0], self.size[1], factor)

    def get_patch(
        self, im: np.ndarray, pos, model_sz: int, original_sz: float, avg_chans: np.ndarray
    ) -> np.ndarray:
        """Cut as the network was trained: see `OSTrack.context_crops`."""
        if self.net.context_crops:
            return super().get_patch(im, pos, model_sz, original_sz, avg_chans)
        return cut_area(im, (float(pos[0]), float(pos[1])), int(original_sz), int(model_sz))

    @staticmethod
    def read(outputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Columns: score, box cxcywh in units of the crop and, when predicted, IoU."""
        return decode(outputs).columns()

    def follow(self, table: np.ndarray, image_shape: tuple[int, ...]) -> dict[str, Any]:
        """Take the best position.

        `track` returns besides the box `best_score` (windowed score of the chosen cell),
        `target_score` (the same without the window) and, when the network predicts it, `pred_iou`
        (expected overlap).
        """
        scores_N = table[:, 0]
        windowed_N = scores_N * window(len(scores_N)) ** np.float32(self.window_penalty)
        best = int(np.argmax(windowed_N))
        box = table[best, 1:5].astype(np.float64) * self.side
        center = self.center_pos + box[:2] - self.side / 2
        status = {"best_score": float(windowed_N[best]), "target_score": float(scores_N[best])}
        if table.shape[1] > 5:
            status["pred_iou"] = float(table[best, 5])
            status["object_presence_score"] = min(max(status["pred_iou"], 0.0), 1.0)
        self.show_scores(windowed_N, **status)
        return {"target_bbox": self._move(center, box[2:], image_shape), **status}

    def _move(
        self, center: np.ndarray, size: np.ndarray, image_shape: tuple[int, ...]
    ) -> list[float]:
        """Go to the box, cut at the frame's border so that `MARGIN` px of it stay inside; returns
        [x, y, w, h].
        """
        frame_size = np.array([image_shape[1], image_shape[0]], dtype=np.float64)
        low = np.clip(center - size / 2, 0, np.maximum(frame_size - MARGIN, 0))
        high = np.clip(center + size / 2, MARGIN, np.maximum(frame_size, MARGIN))
        self.size = np.maximum(high - low, MARGIN)
        self.center_pos = low + self.size / 2
        return [*low.tolist(), *self.size.tolist()]


@functools.lru_cache(maxsize=8)
def window(positions: int) -> np.ndarray:
    """Return a Hann window without zeros at its border, row by row, (positions,)."""
    side = window_side(positions)
    return hann2d((side, side)).flatten().numpy()
