"""Fully supervised training of TransT."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ltr.actors.base_actor import BaseActor


class TranstActor(BaseActor):
    """Loss of search crops against their boxes, given the templates. The objective is
    `transt_loss(settings)`.
    """

    def __call__(self, data: Mapping) -> tuple[Tensor, dict[str, float]]:
        """`data` holds `search_images` (B, 3, S, S), `template_images` (B, 3, T, T), `search_anno`
        (B, 4) xywh in crop pixels. The loss is the objective's losses summed with its weights.
        """
        outputs = self.net(data["search_images"], data["template_images"])
        losses = self.objective(outputs, _targets(data["search_images"], data["search_anno"]))
        weights = self.objective.weight_dict
        total = sum(losses[name] * weight for name, weight in weights.items() if name in losses)
        stats = {
            "Loss/total": total.item(),
            "Loss/ce": losses["loss_ce"].item(),
            "Loss/bbox": losses["loss_bbox"].item(),
            "Loss/giou": losses["loss_giou"].item(),
            "iou": losses["iou"].item(),
        }
        return total, stats


def _targets(images: Tensor, boxes_xywh: Tensor) -> list[dict[str, Tensor]]:
    """One target of class 0 per image, its box cxcywh in units of the image."""
    height, width = images.shape[-2:]
    size = boxes_xywh.new_tensor([width, height])
    boxes = torch.cat(
        [(boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2) / size, boxes_xywh[:, 2:] / size], 1
    )
    return [
        {"boxes": box[None], "labels": torch.zeros(1, dtype=torch.long, device=boxes.device)}
        for box in boxes
    ]
