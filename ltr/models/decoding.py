"""From a network's outputs to candidates, for SPOT's teacher and the online trackers alike."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue

# The share of the classification in the score of one of Ocean's positions; the rest is the align
# head's.
OCEAN_CLS_SHARE = 0.94


@dataclass(frozen=True)
class Prediction:
    """All candidates of one forward pass over B search crops with N positions each."""

    scores_BN: Tensor  # probability of being the target, before any window
    boxes_cxcywh_BN4: Tensor  # normalised by the crop size
    ious_BN: Tensor | None  # predicted IoU with the true box; None without an IoU head

    def columns(self) -> Tensor:
        """Return (B, N, 5), or (B, N, 6) with an IoU head: score, box cxcywh, predicted IoU."""
        columns = [self.scores_BN[..., None], self.boxes_cxcywh_BN4]
        if self.ious_BN is not None:
            columns.append(self.ious_BN[..., None])
        return torch.cat(columns, dim=-1)


def decode_transt(outputs: Mapping[str, Tensor]) -> Prediction:
    """Return the candidates of TransT's family. Class 0 is the target."""
    ious = outputs.get("pred_ious")
    return Prediction(
        outputs["pred_logits"].float().softmax(-1)[..., 0],
        outputs["pred_boxes"].float(),
        None if ious is None else ious.float()[..., 0],
    )


def decode_ocean(
    outputs: Mapping[str, Tensor], positions_2MM: Tensor, crop_size: int
) -> Prediction:
    """Return the candidates of Ocean, whose boxes are counted from `positions_2MM` (x, y) in pixels
    of the crop. Scores are checked at the predicted box.
    """
    ltrb = outputs["pred_boxes"]
    low = positions_2MM - ltrb[:, :2]
    high = positions_2MM + ltrb[:, 2:]
    boxes = torch.cat([(low + high) / 2, high - low], 1) / crop_size
    classification = outputs["pred_logits"].sigmoid()
    scores = (
        OCEAN_CLS_SHARE * classification + (1 - OCEAN_CLS_SHARE) * outputs["align_logits"].sigmoid()
    )
    ious = outputs.get("pred_ious")
    return Prediction(
        scores.flatten(1),
        boxes.flatten(2).transpose(1, 2),
        None if ious is None else ious.flatten(1),
    )


def window_side(positions: int) -> int:
    """Return the side of a square map with `positions` cells; BadValue when there is none."""
    side = math.isqrt(positions)
    if side * side != positions:
        raise BadValue(
            f"a window needs a square map, got {positions} positions: check the network's output "
            "size"
        )
    return side


@functools.lru_cache(maxsize=8)
def hann_window_float64(positions: int) -> np.ndarray:
    """Return the outer product of two Hann windows with zero ends, row by row, (positions,)."""
    side = window_side(positions)
    return np.outer(np.hanning(side), np.hanning(side)).flatten()


def hann_window_float32(positions: int) -> Tensor:
    """Return the same as a tensor. It is computed in float32, as SPOT's release does, and may
    differ from the other one in the last digit.
    """
    window = torch.hann_window(window_side(positions), periodic=False)
    return torch.outer(window, window).flatten()
