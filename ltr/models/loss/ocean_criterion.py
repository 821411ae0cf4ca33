"""Ocean's training losses, and SPOT's: where the target is, its box, whether that box fits, and how
well it is known to.

Labels and losses are computed for the whole batch at once, without a loop and without waiting for
the GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import ocean_smooth_iou
from ltr.models.loss.transt_criterion import masked_mean
from ltr.models.tracking.ocean import STRIDE, grid
from ltr.parallel.distributed import get_world_size, total


@dataclass(frozen=True)
class OceanLabels:
    """What each of the m x m positions should say about B targets."""

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
        self, outputs: dict[str, Tensor], boxes_cxcywh_B4: Tensor, with_iou: bool
    ) -> dict[str, Tensor]:
        """The losses above, their weighted sum `total`, and without gradient `iou`, the mean inside
        the boxes.

        `outputs` is what `Ocean.forward` returns; boxes are in units of the search crop. `with_iou`
        is for labelled pairs: a pseudo-label says nothing about the true IoU.
        """
        logits, align = outputs["pred_logits"].float()[:, 0], outputs["align_logits"].float()[:, 0]
        centre, size = (boxes_cxcywh_B4.float() * self.crop_size).split(2, 1)
        labels = ocean_labels(
            torch.cat([centre - size / 2, size], 1),
            logits.shape[-1],
            self.crop_size,
            self.radius,
            self.growth,
            self.reference,
        )
        iou = ocean_smooth_iou(outputs["pred_boxes"].float(), labels.ltrb)
        fit = torch.where(labels.inside, iou, 0)
        losses = {
            "loss_ce": self._classification(logits, labels.positive),
            "loss_bbox": masked_mean(-iou.log(), labels.inside),
            "loss_align": masked_mean(
                F.binary_cross_entropy_with_logits(align, fit, reduction="none"),
                torch.ones_like(labels.inside),
            ),
            "iou": masked_mean(iou, labels.inside).detach(),
        }
        if with_iou:
            if "pred_ious" not in outputs:
                raise BadValue(
                    "the network predicts no IoU, which SPOT's filter needs; build it with "
                    "iou_head=True"
                )
            losses["loss_iou_pred"] = self._iou_prediction(
                outputs["pred_ious"].float()[:, 0], iou.detach(), labels
            )
        losses["total"] = sum(
            weight * losses[name] for name, weight in self.weights.items() if name in losses
        )
        return losses

    def _classification(self, logits: Tensor, positive: Tensor) -> Tensor:
        errors = F.binary_cross_entropy_with_logits(logits, positive.float(), reduction="none")
        of_positives, of_negatives = masked_mean(errors, positive), masked_mean(errors, ~positive)
        if self.reference:
            count = total(positive.sum())
            return (0.5 * of_positives * (count > 1) + 0.5 * of_negatives) * (count > 0)
        return 0.5 * of_positives + 0.5 * of_negatives

    def _iou_prediction(self, predicted: Tensor, iou: Tensor, labels: OceanLabels) -> Tensor:
        if self.reference:
            error = (predicted - torch.where(labels.inside, iou, 0)).abs()
            return (error * labels.around).sum() / (total(labels.around.sum()) / get_world_size())
        return masked_mean((predicted - iou).abs(), labels.around)
