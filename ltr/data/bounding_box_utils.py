"""Box parametrisations, and the boxes of masks, under the names that pytracking's users import.

The functions are those of `ltr.geometry.tensor_boxes`.
"""

from ltr.geometry.tensor_boxes import (
    masks_to_bboxes,
    masks_to_bboxes_multi,
    rect_to_rel,
    rel_to_rect,
)

__all__ = ["masks_to_bboxes", "masks_to_bboxes_multi", "rect_to_rel", "rel_to_rect"]
