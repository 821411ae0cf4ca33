"""Boxes by corners and by centre, and upright boxes of polygons: the helpers of SiamRPN-style code
in TransT.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence

import numpy as np

from ltr.admin.errors import BadValue

Corner = namedtuple("Corner", "x1 y1 x2 y2")
BBox = Corner
Center = namedtuple("Center", "x y w h")


def corner2center(corner) -> Center | tuple:
    """(cx, cy, w, h) of (x1, y1, x2, y2): a Center for a Corner, otherwise a tuple of numbers or
    arrays.
    """
    x1, y1, x2, y2 = corner[:4]
    values = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    return Center(*values) if isinstance(corner, Corner) else values


def center2corner(center) -> Corner | tuple:
    """(x1, y1, x2, y2) of (cx, cy, w, h): a Corner for a Center, otherwise a tuple of numbers or
    arrays.
    """
    x, y, w, h = center[:4]
    values = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return Corner(*values) if isinstance(center, Center) else values


def IoU(rect1, rect2):
    """Overlap of boxes by corners, of numbers or arrays; 0 where both are empty."""
    (x1, y1, x2, y2), (a1, b1, a2, b2) = rect1[:4], rect2[:4]
    common = np.maximum(0, np.minimum(x2, a2) - np.maximum(x1, a1)) * np.maximum(
        0, np.minimum(y2, b2) - np.maximum(y1, b1)
    )
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - common
    return common / np.where(union > 0, union, 1)


def cxy_wh_2_rect(pos: Sequence[float], sz: Sequence[float]) -> np.ndarray:
    """x, y, w, h, 0-based, of a centre and a size."""
    return np.array([pos[0] - sz[0] / 2, pos[1] - sz[1] / 2, sz[0], sz[1]])


def rect_2_cxy_wh(rect: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Centre and size of x, y, w, h, 0-based."""
    return np.array([rect[0] + rect[2] / 2, rect[1] + rect[3] / 2]), np.array([rect[2], rect[3]])


def cxy_wh_2_rect1(pos: Sequence[float], sz: Sequence[float]) -> np.ndarray:
    """x, y, w, h, 1-based, of a 0-based centre and a size."""
    return cxy_wh_2_rect(pos, sz) + np.array([1, 1, 0, 0])


def rect1_2_cxy_wh(rect: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """0-based centre, and size, of x, y, w, h, 1-based."""
    center, size = rect_2_cxy_wh(rect)
    return center - 1, size


rect_2_cxy_wh1 = rect1_2_cxy_wh


def get_axis_aligned_bbox(region: Sequence[float]) -> tuple[float, float, float, float]:
    """(cx, cy, w, h) of a polygon x1, y1, … x4, y4: the upright box with its area around the mean
    of its corners.

    The box has the aspect ratio of the polygon's hull, as in VOT; a box x, y, w, h is turned into
    centre and size.
    """
    points = _points(region)
    if points is None:
        x, y, w, h = region
        return x + w / 2, y + h / 2, w, h
    extent = np.ptp(points, axis=0)
    area = np.linalg.norm(points[0] - points[1]) * np.linalg.norm(points[1] - points[2])
    scale = np.sqrt(area / extent.prod()) if extent.prod() > 0 else 1.0
    (cx, cy), (w, h) = points.mean(0), scale * extent + 1
    return float(cx), float(cy), float(w), float(h)


def get_min_max_bbox(region: Sequence[float]) -> tuple[float, float, float, float]:
    """(cx, cy, w, h) of a polygon's hull, around the mean of its corners; a box x, y, w, h is
    turned into these.
    """
    points = _points(region)
    if points is None:
        x, y, w, h = region
        return x + w / 2, y + h / 2, w, h
    (cx, cy), (w, h) = points.mean(0), np.ptp(points, axis=0)
    return float(cx), float(cy), float(w), float(h)


def _points(region: Sequence[float]) -> np.ndarray | None:
    if len(region) not in (4, 8):
        raise BadValue(
            f"a region has 4 numbers (box) or 8 (polygon), this one has {len(region)}; check the "
            "annotation"
        )
    return np.asarray(region, dtype=np.float64).reshape(4, 2) if len(region) == 8 else None
