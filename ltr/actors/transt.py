"""Fully supervised training of TransT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from ltr.actors.base_actor import BaseActor
from ltr.models.loss.means import weighted_total
from ltr.models.loss.transt_criterion import SetCriterion
from ltr.parallel.precision import autocast, in_fp32
from ltr.parallel.upload import device_constant, read_numbers


class TranstActor(BaseActor):
    """Loss of search crops against their boxes, given the templates. The objective is
    `transt_loss(settings)`.
    """

    def __call__(self, data: Mapping) -> tuple[Tensor, dict[str, float]]:
        """`data` holds `search_images` (B, 3, S, S), `template_images` (B, 3, T, T), `search_anno`
        (B, 4) xywh in crop pixels. The loss is the objective's losses summed with its weights.

        With `precision` bf16 in the batch's `settings` the network computes in bf16, losses in
        fp32.
        """
        search_images = data["search_images"]
        precision = getattr(data.get("settings"), "precision", None)
        if precision == "bf16":
            with autocast(search_images.device, precision):
                outputs = in_fp32(self.net(search_images, data["template_images"]))
        else:
            outputs = self.net(search_images, data["template_images"])
        losses = self.objective(outputs, _targets(search_images, data["search_anno"]))
        weights = cast(SetCriterion, self.objective).weight_dict
        total = weighted_total(losses, weights)
        stats = {
            "Loss/total": total,
            "Loss/ce": losses["loss_ce"],
            "Loss/bbox": losses["loss_bbox"],
            "Loss/giou": losses["loss_giou"],
            "iou": losses["iou"],
        }
        return total, read_numbers({name: value.detach() for name, value in stats.items()})


def _targets(images: Tensor, boxes_xywh: Tensor) -> list[dict[str, Tensor]]:
    """Return one target of class 0 per image, its box cxcywh in units of the image."""
    height, width = images.shape[-2:]
    size = device_constant((width, height), boxes_xywh.dtype, boxes_xywh.device)
    boxes = torch.cat(
        [(boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2) / size, boxes_xywh[:, 2:] / size], 1
    )
    return [
        {"boxes": box[None], "labels": torch.zeros(1, dtype=torch.long, device=boxes.device)}
        for box in boxes
    ]
