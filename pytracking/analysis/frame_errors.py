"""Errors of one result, frame by frame, as pytracking counts them: overlap and centre distance.

The numbers follow pytracking on purpose, oddities included (a ground-truth box that touches x = 0
or y = 0 does not count as valid), because all numbers published with it rest on them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import pytracking_iou as calc_iou_overlap


def calc_err_center(pred_bb: Tensor, anno_bb: Tensor, normalized: bool = False) -> Tensor:
    """Distance in pixels between the centres of (N, 4) xywh boxes, as an (N,) tensor.

    With `normalized` both centres are first divided by the width and height of `anno_bb`, so 0.2
    means a fifth of the target's size. Centres use pixel centres: `xy + (wh - 1) / 2`.
    """
    pred_center = pred_bb[:, :2] + 0.5 * (pred_bb[:, 2:] - 1.0)
    anno_center = anno_bb[:, :2] + 0.5 * (anno_bb[:, 2:] - 1.0)
    if normalized:
        pred_center = pred_center / anno_bb[:, 2:]
        anno_center = anno_center / anno_bb[:, 2:]
    return ((pred_center - anno_center) ** 2).sum(1).sqrt()


def calc_seq_err_robust(
    pred_bb: Tensor, anno_bb: Tensor, dataset: str, target_visible: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Errors of one result against one ground truth, with pytracking's repairs of imperfect
    results.

    Args:
        pred_bb: (M, 4) predicted xywh boxes. A box without area takes the box before it; surplus
            rows are dropped; missing rows are filled with empty boxes, except for the tag 'lasot',
            where they are an error. Row 0 is replaced by the ground truth.
        anno_bb: (N, 4) ground truth. Rows with NaN, of which nothing is known, are not valid.
        dataset: tag of the sequence; 'uav' and 'lasot' treat frames without a target differently.
        target_visible: (N,) booleans, or None when all frames show the target.

    Returns:
        Overlap, centre error in pixels, normalised centre error and validity, (N,) each. Frames
        that are not valid hold -1 (overlap, normalised error) and infinity (centre error; -1 for
        'uav').

    Raises:
        BadValue: invalid predictions, wrong lengths.

    """
    pred_bb, anno_bb = checked_boxes(pred_bb, "results"), checked_boxes(anno_bb, "ground truth")
    visible = checked_visibility(target_visible, len(anno_bb))
    valid = (anno_bb > 0).all(1)
    return frame_errors(
        pred_bb, anno_bb, dataset, visible, valid if visible is None else valid & visible
    )


def frame_errors(
    pred_bb: Tensor, anno_bb: Tensor, dataset: str, visible: Tensor | None, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`calc_seq_err_robust` with the choice of the `valid` frames, (N,) booleans, left to the
    caller.
    """
    pred_bb = _repair(pred_bb, anno_bb, dataset)
    center = calc_err_center(pred_bb, anno_bb)
    center_norm = calc_err_center(pred_bb, anno_bb, normalized=True)
    overlap = calc_iou_overlap(pred_bb, anno_bb)

    center[~valid] = -1.0 if dataset == "uav" else float("inf")
    center_norm[~valid] = -1.0
    overlap[~valid] = -1.0
    if dataset == "lasot" and visible is not None:
        center[~visible] = float("inf")
        center_norm[~visible] = float("inf")
    if overlap.isnan().any():
        raise BadValue("Nans in calculated overlap")
    return overlap, center, center_norm, valid


def counted_frames(anno_bb: Tensor, dataset: str) -> Tensor:
    """Return (N,) booleans: the frames that a score is about.

    Where the ground truth is NaN nothing is known, and the frame counts nowhere. The tag 'uav'
    marks frames without the target in this way, which pytracking counts among all frames.
    """
    if dataset == "uav":
        return torch.ones(len(anno_bb), dtype=torch.bool)
    return ~anno_bb.isnan().any(1)


def _repair(pred_bb: Tensor, anno_bb: Tensor, dataset: str) -> Tensor:
    """Return one usable box per ground-truth row (see `calc_seq_err_robust`)."""
    if pred_bb.isnan().any() or (pred_bb[:, 2:] < 0).any():
        raise BadValue("Error: Invalid results: a box holds NaN or a negative size")
    n = len(anno_bb)
    if len(pred_bb) < n and dataset == "lasot":
        raise BadValue(
            f"Mis-match in tracker prediction and GT lengths: {len(pred_bb)} boxes for {n} frames"
        )
    pred_bb = pred_bb[:n]

    # A repaired box may itself be the source of the next repair, so each row takes the nearest
    # earlier row that stays; row 0 stays in any case.
    repair = (pred_bb[:, 2:] == 0).any(1) & ~anno_bb[: len(pred_bb)].isnan().any(1)
    source = torch.where(repair, 0, torch.arange(len(pred_bb))).cummax(0).values
    pred_bb = pred_bb[source]  # indexing copies: the caller's boxes stay as they are

    pred_bb = torch.cat([pred_bb, pred_bb.new_zeros(n - len(pred_bb), 4)])
    pred_bb[0] = anno_bb[0]
    return pred_bb


def checked_boxes(boxes: Any, what: str) -> Tensor:
    """`boxes` as (N, 4) float64; BadValue naming `what` for any other shape."""
    boxes = torch.as_tensor(boxes).to(torch.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise BadValue(
            f"The {what} must be boxes of shape (N, 4) with N > 0, got {tuple(boxes.shape)}"
        )
    return boxes


def checked_visibility(target_visible: Any, n: int) -> Tensor | None:
    """`target_visible` as (n,) booleans, None when it is None; BadValue for another length."""
    if target_visible is None:
        return None
    visible = torch.as_tensor(target_visible).bool()
    if visible.shape != (n,):
        raise BadValue(
            f"target_visible has shape {tuple(visible.shape)} for {n} ground-truth rows; "
            "check the occlusion files of the sequence"
        )
    return visible
