"""Boxes in tensors (..., 4): conversion between formats, and overlap of boxes pair by pair."""

from __future__ import annotations

import torch
from torch import Tensor

_TINY_AREA = 1e-12  # keeps 0/0 of two empty boxes, and its gradient, finite


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Corners (x1, y1, x2, y2) of boxes given by centre and size."""
    centre, size = boxes_cxcywh.split(2, dim=-1)
    return torch.cat((centre - 0.5 * size, centre + 0.5 * size), dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """Centre and size of boxes given by corners."""
    low, high = boxes_xyxy.split(2, dim=-1)
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def paired_iou_giou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """IoU in 0..1 and generalised IoU in -1..1 of boxes at equal places of two broadcastable
    tensors (..., 4).

    GIoU = IoU - (hull - union) / hull (Rezatofighi et al. 2019): it falls with distance where boxes
    do not meet.
    """
    low, high = boxes_xyxy.split(2, dim=-1)
    other_low, other_high = others_xyxy.split(2, dim=-1)
    meet = _area(torch.maximum(low, other_low), torch.minimum(high, other_high))
    union = _area(low, high) + _area(other_low, other_high) - meet
    hull = _area(torch.minimum(low, other_low), torch.maximum(high, other_high))
    iou = meet / union.clamp(min=_TINY_AREA)
    return iou, iou - (hull - union) / hull.clamp(min=_TINY_AREA)


def _area(low: Tensor, high: Tensor) -> Tensor:
    size = (high - low).clamp(min=0)
    return size[..., 0] * size[..., 1]
