"""Boxes in torch tensors (..., 4): overlap, conversions, clipping, and the boxes of masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torchvision.ops
from torch import Tensor

from ltr.admin.errors import BadValue

# Keeps 0 / 0 of two empty boxes, and its gradient, finite.
_TINY_AREA = 1e-12

# -- conversions -----------------------------------------------------------------------------------


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Return corners (x1, y1, x2, y2) of boxes given by centre and size."""
    centre, size = boxes_cxcywh.split(2, dim=-1)
    return torch.cat((centre - 0.5 * size, centre + 0.5 * size), dim=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """Return centre and size of boxes given by corners."""
    low, high = boxes_xyxy.split(2, dim=-1)
    return torch.cat(((low + high) / 2, high - low), dim=-1)


def xywh_to_cxcywh(boxes_xywh: Tensor) -> Tensor:
    """Return centre and size of boxes given by their top left corner and size."""
    corner, size = boxes_xywh.split(2, dim=-1)
    return torch.cat([corner + size / 2, size], -1)


def rect_to_rel(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:
    """Return boxes (…, 4) xywh as `[cx / sw, cy / sh, log w, log h]`.

    (sw, sh) is `sz_norm` (…, 2), by default the box's size.
    """
    size = bb[..., 2:]
    unit = size if sz_norm is None else sz_norm
    return torch.cat([(bb[..., :2] + 0.5 * size) / unit, size.log()], -1)


def rel_to_rect(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:
    """Undo `rect_to_rel`."""
    size = bb[..., 2:].exp()
    unit = size if sz_norm is None else sz_norm
    return torch.cat([bb[..., :2] * unit - 0.5 * size, size], -1)


# -- clipping --------------------------------------------------------------------------------------


def clip_to_frame(boxes_xywh: Tensor, frame_sizes_wh: Tensor) -> Tensor:
    """Cut boxes (B, 4) at the borders of their frames (B, 2); nothing left becomes size zero."""
    low = boxes_xywh[:, :2].clamp_min(0).minimum(frame_sizes_wh)
    high = (boxes_xywh[:, :2] + boxes_xywh[:, 2:]).clamp_min(0).minimum(frame_sizes_wh)
    return torch.cat([low, high - low], 1)


def spot_clip(boxes_xywh: Tensor) -> Tensor:
    """Move corners (B, 4) that lie left of or above the frame inside, as the SPOT release does.

    Sizes stay, and boxes beyond the other two borders too.
    """
    return torch.cat([boxes_xywh[:, :2].clamp_min(0), boxes_xywh[:, 2:]], 1)


# -- overlap ---------------------------------------------------------------------------------------


def paired_iou_giou(boxes_xyxy: Tensor, others_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU in 0..1 and generalised IoU in -1..1 of boxes at equal places.

    The two tensors (..., 4) may be broadcast. GIoU = IoU - (hull - union) / hull (Rezatofighi et
    al. 2019): it falls with distance where boxes do not meet.
    """
    low, high = boxes_xyxy.split(2, dim=-1)
    other_low, other_high = others_xyxy.split(2, dim=-1)
    meet = _area(torch.maximum(low, other_low), torch.minimum(high, other_high))
    union = _area(low, high) + _area(other_low, other_high) - meet
    hull = _area(torch.minimum(low, other_low), torch.maximum(high, other_high))
    iou = meet / union.clamp(min=_TINY_AREA)
    return iou, iou - (hull - union) / hull.clamp(min=_TINY_AREA)


def atom_iou(reference_xywh: Tensor, proposals_xywh: Tensor) -> Tensor:
    """Return the overlap (N,) of `reference` (1, 4) or (N, 4) with `proposals` (N, 4) as ATOM's.

    It is NaN where both boxes are empty.
    """
    top_left = torch.max(reference_xywh[:, :2], proposals_xywh[:, :2])
    bottom_right = torch.min(
        reference_xywh[:, :2] + reference_xywh[:, 2:],
        proposals_xywh[:, :2] + proposals_xywh[:, 2:],
    )
    common = (bottom_right - top_left).clamp(min=0).prod(1)
    return common / (reference_xywh[:, 2:].prod(1) + proposals_xywh[:, 2:].prod(1) - common)


def pytracking_iou(boxes_xywh: Tensor, others_xywh: Tensor) -> Tensor:
    """Return the IoU (N,) of boxes (N, 4), row by row, as pytracking's analysis counts it.

    A box ends with its last pixel, `x + w - 1`. It is NaN where both boxes are empty.
    """
    top_left = torch.maximum(boxes_xywh[:, :2], others_xywh[:, :2])
    last_pixel = torch.minimum(
        boxes_xywh[:, :2] + boxes_xywh[:, 2:] - 1.0, others_xywh[:, :2] + others_xywh[:, 2:] - 1.0
    )
    intersection = (last_pixel - top_left + 1.0).clamp(min=0).prod(1)
    union = boxes_xywh[:, 2:].prod(1) + others_xywh[:, 2:].prod(1) - intersection
    return intersection / union


def ocean_smooth_iou(ltrb: Tensor, target_ltrb: Tensor) -> Tensor:
    """Return (I + 1) / (U + 1), in 0..1, of boxes (B, 4, m, m) by distances from one position.

    Distances in px are to the left, top, right and bottom, negative to sides that the position is
    beyond of. The added pixel defines it for empty boxes too.
    """
    low, high = torch.minimum(ltrb, target_ltrb).split(2, 1)
    intersection = (low + high).clamp_min(0).prod(1)
    union = sum((box[:, :2] + box[:, 2:]).prod(1) for box in (ltrb, target_ltrb)) - intersection
    return (intersection + 1) / (union + 1)


def box_iou(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and area of the union (N, M) of xyxy boxes (N, 4) and (M, 4)."""
    area1, area2 = torchvision.ops.box_area(boxes1), torchvision.ops.box_area(boxes2)
    iou, _ = paired_iou_giou(boxes1[:, None], boxes2[None])
    both = area1[:, None] + area2
    # The overlap is iou * union, and the union is both - overlap.
    return iou, both / (1 + iou)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Return generalised IoU and IoU (N, M) of xyxy boxes (N, 4) and (M, 4).

    Boxes with x2 < x1 or y2 < y1, or NaN, are a BadValue.
    """
    for boxes in (boxes1, boxes2):
        is_box = (boxes[:, 2:] >= boxes[:, :2]).all(1)
        if not is_box.all():
            row = int((~is_box).nonzero()[0])
            raise BadValue(
                f"generalized_box_iou: box {row} is {boxes[row].tolist()}, but x1 <= x2 and y1 <= "
                "y2 must hold"
            )
    iou, giou = paired_iou_giou(boxes1[:, None], boxes2[None])
    return giou, iou


def _area(low: Tensor, high: Tensor) -> Tensor:
    size = (high - low).clamp(min=0)
    return size[..., 0] * size[..., 1]


# -- boxes of masks --------------------------------------------------------------------------------


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Return the xyxy boxes (N, 4) that just hold the non-zero pixels of masks (N, H, W).

    An empty mask gets zeros. Used by code written for TransT.
    """
    boxes = torch.zeros(len(masks), 4, device=masks.device)
    filled = masks.flatten(1).any(1)
    if filled.any():
        boxes[filled] = torchvision.ops.masks_to_boxes(masks[filled])
    return boxes


def masks_to_bboxes(mask: Tensor, fmt: str = "c") -> Tensor:
    """Return boxes (…, 4) around the nonzero pixels of masks (…, H, W), as pytracking does it.

    An empty mask gives the pixel at 0, 0. `fmt` 't': x, y, w, h of the corner and size; 'c': cx,
    cy, w, h; 'v': x1, y1, x2, y2, the last pixels included.
    """
    if fmt not in ("c", "t", "v"):
        raise BadValue(f"masks_to_bboxes: fmt '{fmt}' is not known; choose 'c', 't' or 'v'")
    filled = mask != 0
    x1, x2 = _extent(filled.any(-2))
    y1, y2 = _extent(filled.any(-1))
    if fmt == "v":
        return torch.stack([x1, y1, x2, y2], -1)
    w, h = x2 - x1 + 1, y2 - y1 + 1
    return torch.stack([x1, y1, w, h] if fmt == "t" else [x1 + w / 2, y1 + h / 2, w, h], -1)


def masks_to_bboxes_multi(mask: Tensor, ids: Iterable[int], fmt: str = "c") -> list[Tensor]:
    """Return `masks_to_bboxes` of each label in `ids` of the label masks (…, H, W)."""
    return [masks_to_bboxes(mask == label, fmt) for label in ids]


def _extent(filled: Tensor) -> tuple[Tensor, Tensor]:
    """Return first and last index (…,) of the true cells of (…, N); zeros where there is none."""
    count = filled.shape[-1]
    any_filled = filled.any(-1)
    # argmax gives the first of equal values.
    first = filled.int().argmax(-1)
    last = count - 1 - filled.flip(-1).int().argmax(-1)
    return (first * any_filled).float(), (last * any_filled).float()
