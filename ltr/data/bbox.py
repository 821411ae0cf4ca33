"""Boxes by corners and by centre under the names of SiamRPN-style code in TransT.

The functions are those of `ltr.geometry.array_boxes`.
"""

from ltr.geometry.array_boxes import (
    BBox,
    Center,
    Corner,
    IoU,
    center2corner,
    corner2center,
    cxy_wh_2_rect,
    cxy_wh_2_rect1,
    get_axis_aligned_bbox,
    get_min_max_bbox,
    rect1_2_cxy_wh,
    rect_2_cxy_wh,
    rect_2_cxy_wh1,
)

__all__ = [
    "BBox",
    "Center",
    "Corner",
    "IoU",
    "center2corner",
    "corner2center",
    "cxy_wh_2_rect",
    "cxy_wh_2_rect1",
    "get_axis_aligned_bbox",
    "get_min_max_bbox",
    "rect1_2_cxy_wh",
    "rect_2_cxy_wh",
    "rect_2_cxy_wh1",
]
