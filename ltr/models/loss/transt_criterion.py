"""TransT's training losses, and SPOT's: classification of positions, box regression, predicted IoU.

`TransTCriterion` takes boxes as one tensor and never loops over the batch nor waits for the GPU;
`SetCriterion` is the same under TransT's interface (lists of targets, an exchangeable matcher).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.geometry.tensor_boxes import cxcywh_to_xyxy, paired_iou_giou
from ltr.models.loss.matcher import (
    TrackingMatcher,
    build_matcher,
    grid_side,
    on_lattice,
    target_cells,
)
from ltr.models.loss.means import masked_sum, mean_of, total_counts, weighted_total
from ltr.parallel.device import settings_device


@dataclass(frozen=True)
class TransTTargets:
    """Labels of N positions for B targets."""

    boxes_cxcywh: Tensor  # (B, 4) in units of the search crop, zero where there is no target
    inside_BN: Tensor  # bool, the positions on the target
    around_BN: Tensor  # bool, the ring around them, where the IoU is predicted as well
    class_weights_BN: Tensor  # weight of the position's class in the cross-entropy

    @property
    def classes_BN(self) -> Tensor:
        """Return 0 for the target and 1 for the background."""
        return (~self.inside_BN).long()


class TransTCriterion(nn.Module):
    """Losses of a batch with one target box per search crop, as SPOT trains TransT.

    `targets` says which positions count, `counts` how many there are, `sums` adds up the losses
    there, and `losses` divides. `forward` is all of it for a batch in one part.

    Weights multiply the losses in `total`: `ce` 8.334, `l1` 5, `giou` 2, `iou_pred` 1. `background`
    is the class weight of positions off the target: higher gives fewer false alarms and weaker
    targets. `ring` is the width in cells of the surroundings on which IoU prediction is trained
    besides the target itself. `reference_edges`: see `target_cells`. `positions` gives, for so many
    columns, the first and the distance to the next in crop units, where these are not 0 and 1 /
    columns.
    """

    def __init__(
        self,
        ce: float = 8.334,
        l1: float = 5.0,
        giou: float = 2.0,
        iou_pred: float = 1.0,
        background: float = 0.0625,
        ring: int = 3,
        reference_edges: bool = False,
        positions: Callable[[int], tuple[float, float]] | None = None,
    ):
        super().__init__()
        self.positions = positions
        self.weights = {
            "loss_ce": ce,
            "loss_bbox": l1,
            "loss_giou": giou,
            "loss_iou_pred": iou_pred,
        }
        self.ring = ring
        self.reference_edges = reference_edges
        self.class_weights: Tensor
        self.register_buffer("class_weights", torch.tensor([1.0, background]), persistent=False)

    def forward(
        self, outputs: Mapping[str, Tensor], target_boxes_cxcywh_B4: Tensor, with_iou: bool
    ) -> dict[str, Tensor]:
        """Return the losses of a whole batch, see `losses`.

        `outputs` is what `TransT.forward` returns. Boxes are in units of the search crop, and all
        zero where there is no target: then every position is background, of IoU 0. `with_iou` is
        for labelled pairs: a pseudo-label says nothing about the true IoU.
        """
        targets = self.targets(target_boxes_cxcywh_B4, outputs)
        counts = total_counts(self.counts(targets, with_iou))
        return self.losses(self.sums(outputs, targets, with_iou), counts)

    def targets(self, boxes_cxcywh_B4: Tensor, outputs: Mapping[str, Tensor]) -> TransTTargets:
        """Return which positions of `outputs` stand for the targets; of the outputs only the number
        of positions is used.
        """
        side = grid_side(outputs["pred_logits"].shape[1])
        boxes = boxes_cxcywh_B4
        if self.positions is not None:
            boxes = on_lattice(boxes, side, *self.positions(side))
        inside, around = target_cells(boxes, side, self.ring, self.reference_edges)
        absent = (boxes_cxcywh_B4 == 0).all(1, keepdim=True)
        inside = inside & ~absent
        around = around | absent
        target_weight, background_weight = self.class_weights.unbind()
        class_weights = torch.where(inside, target_weight, background_weight)
        return TransTTargets(boxes_cxcywh_B4, inside, around, class_weights)

    def counts(self, targets: TransTTargets, with_iou: bool) -> dict[str, Tensor]:
        """Return what the sums are divided by."""
        counts = {
            "class_weights": targets.class_weights_BN.sum(),
            "inside": targets.inside_BN.sum(),
        }
        if with_iou:
            counts["around"] = targets.around_BN.sum()
        return counts

    def sums(
        self, outputs: Mapping[str, Tensor], targets: TransTTargets, with_iou: bool
    ) -> dict[str, Tensor]:
        """Return the sum of each loss over the positions that `counts` counts."""
        logits = outputs["pred_logits"].float()
        errors, ious = _box_errors(outputs["pred_boxes"], targets.boxes_cxcywh[:, None])
        sums = {
            "ce": _cross_entropy_sum(logits, targets.classes_BN, self.class_weights),
            "correct": ((logits.argmax(-1) == targets.classes_BN) & targets.inside_BN).sum(),
            **{name: masked_sum(error, targets.inside_BN) for name, error in errors.items()},
        }
        if with_iou:
            if "pred_ious" not in outputs:
                raise BadValue(
                    "the network predicts no IoU, which SPOT's filter needs; build it with "
                    "iou_head=True"
                )
            iou_error = (outputs["pred_ious"].float().squeeze(-1) - ious).abs()
            sums["iou_error_inside"] = masked_sum(iou_error, targets.inside_BN)
            sums["iou_error_around"] = masked_sum(iou_error, targets.around_BN)
        return sums

    def losses(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Divide: `loss_ce`, `loss_bbox`, `loss_giou`, with the IoU's errors also `loss_iou_pred`;
        their weighted sum `total`; and without gradient `iou` and `class_error` in percent.

        `counts` are those of the whole batch in all processes, `sums` those of a process, or of a
        part of its batch. The sum over parts of the losses is the loss of the whole.
        """
        inside = counts["inside"]
        losses = {
            "loss_ce": mean_of(sums["ce"], counts["class_weights"], least=0),
            "class_error": 100 - 100 * mean_of(sums["correct"], inside),
            "loss_bbox": mean_of(sums["l1"], inside),
            "loss_giou": mean_of(sums["giou_error"], inside),
            "iou": mean_of(sums["iou"], inside),
        }
        if "iou_error_inside" in sums:
            losses["loss_iou_pred"] = mean_of(sums["iou_error_inside"], inside) + mean_of(
                sums["iou_error_around"], counts["around"]
            )
        losses["total"] = weighted_total(losses, self.weights)
        return losses


def _cross_entropy_sum(logits_BNC: Tensor, classes_BN: Tensor, class_weights_C: Tensor) -> Tensor:
    return F.cross_entropy(
        logits_BNC.flatten(0, 1), classes_BN.flatten(), class_weights_C, reduction="sum"
    )


def _box_errors(
    boxes_cxcywh_BN4: Tensor, targets_cxcywh: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Return `l1`, `giou_error` (1 - GIoU) and `iou` of every position (B, N), and the IoU again.

    The IoUs have no gradient. Targets are (B, N, 4) or (B, 1, 4), all boxes in crop units.
    """
    boxes = boxes_cxcywh_BN4.float()
    targets = targets_cxcywh.float()
    iou, giou = paired_iou_giou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
    errors = {"l1": (boxes - targets).abs().sum(-1), "giou_error": 1 - giou, "iou": iou.detach()}
    return errors, iou.detach()


class SetCriterion(nn.Module):
    """TransT's criterion. `losses` names what to compute: 'labels', 'boxes'; `weight_dict` is for
    the caller's sum.

    Class `num_classes` is background, with class weight `eos_coef`.
    """

    known_losses = ("labels", "boxes")

    def __init__(
        self,
        num_classes: int,
        matcher: nn.Module,
        weight_dict: dict[str, float],
        eos_coef: float,
        losses: Sequence[str],
    ):
        super().__init__()
        for name in losses:
            if name not in self.known_losses:
                raise BadValue(
                    f"SetCriterion has no loss '{name}'{suggestion(name, self.known_losses)}; "
                    f"choose among {', '.join(self.known_losses)}"
                )
        self.num_classes = num_classes
        self.matcher = matcher
        self.weight_dict = weight_dict
        self.eos_coef = eos_coef
        self.losses = losses
        self.empty_weight: Tensor
        self.register_buffer(
            "empty_weight", torch.tensor([1.0] * num_classes + [eos_coef]), persistent=False
        )

    def forward(
        self, outputs: dict[str, Tensor], targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """`loss_ce`, `class_error` ('labels'), `loss_bbox`, `loss_giou`, `iou` ('boxes').

        `targets[i]` holds `boxes` (T, 4) cxcywh in crop units and `labels` (T,), 0 for the target.
        """
        logits, boxes = outputs["pred_logits"], outputs["pred_boxes"]
        if isinstance(self.matcher, TrackingMatcher):
            matched, classes, wanted = self._assigned_by_masks(outputs, targets)
        else:
            matched, classes, wanted = self._assigned_by_indices(outputs, targets)
        counts = total_counts(
            {"class_weights": self.empty_weight[classes].sum(), "matched": matched.sum()}
        )
        losses: dict[str, Tensor] = {}
        if "labels" in self.losses:
            correct = ((logits.float().argmax(-1) == classes) & matched).sum()
            ce = _cross_entropy_sum(logits.float(), classes, self.empty_weight)
            losses["loss_ce"] = mean_of(ce, counts["class_weights"], least=0)
            losses["class_error"] = 100 - 100 * mean_of(correct, counts["matched"])
        if "boxes" in self.losses:
            errors, _ = _box_errors(boxes, wanted)
            for name, error in zip(("loss_bbox", "loss_giou", "iou"), errors.values(), strict=True):
                losses[name] = mean_of(masked_sum(error, matched), counts["matched"])
        return losses

    def _assigned_by_masks(
        self, outputs: dict[str, Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return matched positions (B, N), their classes and their boxes (B, N, 4).

        Our own matcher gives one target for an image. Nothing here makes the host wait.
        """
        matcher = cast(TrackingMatcher, self.matcher)
        matched = matcher.masks(outputs, targets)
        labels = torch.stack([target["labels"][0] for target in targets]).to(matched.device)
        boxes = torch.stack([target["boxes"][0] for target in targets]).to(matched.device)
        classes = torch.where(matched, labels[:, None], self.num_classes)
        return matched, classes, torch.where(matched[..., None], boxes[:, None].float(), 0)

    def _assigned_by_indices(
        self, outputs: dict[str, Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the same from the index lists of a matcher that somebody else wrote."""
        logits, boxes = outputs["pred_logits"], outputs["pred_boxes"]
        matched = torch.zeros(logits.shape[:2], dtype=torch.bool, device=logits.device)
        classes = torch.full(
            logits.shape[:2], self.num_classes, dtype=torch.long, device=logits.device
        )
        wanted = torch.zeros(boxes.shape, dtype=torch.float32, device=boxes.device)
        for image, (cells, target_index) in enumerate(self.matcher(outputs, targets)):
            matched[image, cells] = True
            classes[image, cells] = targets[image]["labels"].to(classes)[target_index]
            wanted[image, cells] = targets[image]["boxes"].to(wanted)[target_index]
        return matched, classes, wanted


def transt_loss(settings) -> SetCriterion:
    """TransT's criterion with its published weights, on `settings.device`."""
    weights = {"loss_ce": 8.334, "loss_bbox": 5, "loss_giou": 2}
    criterion = SetCriterion(
        1, build_matcher(), weights, eos_coef=0.0625, losses=["labels", "boxes"]
    )
    return criterion.to(settings_device(settings))
