"""TransT's training losses, and SPOT's: classification of positions, box regression, predicted IoU.

`TransTCriterion` takes boxes as one tensor and never loops over the batch nor waits for the GPU;
`SetCriterion` is the same under TransT's interface (lists of targets, an exchangeable matcher).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue, suggestion
from ltr.geometry.tensor_boxes import cxcywh_to_xyxy, paired_iou_giou
from ltr.models.loss.matcher import build_matcher, grid_side, on_lattice, target_cells
from ltr.parallel.distributed import get_world_size, mean_count, total


def classification_losses(
    logits_BNC: Tensor, classes_BN: Tensor, class_weights_C: Tensor, matched_BN: Tensor
) -> dict[str, Tensor]:
    """`loss_ce`: cross-entropy over all positions, divided by the sum of their class weights;
    `class_error`: percentage of matched positions with another class. In a run of several processes
    both divide as `mean_count` says.
    """
    logits = logits_BNC.float()
    errors = F.cross_entropy(
        logits.flatten(0, 1), classes_BN.flatten(), class_weights_C, reduction="sum"
    )
    weight = total(class_weights_C[classes_BN].sum()) / get_world_size()
    correct = (logits.argmax(-1) == classes_BN) & matched_BN
    return {
        "loss_ce": errors / weight,
        "class_error": 100 - 100 * correct.sum() / mean_count(matched_BN.sum()),
    }


def box_losses(
    boxes_cxcywh_BN4: Tensor, targets_cxcywh: Tensor, matched_BN: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """`loss_bbox` (L1 on cxcywh), `loss_giou` (1 - GIoU) and `iou`, each averaged over matched
    positions; and the IoU of every position (B, N), without gradient. Targets are (B, N, 4) or (B,
    1, 4) in crop units.
    """
    boxes, targets = boxes_cxcywh_BN4.float(), targets_cxcywh.float()
    iou, giou = paired_iou_giou(cxcywh_to_xyxy(boxes), cxcywh_to_xyxy(targets))
    l1 = (boxes - targets).abs().sum(-1)
    losses = {
        "loss_bbox": masked_mean(l1, matched_BN),
        "loss_giou": masked_mean(1 - giou, matched_BN),
        "iou": masked_mean(iou, matched_BN).detach(),
    }
    return losses, iou.detach()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is true, 0 where it never is. Dense: picking by a mask would
    wait for the GPU.

    In a run of several processes the mean of their results is the mean over the rows of all.
    """
    return torch.where(mask, values, 0).sum() / mean_count(mask.sum())


class TransTCriterion(nn.Module):
    """Losses of a batch with one target box per search crop, as SPOT trains TransT.

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
        self.register_buffer("class_weights", torch.tensor([1.0, background]), persistent=False)

    def forward(
        self, outputs: dict[str, Tensor], target_boxes_cxcywh_B4: Tensor, with_iou: bool
    ) -> dict[str, Tensor]:
        """`loss_ce`, `loss_bbox`, `loss_giou`, with `with_iou` also `loss_iou_pred`; their weighted
        sum `total`; and without gradient `iou` and `class_error`.

        `outputs` is what `TransT.forward` returns; boxes are in units of the search crop, and all
        zero where there is no target: then every position is background, of IoU 0. `with_iou` is
        for labelled pairs: a pseudo-label says nothing about the true IoU.
        """
        logits = outputs["pred_logits"]
        side = grid_side(logits.shape[1])
        boxes = target_boxes_cxcywh_B4
        if self.positions is not None:
            boxes = on_lattice(boxes, side, *self.positions(side))
        inside, around = target_cells(boxes, side, self.ring, self.reference_edges)
        absent = (target_boxes_cxcywh_B4 == 0).all(1, keepdim=True)
        inside, around = inside & ~absent, around | absent
        classes = (~inside).long()  # 0 = target, 1 = background
        losses = classification_losses(logits, classes, self.class_weights, inside)
        of_boxes, iou = box_losses(outputs["pred_boxes"], target_boxes_cxcywh_B4[:, None], inside)
        losses |= of_boxes
        if with_iou:
            if "pred_ious" not in outputs:
                raise BadValue(
                    "the network predicts no IoU, which SPOT's filter needs; build it with "
                    "iou_head=True"
                )
            error = (outputs["pred_ious"].float().squeeze(-1) - iou).abs()
            losses["loss_iou_pred"] = masked_mean(error, inside) + masked_mean(error, around)
        losses["total"] = sum(
            self.weights[name] * losses[name] for name in self.weights if name in losses
        )
        return losses


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
        matched = torch.zeros(logits.shape[:2], dtype=torch.bool, device=logits.device)
        classes = torch.full(
            logits.shape[:2], self.num_classes, dtype=torch.long, device=logits.device
        )
        wanted = torch.zeros(boxes.shape, dtype=torch.float32, device=boxes.device)
        for image, (cells, of_target) in enumerate(self.matcher(outputs, targets)):
            matched[image, cells] = True
            classes[image, cells] = targets[image]["labels"].to(classes)[of_target]
            wanted[image, cells] = targets[image]["boxes"].to(wanted)[of_target]
        losses = {}
        if "labels" in self.losses:
            losses |= classification_losses(logits, classes, self.empty_weight, matched)
        if "boxes" in self.losses:
            losses |= box_losses(boxes, wanted, matched)[0]
        return losses


def transt_loss(settings) -> SetCriterion:
    """TransT's criterion with its published weights, on `settings.device`."""
    weights = {"loss_ce": 8.334, "loss_bbox": 5, "loss_giou": 2}
    criterion = SetCriterion(
        1, build_matcher(), weights, eos_coef=0.0625, losses=["labels", "boxes"]
    )
    return criterion.to(usable_device(settings))


def usable_device(settings) -> torch.device:
    """`settings.device`, or the CPU where `settings` names none or a GPU that is not there."""
    device = torch.device(getattr(settings, "device", None) or "cpu")
    return (
        torch.device("cpu") if device.type == "cuda" and not torch.cuda.is_available() else device
    )
