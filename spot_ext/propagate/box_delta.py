"""The correction of a network's boxes: from the box it draws to the box that a person drew."""

from __future__ import annotations

import numpy as np

from ltr.geometry.array_boxes import around_centers, centers_of, paired_iou

# Boxes that overlap less have lost the target: that is no way of drawing boxes.
LEAST_OVERLAP = 0.3
# The largest factor by which a size is corrected, and its logarithm in sizes for the centre.
LARGEST_FACTOR = 1.6


def box_delta(box_xywh: np.ndarray, target_xywh: np.ndarray) -> np.ndarray:
    """Return (4,) from one box to another: its centre in sizes, and the logarithm of its size.

    It is zero where the boxes have little in common, and limited to a factor of `LARGEST_FACTOR`:
    it is meant for how a network draws boxes, not for a lost target.
    """
    if paired_iou(box_xywh, target_xywh) < LEAST_OVERLAP:
        return np.zeros(4)
    # Summed in this order: another one moves results by the last digit.
    distance = target_xywh[:2] + target_xywh[2:] / 2 - box_xywh[:2] - box_xywh[2:] / 2
    center = distance / box_xywh[2:]
    log_size = np.log(target_xywh[2:] / box_xywh[2:])
    limit = np.log(LARGEST_FACTOR)
    return np.clip(np.concatenate([center, log_size]), -limit, limit)


def apply_box_delta(boxes_xywh: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Return boxes (..., 4) moved by `deltas` (..., 4); the inverse of `box_delta`."""
    sizes = boxes_xywh[..., 2:] * np.exp(deltas[..., 2:])
    centers = centers_of(boxes_xywh) + deltas[..., :2] * boxes_xywh[..., 2:]
    return around_centers(centers, sizes)
