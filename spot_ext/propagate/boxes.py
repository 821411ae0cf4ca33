"""Overlap and difference of boxes."""

from __future__ import annotations

import numpy as np

from ltr.geometry.array_boxes import paired_iou

LEAST_OVERLAP, LARGEST = 0.3, 1.6  # of a correction, see `box_delta`


def box_delta(box_xywh: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(4,) from one box to another: centre in units of its size, and logarithm of the size. Zero
    where they have little in common, and at most a factor of `LARGEST`: it is meant for how a
    network draws boxes, not for losing the target.
    """
    if paired_iou(box_xywh, wanted) < LEAST_OVERLAP:
        return np.zeros(4)
    center = (wanted[:2] + wanted[2:] / 2 - box_xywh[:2] - box_xywh[2:] / 2) / box_xywh[2:]
    return np.clip(
        np.concatenate([center, np.log(wanted[2:] / box_xywh[2:])]),
        -np.log(LARGEST),
        np.log(LARGEST),
    )


def apply_box_delta(boxes_xywh: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """Boxes (..., 4) moved by `differences` (..., 4); the inverse of `box_delta`."""
    size = boxes_xywh[..., 2:] * np.exp(differences[..., 2:])
    center = (
        boxes_xywh[..., :2] + boxes_xywh[..., 2:] / 2 + differences[..., :2] * boxes_xywh[..., 2:]
    )
    return np.concatenate([center - size / 2, size], axis=-1)
