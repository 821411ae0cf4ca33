"""The losses of the light Ocean: a score that is the IoU of the position's box, the box, and the
predicted IoU.

Sources: VarifocalNet (CVPR 2021) for the score, GIoU (CVPR 2019) for the box.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.models.tracking.ocean_light import positions

# The target's middle, where its score is learned: a share of its size around the centre, and at
# least so many px, so that a small target has a position.
MIDDLE_SHARE, MIDDLE_LEAST = 0.22, 5.0
# Of a position in the target but outside of its middle: its box counts less, its score too.
OUTER_WEIGHT = 0.25
LEAST_QUALITY = 0.1  # the score of a middle position whose box is bad: it is the target still
WEIGHTS = {"loss_score": 1.0, "loss_box": 2.0, "loss_iou_pred": 0.5}
TINY = 1e-6


def ocean_light_losses(
    outputs: Mapping[str, Tensor], boxes_xywh_B4: Tensor, present_B: Tensor
) -> dict[str, Tensor]:
    """Return the losses of a batch, their weighted sum `total` and, without gradient, `iou`: the
    mean over the middles of targets.

    Boxes are in pixels of the search crop. Where `present_B` is false the target is not in the crop
    and no position is to score.
    """
    logits = outputs["pred_logits"][:, 0]
    x, y = positions(logits.shape[-1], logits)
    left, top, width, height = boxes_xywh_B4[:, :, None, None].unbind(1)
    targets = torch.stack([x - left, y - top, left + width - x, top + height - y], 1)
    inside = (targets.amin(1) > 0) & present_B[:, None, None]
    near_x = (x - left - width / 2).abs() <= (MIDDLE_SHARE * width).clamp(min=MIDDLE_LEAST)
    near_y = (y - top - height / 2).abs() <= (MIDDLE_SHARE * height).clamp(min=MIDDLE_LEAST)
    middle = near_x & near_y & inside
    iou, giou = distance_ious(
        outputs["pred_boxes"].permute(0, 2, 3, 1)[inside], targets.permute(0, 2, 3, 1)[inside]
    )
    fit = iou.detach()
    weights = torch.where(middle[inside], 1.0, OUTER_WEIGHT)
    quality = torch.zeros_like(logits).masked_scatter(inside, fit).clamp(min=LEAST_QUALITY)
    losses = {
        "loss_score": _score_loss(logits, torch.where(middle, quality, 0.0), inside, middle),
        "loss_box": ((1 - giou) * weights).sum() / weights.sum().clamp(min=1),
        # The mean of no value is 0, with a gradient.
        "loss_iou_pred": F.binary_cross_entropy(
            outputs["pred_ious"][:, 0][inside], fit, reduction="sum"
        )
        / max(len(fit), 1),
    }
    losses["total"] = torch.stack([WEIGHTS[name] * value for name, value in losses.items()]).sum()
    losses["iou"] = fit[middle[inside]].sum() / middle.sum().clamp(min=1)
    return losses


def distance_ious(predicted_N4: Tensor, true_N4: Tensor) -> tuple[Tensor, Tensor]:
    """Return IoU and GIoU of boxes given as distances to left, top, right, bottom from one
    position.
    """

    def area(ltrb: Tensor) -> Tensor:
        return (ltrb[:, 0] + ltrb[:, 2]) * (ltrb[:, 1] + ltrb[:, 3])

    common = torch.minimum(predicted_N4, true_N4)
    overlap = (common[:, 0] + common[:, 2]).clamp(min=0) * (common[:, 1] + common[:, 3]).clamp(
        min=0
    )
    union = area(predicted_N4) + area(true_N4) - overlap
    iou = overlap / union.clamp(min=TINY)
    hull = area(torch.maximum(predicted_N4, true_N4)).clamp(min=TINY)
    return iou, iou - (hull - union) / hull


def _score_loss(logits: Tensor, quality: Tensor, inside: Tensor, middle: Tensor) -> Tensor:
    """Cross-entropy with the quality, weighted by how far the score is from it."""
    weights = (logits.sigmoid().detach() - quality).abs() ** 2
    weights = torch.where(inside & ~middle, OUTER_WEIGHT * weights, weights)
    errors = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
    return (errors * weights).sum() / middle.sum().clamp(min=1)
