"""Box functions for training code written for TransT. Boxes are xyxy or cxcywh, N of one against M
of another set.
"""

from __future__ import annotations

import torch
import torchvision.ops
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.models.loss.box_ops import cxcywh_to_xyxy, paired_iou_giou, xyxy_to_cxcywh

__all__ = [
    "box_cxcywh_to_xyxy",
    "box_iou",
    "box_xyxy_to_cxcywh",
    "generalized_box_iou",
    "masks_to_boxes",
]

box_cxcywh_to_xyxy = cxcywh_to_xyxy
box_xyxy_to_cxcywh = xyxy_to_cxcywh


def box_iou(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and area of the union (N, M) of xyxy boxes (N, 4) and (M, 4)."""
    area1, area2 = torchvision.ops.box_area(boxes1), torchvision.ops.box_area(boxes2)
    iou, _ = paired_iou_giou(boxes1[:, None], boxes2[None])
    both = area1[:, None] + area2
    return iou, both / (1 + iou)  # overlap = iou * union, and union = both - overlap


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Generalised IoU and IoU (N, M) of xyxy boxes; boxes with x2 < x1 or y2 < y1, or NaN, are a
    BadValue.
    """
    for boxes in (boxes1, boxes2):
        if not (boxes[:, 2:] >= boxes[:, :2]).all():
            row = (~(boxes[:, 2:] >= boxes[:, :2])).any(1).nonzero()[0].item()
            raise BadValue(
                f"generalized_box_iou: box {row} is {boxes[row].tolist()}, but x1 <= x2 and y1 <= "
                "y2 must hold"
            )
    iou, giou = paired_iou_giou(boxes1[:, None], boxes2[None])
    return giou, iou


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The xyxy boxes (N, 4) that just hold the non-zero pixels of masks (N, H, W); zeros for an
    empty mask.
    """
    boxes = torch.zeros(len(masks), 4, device=masks.device)
    filled = masks.flatten(1).any(1)
    if filled.any():
        boxes[filled] = torchvision.ops.masks_to_boxes(masks[filled])
    return boxes
