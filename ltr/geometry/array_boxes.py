"""Boxes in NumPy arrays (..., 4): overlap, conversions, clipping, and the boxes of polygons."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue

# The area below which a union counts as empty, in square pixels: keeps 0 / 0 finite.
SMALLEST_UNION = 1e-9

# -- overlap ---------------------------------------------------------------------------------------


def paired_intersection(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Return the area (...,) that boxes at equal places of two broadcastable arrays share."""
    low = np.maximum(boxes_xywh[..., :2], others_xywh[..., :2])
    high = np.minimum(
        boxes_xywh[..., :2] + boxes_xywh[..., 2:], others_xywh[..., :2] + others_xywh[..., 2:]
    )
    return np.clip(high - low, 0, None).prod(-1)


def paired_iou(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Return the IoU (...,) of boxes at equal places of two broadcastable arrays.

    It is NaN where a box is NaN, and 0 where both boxes are empty.
    """
    shared = paired_intersection(boxes_xywh, others_xywh)
    union = boxes_xywh[..., 2:].prod(-1) + others_xywh[..., 2:].prod(-1) - shared
    return shared / np.maximum(union, SMALLEST_UNION)


def intersection_matrix(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Return the area (N, M) that each box (N, 4) shares with each of the others (M, 4)."""
    return paired_intersection(boxes_xywh[:, None], others_xywh[None])


def iou_matrix(boxes_xywh: np.ndarray, others_xywh: np.ndarray) -> np.ndarray:
    """Return the IoU (N, M) of each of the boxes (N, 4) with each of the others (M, 4)."""
    return paired_iou(boxes_xywh[:, None], others_xywh[None])


def got10k_iou(
    boxes_xywh: np.ndarray, others_xywh: np.ndarray, image_wh: tuple[int, int] | None
) -> np.ndarray:
    """Return the IoU (N,) of boxes (N, 4), row by row in [0, 1], as the GOT-10k toolkit counts it.

    Boxes are first fitted to the image (`got10k_clip`); None leaves them as they are.
    """
    if image_wh is not None:
        boxes_xywh = got10k_clip(boxes_xywh, image_wh)
        others_xywh = got10k_clip(others_xywh, image_wh)
    shared = paired_intersection(boxes_xywh, others_xywh)
    union = boxes_xywh[:, 2:].prod(axis=1) + others_xywh[:, 2:].prod(axis=1) - shared
    return (shared / (union + np.finfo(float).eps)).clip(0, 1)


def iou_of_corners(box_xyxy: Any, other_xyxy: Any) -> Any:
    """Return the IoU of two boxes by corners, each a sequence of four numbers or four arrays.

    It is 0 where both are empty.
    """
    (x1, y1, x2, y2), (a1, b1, a2, b2) = box_xyxy[:4], other_xyxy[:4]
    width = np.maximum(0, np.minimum(x2, a2) - np.maximum(x1, a1))
    height = np.maximum(0, np.minimum(y2, b2) - np.maximum(y1, b1))
    shared = width * height
    union = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared
    return shared / np.where(union > 0, union, 1)


# -- clipping --------------------------------------------------------------------------------------


def got10k_clip(boxes_xywh: np.ndarray, image_wh: tuple[int, int]) -> np.ndarray:
    """Fit boxes (N, 4) to an image as the GOT-10k toolkit does it.

    The corner is moved inside, then the size is limited: a box that starts left of the image is
    shifted, not cut.
    """
    corner = boxes_xywh[:, :2].clip(0, image_wh)
    size = boxes_xywh[:, 2:].clip(0, np.array(image_wh) - corner)
    return np.concatenate([corner, size], axis=1)


# -- conversions -----------------------------------------------------------------------------------


def xywh_to_xyxy(boxes_xywh: np.ndarray) -> np.ndarray:
    """Return the corners of boxes (..., 4) given by corner and size."""
    low = boxes_xywh[..., :2]
    return np.concatenate([low, low + boxes_xywh[..., 2:]], axis=-1)


def centers_of(boxes_xywh: np.ndarray) -> np.ndarray:
    """Return the centres (..., 2) of boxes (..., 4)."""
    return boxes_xywh[..., :2] + boxes_xywh[..., 2:] / 2


def around_centers(centers_xy: np.ndarray, sizes_wh: np.ndarray) -> np.ndarray:
    """Return boxes xywh (..., 4) of the given centres and sizes (..., 2)."""
    return np.concatenate([centers_xy - sizes_wh / 2, sizes_wh], axis=-1)


# -- names of SiamRPN-style code, public as `ltr.data.bbox` ----------------------------------------

Corner = namedtuple("Corner", "x1 y1 x2 y2")
BBox = Corner
Center = namedtuple("Center", "x y w h")
IoU = iou_of_corners


def corner2center(corner: Any) -> Any:
    """Return (cx, cy, w, h) of (x1, y1, x2, y2): a Center for a Corner, otherwise a tuple.

    The values may be numbers or arrays.
    """
    x1, y1, x2, y2 = corner[:4]
    values = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    return Center(*values) if isinstance(corner, Corner) else values


def center2corner(center: Any) -> Any:
    """Return (x1, y1, x2, y2) of (cx, cy, w, h): a Corner for a Center, otherwise a tuple.

    The values may be numbers or arrays.
    """
    x, y, w, h = center[:4]
    values = x - w / 2, y - h / 2, x + w / 2, y + h / 2
    return Corner(*values) if isinstance(center, Center) else values


def cxy_wh_2_rect(pos: Sequence[float], sz: Sequence[float]) -> np.ndarray:
    """Return x, y, w, h, 0-based, of a centre and a size."""
    return np.array([pos[0] - sz[0] / 2, pos[1] - sz[1] / 2, sz[0], sz[1]])


def rect_2_cxy_wh(rect: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return centre and size of x, y, w, h, 0-based."""
    return np.array([rect[0] + rect[2] / 2, rect[1] + rect[3] / 2]), np.array([rect[2], rect[3]])


def cxy_wh_2_rect1(pos: Sequence[float], sz: Sequence[float]) -> np.ndarray:
    """Return x, y, w, h, 1-based, of a 0-based centre and a size."""
    return cxy_wh_2_rect(pos, sz) + np.array([1, 1, 0, 0])


def rect1_2_cxy_wh(rect: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the 0-based centre, and the size, of x, y, w, h, 1-based."""
    center, size = rect_2_cxy_wh(rect)
    return center - 1, size


rect_2_cxy_wh1 = rect1_2_cxy_wh


def get_axis_aligned_bbox(region: Sequence[float]) -> tuple[float, float, float, float]:
    """Return (cx, cy, w, h) of a polygon x1, y1, … x4, y4, as VOT does it.

    It is the upright box with the polygon's area and the aspect ratio of its hull, around the mean
    of its corners. A box x, y, w, h is turned into centre and size.
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
    """Return (cx, cy, w, h) of a polygon's hull, around the mean of its corners.

    A box x, y, w, h is turned into centre and size.
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
