"""Boxes [x, y, w, h] in pixels: how they overlap, and how optical flow carries them along."""

from __future__ import annotations

import numpy as np

MIDDLE = (
    0.8  # share of a box's sides from which its motion is read: its corners are often background
)
POINTS = 9  # along each side


def moved(box_xywh: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The box (4,) after the flow (H, W, 2): shifted by its points' median and scaled by how their
    distances change.

    Source: median flow (Kalal et al., ICPR 2010). A box outside the frame stays where it is.
    """
    height, width = flow.shape[:2]
    x, y, w, h = box_xywh
    steps = 0.5 + MIDDLE * (np.arange(POINTS) / (POINTS - 1) - 0.5)
    xs, ys = np.meshgrid(x + w * steps, y + h * steps)
    inside = (xs >= 0) & (xs <= width - 1) & (ys >= 0) & (ys <= height - 1)
    if not inside.any():
        return np.array(box_xywh, float)
    xs, ys = xs[inside], ys[inside]
    motion = flow[ys.astype(int), xs.astype(int)].astype(float)
    shift = np.median(motion, axis=0)
    apart = np.stack([xs - np.median(xs), ys - np.median(ys)], 1)
    before = np.linalg.norm(apart, axis=1)
    far = before > 0.25 * max(w, h) * MIDDLE
    scale = 1.0
    if far.any():
        scale = float(np.median(np.linalg.norm(apart + motion - shift, axis=1)[far] / before[far]))
        scale = min(max(scale, 0.8), 1.25)
    center = np.array([x + w / 2, y + h / 2]) + shift
    return np.concatenate([center - scale * np.array([w, h]) / 2, [scale * w, scale * h]])


def touches_border(boxes_xywh: np.ndarray, size: tuple[int, int], margin: float) -> np.ndarray:
    """(N,) bool: the box comes within `margin` px of an edge of the frame of `size` (width,
    height).
    """
    low, high = boxes_xywh[:, :2], boxes_xywh[:, :2] + boxes_xywh[:, 2:]
    return (low < margin).any(1) | (high > np.asarray(size) - margin).any(1)
