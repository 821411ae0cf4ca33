"""Boxes and sizes of masks and label images."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np


def mask_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The box x, y, w, h around the nonzero pixels of a mask (H, W); zeros for an empty one."""
    x, y, width, height = cv2.boundingRect((mask != 0).astype(np.uint8))
    return x, y, width, height


def label_boxes(labels: np.ndarray, ids: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes xywh (O, 4) float32 and sizes in pixels (O,) int32 of the labels `ids` in a label image
    (H, W) uint8.
    """
    ids = list(ids)
    sizes = np.bincount(labels.ravel(), minlength=256)[ids].astype(np.int32)
    boxes = [
        mask_box(labels == label) if size else (0, 0, 0, 0)
        for label, size in zip(ids, sizes, strict=True)
    ]
    return np.array(boxes, np.float32).reshape(-1, 4), sizes


def labels_in(labels: np.ndarray) -> list[int]:
    """The labels of a label image (H, W) uint8, without the background 0."""
    return [
        int(label) for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)) if label
    ]
