"""Measures of video object segmentation, as DAVIS defines them (Perazzi et al., CVPR 2016).

Region similarity J is the intersection over union of two masks, boundary accuracy F the harmonic
mean of precision and recall of their outlines. Statistics over frames are mean, recall (part of
frames above a threshold) and decay (loss from the first quarter of the frames to the last).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue


def davis_jaccard_measure(fg_mask: np.ndarray, gt_mask: np.ndarray) -> float:
    """Region similarity J in [0, 1] of two (H, W) masks, values above 0.5 being the object; 1 when
    both are empty.
    """
    _check_shapes(fg_mask, gt_mask)
    fg, gt = np.asarray(fg_mask) > 0.5, np.asarray(gt_mask) > 0.5
    union = np.count_nonzero(fg | gt)
    return np.count_nonzero(fg & gt) / union if union else 1.0


def davis_jaccard_measure_torch(fg_mask: Tensor, gt_mask: Tensor) -> Tensor:
    """`davis_jaccard_measure` on tensors, on their device; a 0-d tensor."""
    _check_shapes(fg_mask, gt_mask)
    fg, gt = fg_mask > 0.5, gt_mask > 0.5
    union = (fg | gt).sum()
    return torch.where(union > 0, (fg & gt).sum() / union.clamp(min=1), 1.0)


def davis_f_measure(
    foreground_mask: np.ndarray, gt_mask: np.ndarray, bound_th: float = 0.008
) -> float:
    """Boundary accuracy F in [0, 1] of two (H, W) masks.

    Outline pixels match within `bound_th`: pixels when it is 1 or more, else a part of the image's
    diagonal (rounded up to pixels). Raising it forgives coarser outlines. Two masks without outline
    match.
    """
    _check_shapes(foreground_mask, gt_mask)
    fg, gt = seg2bmap(foreground_mask), seg2bmap(gt_mask)
    if not fg.any() or not gt.any():  # precision 1 and recall 0, or the reverse
        return float(not fg.any() and not gt.any())
    radius = int(bound_th) if bound_th >= 1 else math.ceil(bound_th * math.hypot(*fg.shape))
    precision = np.count_nonzero(fg & _grown(gt, radius)) / np.count_nonzero(fg)
    recall = np.count_nonzero(gt & _grown(fg, radius)) / np.count_nonzero(gt)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def seg2bmap(seg: np.ndarray, width: int | None = None, height: int | None = None) -> np.ndarray:
    """Outline of an (H, W) mask, one pixel wide, as booleans: pixels that differ from the one
    right, below or diagonal.

    `width` and `height` give the outline at another size of the same shape; both default to the
    mask's.
    """
    mask = np.asarray(seg) > 0
    if mask.ndim != 2:
        raise BadValue(f"A mask has two dimensions, got the shape {mask.shape}")
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    outline = (mask != padded[:-1, 1:]) | (mask != padded[1:, :-1]) | (mask != padded[1:, 1:])
    height, width = height or mask.shape[0], width or mask.shape[1]
    if (height, width) == mask.shape:
        return outline
    if abs(width / height - mask.shape[1] / mask.shape[0]) > 0.01 or width > mask.shape[1]:
        raise BadValue(
            f"The outline of a {mask.shape[1]} x {mask.shape[0]} mask cannot be given as {width} "
            f"x {height}; "
            "keep the aspect ratio and do not enlarge"
        )
    rows, columns = np.nonzero(outline)
    small = np.zeros((height, width), bool)
    small[rows * height // mask.shape[0], columns * width // mask.shape[1]] = True
    return small


def mean(X: Sequence[float]) -> float:
    """Mean over frames; NaN for none."""
    return float(np.mean(X)) if len(X) else float("nan")


def nanmean(X: Sequence[float]) -> float:
    """Mean of the values that are not NaN; NaN for none."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # the mean of nothing is NaN here, which is meant
        return float(np.nanmean(np.asarray(X, dtype=float)))


def recall(X: Sequence[float], threshold: float = 0.5) -> float:
    """Part of the frames above `threshold`, NaN counting as below; NaN for no frames."""
    return mean([float(value > threshold) for value in X])


def decay(X: Sequence[float], n_bins: int = 4) -> float:
    """Mean of the first of `n_bins` equal parts of the frames less that of the last; frames on an
    edge are in both parts.
    """
    values = np.asarray(X, dtype=float)
    if not len(values):
        return float("nan")
    edges = np.floor(np.linspace(0, len(values) - 1, n_bins + 1) + 0.5).astype(int)
    return nanmean(values[: edges[1] + 1].tolist()) - nanmean(values[edges[-2] :].tolist())


def std(X: Sequence[float]) -> float:
    """Standard deviation over frames (divided by their number); NaN for none."""
    return float(np.std(X)) if len(X) else float("nan")


def text_bargraph(values: Sequence[float]) -> str:
    """Values in [0, 1] as a line of bars, one character each; NaN is a dot. Shows at a glance where
    a tracker fails.
    """
    bars = " ▁▂▃▄▅▆▇█"
    numbers = np.asarray(values, dtype=float)
    levels = np.nan_to_num(numbers.clip(0, 1) * (len(bars) - 1)).round().astype(int)
    return "".join(
        "·" if np.isnan(number) else bars[level]
        for number, level in zip(numbers, levels, strict=True)
    )


def _grown(outline: np.ndarray, radius: int) -> np.ndarray:
    """Pixels at most `radius` away from the outline."""
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets**2 <= radius**2).astype(np.uint8)
    return cv2.dilate(outline.astype(np.uint8), disk).astype(bool)


def _check_shapes(mask: np.ndarray | Tensor, other: np.ndarray | Tensor) -> None:
    if mask.shape != other.shape:
        raise BadValue(
            f"Masks of the shapes {tuple(mask.shape)} and {tuple(other.shape)} cannot be compared; "
            "write segmentations in the size of the frames"
        )
