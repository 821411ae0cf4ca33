"""OSTrack's training losses, and SPOT's: a heat map of the target's centre, the box at its highest
place, predicted IoU.

Source: OSTrack (ECCV 2022, section 3.3), with the weighted focal loss of CornerNet (Law and Deng,
ECCV 2018, section 3.2). Nothing here waits for the GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import cxcywh_to_xyxy, paired_iou_giou
from ltr.models.loss.matcher import target_cells
from ltr.models.loss.means import masked_sum, mean_of, total_counts, weighted_total
from ltr.models.tracking.ostrack import decode

__all__ = ["OSTrackCriterion", "OSTrackTargets", "gaussian_heat_map", "gaussian_radius"]

# The overlap that a box moved by the radius still has with the target.
RADIUS_OVERLAP = 0.7
# Exponents of the focal loss: higher forgives what is nearly right, and what is near the target.
FOCAL_ALPHA = 2
FOCAL_BETA = 4
# The smallest value whose logarithm is taken.
LEAST_SCORE = 1e-12


@dataclass(frozen=True)
class OSTrackTargets:
    """Labels of the positions for B targets."""

    # (B, 4) in units of the search crop, zero where there is no target
    boxes_cxcywh: Tensor
    # (B,) bool
    present: Tensor
    # (B, side, side), 1 at the cell of the centre
    heat_map: Tensor
    # bool, the positions on the target and the ring around them, where IoU is learned; all
    # positions where there is no target
    near_BN: Tensor


class OSTrackCriterion(nn.Module):
    """Losses of a batch with one target box per search crop.

    Weights multiply the losses in `total`: `focal` 1, `giou` 2, `l1` 5, `iou_pred` 1. IoU
    prediction is trained at the highest score, the one place whose box is trained, and with the
    same weight on the target and a `ring` of so many cells around it, where the box may be wrong.
    """

    def __init__(
        self,
        focal: float = 1.0,
        giou: float = 2.0,
        l1: float = 5.0,
        iou_pred: float = 1.0,
        ring: int = 2,
    ):
        super().__init__()
        self.weights = {
            "loss_ce": focal,
            "loss_giou": giou,
            "loss_bbox": l1,
            "loss_iou_pred": iou_pred,
        }
        self.ring = ring

    def forward(
        self, outputs: Mapping[str, Tensor], boxes_cxcywh_B4: Tensor, with_iou: bool = False
    ) -> dict[str, Tensor]:
        """Return the losses of a whole batch, see `losses`."""
        targets = self.targets(boxes_cxcywh_B4, outputs)
        counts = total_counts(self.counts(targets, with_iou))
        return self.losses(self.sums(outputs, targets, with_iou), counts)

    def targets(self, boxes_cxcywh_B4: Tensor, outputs: Mapping[str, Tensor]) -> OSTrackTargets:
        """Return what the positions of `outputs` should say; of the outputs only the number of
        positions is used. Boxes are in units of the search crop, all zero without a target.
        """
        side = outputs["score_map"].shape[-1]
        boxes = boxes_cxcywh_B4.float()
        present = (boxes != 0).any(1)
        heat_map = gaussian_heat_map(boxes, side) * present[:, None, None]
        inside, around = target_cells(boxes, side, self.ring)
        near = inside | around | ~present[:, None]
        return OSTrackTargets(boxes, present, heat_map, near)

    def counts(self, targets: OSTrackTargets, with_iou: bool) -> dict[str, Tensor]:
        """Return what the sums are divided by."""
        counts = {"peaks": (targets.heat_map == 1).sum(), "boxes": targets.present.sum()}
        if with_iou:
            counts["near"] = targets.near_BN.sum()
        return counts

    def sums(
        self, outputs: Mapping[str, Tensor], targets: OSTrackTargets, with_iou: bool
    ) -> dict[str, Tensor]:
        """Return the sum of each loss over what `counts` counts.

        The box is the one at the highest score, wherever that is.
        """
        prediction = decode(outputs)
        boxes_xyxy = cxcywh_to_xyxy(prediction.boxes_cxcywh_BN4)
        wanted_xyxy = cxcywh_to_xyxy(targets.boxes_cxcywh).clamp(0, 1)
        best = prediction.scores_BN.argmax(1)
        rows = torch.arange(len(best), device=best.device)
        chosen_xyxy = boxes_xyxy[rows, best]
        iou, giou = paired_iou_giou(chosen_xyxy, wanted_xyxy)
        sums = {
            "focal": _focal_sum(outputs["score_map"][:, 0].float(), targets.heat_map),
            "giou_error": masked_sum(1 - giou, targets.present),
            # The mean over the four corners, as the published weight takes it.
            "l1": masked_sum((chosen_xyxy - wanted_xyxy).abs().mean(1), targets.present),
            "iou": masked_sum(iou.detach(), targets.present),
        }
        if with_iou:
            if prediction.ious_BN is None:
                raise BadValue(
                    "the network predicts no IoU, which SPOT's filter needs; build it with "
                    "iou_head=True"
                )
            with torch.no_grad():
                ious, _ = paired_iou_giou(boxes_xyxy, wanted_xyxy[:, None])
            iou_error = (prediction.ious_BN - ious).abs()
            sums["iou_error_best"] = masked_sum(iou_error[rows, best], targets.present)
            sums["iou_error_near"] = masked_sum(iou_error, targets.near_BN)
        return sums

    def losses(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Divide: `loss_ce` (of the heat map), `loss_giou`, `loss_bbox`, with the IoU's errors also
        `loss_iou_pred`; their weighted sum `total`; and without gradient `iou`.

        `counts` are those of the whole batch in all processes, `sums` those of a process, or of a
        part of its batch. The sum over parts of the losses is the loss of the whole.
        """
        losses = {
            "loss_ce": mean_of(sums["focal"], counts["peaks"]),
            "loss_giou": mean_of(sums["giou_error"], counts["boxes"]),
            "loss_bbox": mean_of(sums["l1"], counts["boxes"]),
            "iou": mean_of(sums["iou"], counts["boxes"]),
        }
        if "iou_error_best" in sums:
            losses["loss_iou_pred"] = mean_of(sums["iou_error_best"], counts["boxes"]) + mean_of(
                sums["iou_error_near"], counts["near"]
            )
        losses["total"] = weighted_total(losses, self.weights)
        return losses


def gaussian_heat_map(boxes_cxcywh_B4: Tensor, side: int) -> Tensor:
    """Return maps (B, side, side) that are 1 at the cell next to each box's centre and fall off
    around it, cut at a radius that grows with the box. Without a cell for the centre nothing is 1.
    """
    centers = (boxes_cxcywh_B4[:, :2] * side).round()
    radius = gaussian_radius(boxes_cxcywh_B4[:, 2:] * side).clamp(min=0).trunc()
    cells = torch.arange(side, device=centers.device)
    distance_x = (cells - centers[:, :1])[:, None, :]
    distance_y = (cells - centers[:, 1:])[:, :, None]
    reach = radius[:, None, None]
    sigma = (2 * reach + 1) / 6
    heat = torch.exp(-(distance_x.square() + distance_y.square()) / (2 * sigma.square()))
    return torch.where((distance_x.abs() <= reach) & (distance_y.abs() <= reach), heat, 0)


def gaussian_radius(sizes_B2: Tensor) -> Tensor:
    """Return how far (B,) the corners of boxes of these sizes may move, in their unit, so that the
    overlap stays above `RADIUS_OVERLAP`, as CornerNet's code solves it: its quadratic equations
    without the division by twice the first coefficient, which published heat maps rest on.
    """
    total = sizes_B2.sum(1)
    area = sizes_B2.prod(1)
    overlap = RADIUS_OVERLAP

    def root(a: float, b: Tensor, c: Tensor) -> Tensor:
        return (b + (b.square() - 4 * a * c).sqrt()) / 2

    return torch.stack(
        (
            root(1, total, area * (1 - overlap) / (1 + overlap)),
            root(4, 2 * total, area * (1 - overlap)),
            root(4 * overlap, -2 * overlap * total, area * (overlap - 1)),
        )
    ).amin(0)


def _focal_sum(scores: Tensor, heat_map: Tensor) -> Tensor:
    """Return the sum of CornerNet's focal loss over all positions."""
    is_peak = heat_map == 1
    at_peak = -scores.clamp(min=LEAST_SCORE).log() * (1 - scores) ** FOCAL_ALPHA
    elsewhere = -(1 - scores).clamp(min=LEAST_SCORE).log() * scores**FOCAL_ALPHA
    return torch.where(is_peak, at_peak, elsewhere * (1 - heat_map) ** FOCAL_BETA).sum()
