"""Box functions under the names of training code written for TransT.

Boxes are xyxy or cxcywh, N of one against M of another set. The functions are those of
`ltr.geometry.tensor_boxes`.
"""

from ltr.geometry.tensor_boxes import box_iou, generalized_box_iou, masks_to_boxes
from ltr.geometry.tensor_boxes import cxcywh_to_xyxy as box_cxcywh_to_xyxy
from ltr.geometry.tensor_boxes import xyxy_to_cxcywh as box_xyxy_to_cxcywh

__all__ = [
    "box_cxcywh_to_xyxy",
    "box_iou",
    "box_xyxy_to_cxcywh",
    "generalized_box_iou",
    "masks_to_boxes",
]
