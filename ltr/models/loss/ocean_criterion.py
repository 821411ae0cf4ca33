"""Ocean's training losses, and SPOT's: where the target is, its box, whether that box fits, and how
well it is known to.

Labels and losses are computed for the whole batch at once, without a loop and without waiting for
the GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import ocean_smooth_iou
from ltr.models.loss.means import masked_sum, mean_of, total_counts, weighted_total
from ltr.models.tracking.ocean import STRIDE, grid


@dataclass(frozen=True)
class OceanLabels:
    """Labels of the m x m positions for B targets."""

    positive: Tensor  # (B, m, m) bool, near the target's centre
    inside: Tensor  # (B, m, m) bool, strictly inside the box: where it is regressed
    around: Tensor  # (B, m, m) bool, inside the grown box: where the IoU is predicted
    ltrb: Tensor  # (B, 4, m, m) px from the position to the box's left, top, right and bottom side


def ocean_labels(
    boxes_xywh_B4: Tensor,
    cells: int,
    crop_size: int,
    radius: int = 2,
    growth: float = 0.2,
    reference: bool = False,
) -> OceanLabels:
    """Labels of boxes in crop pixels.

    A position is positive up to `radius` cells (rows plus columns) from the target's own cell, and
    the IoU is predicted in the box grown by `growth` of its size on each side. `reference` takes
    the target's cell as the release does: half a pixel off, and rounded towards the crop's centre.
    """
    boxes = boxes_xywh_B4.float()[:, :, None, None]
    low, size = boxes[:, :2], boxes[:, 2:]
    line = grid(cells, crop_size, boxes)
    positions = torch.stack(torch.meshgrid(line, line, indexing="xy"))  # (2, m, m): x, y
    before, after = positions - low, low + size - positions  # (B, 2, m, m)
    centre = low + size / 2
    if reference:
        own_cell = ((centre - crop_size / 2) / STRIDE).trunc() + (cells - 1) // 2
    else:
        own_cell = ((centre - line[0]) / STRIDE).round()
    index = torch.arange(cells, device=boxes.device)
    distance = (torch.stack(torch.meshgrid(index, index, indexing="xy")) - own_cell).abs().sum(1)
    margin = growth * size
    return OceanLabels(
        distance <= radius,
        ((before > 0) & (after > 0)).all(1),
        ((before > -margin) & (after > -margin)).all(1),
        torch.cat([before, after], 1),
    )


class OceanCriterion(nn.Module):
    """Losses of a batch with one target box per search crop of `crop_size` px, as SPOT trains
    Ocean.

    `loss_ce`: positives and negatives count half each, however few they are. `loss_bbox`: -log of
    the IoU inside the box. `loss_align`: the align head learns the IoU of the box at each position,
    and the boxes learn to be judged right. `loss_iou_pred`: L1 between predicted and real IoU in
    the grown box, weight `iou_pred`.

    `reference` brings back the release's labels and the losses that follow: no classification loss
    without a positive, none of positives for a single one, IoU 0 expected around the box, and NaN
    for a target that no position is inside of.
    """

    def __init__(
        self,
        crop_size: int = 255,
        iou_pred: float = 0.5,
        radius: int = 2,
        growth: float = 0.2,
        reference: bool = False,
    ):
        super().__init__()
        self.weights = {
            "loss_ce": 1.0,
            "loss_bbox": 1.0,
            "loss_align": 1.0,
            "loss_iou_pred": iou_pred,
        }
        self.crop_size, self.radius, self.growth, self.reference = (
            crop_size,
            radius,
            growth,
            reference,
        )

    def forward(
        self, outputs: Mapping[str, Tensor], boxes_cxcywh_B4: Tensor, with_iou: bool
    ) -> dict[str, Tensor]:
        """Return the losses of a whole batch, see `losses`.

        `outputs` is what `Ocean.forward` returns; boxes are in units of the search crop. `with_iou`
        is for labelled pairs: a pseudo-label says nothing about the true IoU.
        """
        targets = self.targets(boxes_cxcywh_B4, outputs)
        counts = total_counts(self.counts(targets, with_iou))
        return self.losses(self.sums(outputs, targets, with_iou), counts)

    def targets(self, boxes_cxcywh_B4: Tensor, outputs: Mapping[str, Tensor]) -> OceanLabels:
        """Return what each position of `outputs` should say; of the outputs only the number of
        positions is used.
        """
        centre, size = (boxes_cxcywh_B4.float() * self.crop_size).split(2, 1)
        return ocean_labels(
            torch.cat([centre - size / 2, size], 1),
            outputs["pred_logits"].shape[-1],
            self.crop_size,
            self.radius,
            self.growth,
            self.reference,
        )

    def counts(self, targets: OceanLabels, with_iou: bool) -> dict[str, Tensor]:
        """Return what the sums are divided by."""
        counts = {
            "positive": targets.positive.sum(),
            "negative": (~targets.positive).sum(),
            "inside": targets.inside.sum(),
            "all": torch.ones_like(targets.inside).sum(),
        }
        if with_iou:
            counts["around"] = targets.around.sum()
        return counts

    def sums(
        self, outputs: Mapping[str, Tensor], targets: OceanLabels, with_iou: bool
    ) -> dict[str, Tensor]:
        """Return the sum of each loss over the positions that `counts` counts."""
        logits = outputs["pred_logits"].float()[:, 0]
        align = outputs["align_logits"].float()[:, 0]
        iou = ocean_smooth_iou(outputs["pred_boxes"].float(), targets.ltrb)
        fit = torch.where(targets.inside, iou, 0)
        ce = F.binary_cross_entropy_with_logits(logits, targets.positive.float(), reduction="none")
        align_error = F.binary_cross_entropy_with_logits(align, fit, reduction="none")
        sums = {
            "ce_positive": masked_sum(ce, targets.positive),
            "ce_negative": masked_sum(ce, ~targets.positive),
            "minus_log_iou": masked_sum(-iou.log(), targets.inside),
            "align": align_error.sum(),
            "iou": masked_sum(iou, targets.inside).detach(),
        }
        if with_iou:
            if "pred_ious" not in outputs:
                raise BadValue(
                    "the network predicts no IoU, which SPOT's filter needs; build it with "
                    "iou_head=True"
                )
            predicted = outputs["pred_ious"].float()[:, 0]
            sums["iou_error"] = self._iou_error_sum(predicted, iou.detach(), targets)
        return sums

    def losses(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Divide: the losses above, their weighted sum `total`, and without gradient `iou`, the
        mean inside the boxes.

        `counts` are those of the whole batch in all processes, `sums` those of a process, or of a
        part of its batch. The sum over parts of the losses is the loss of the whole.
        """
        losses = {
            "loss_ce": self._classification(sums, counts),
            "loss_bbox": mean_of(sums["minus_log_iou"], counts["inside"]),
            "loss_align": mean_of(sums["align"], counts["all"]),
            "iou": mean_of(sums["iou"], counts["inside"]),
        }
        if "iou_error" in sums:
            # The release divides by the number of positions even where there is none.
            least = 0 if self.reference else 1
            losses["loss_iou_pred"] = mean_of(sums["iou_error"], counts["around"], least)
        losses["total"] = weighted_total(losses, self.weights)
        return losses

    def _classification(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> Tensor:
        of_positives = mean_of(sums["ce_positive"], counts["positive"])
        of_negatives = mean_of(sums["ce_negative"], counts["negative"])
        if self.reference:
            count = counts["positive"]
            return (0.5 * of_positives * (count > 1) + 0.5 * of_negatives) * (count > 0)
        return 0.5 * of_positives + 0.5 * of_negatives

    def _iou_error_sum(self, predicted: Tensor, iou: Tensor, targets: OceanLabels) -> Tensor:
        if self.reference:
            error = (predicted - torch.where(targets.inside, iou, 0)).abs()
            return (error * targets.around).sum()
        return masked_sum((predicted - iou).abs(), targets.around)
