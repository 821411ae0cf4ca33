"""Fully supervised training of OSTrack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from torch import Tensor

from ltr.actors.base_actor import BaseActor
from ltr.admin.multigpu import unwrapped
from ltr.geometry.tensor_boxes import xywh_to_cxcywh
from ltr.models.backbone.one_stream_vit import OneStreamViT
from ltr.models.loss.ostrack_criterion import OSTrackCriterion
from ltr.parallel.precision import autocast, in_fp32
from ltr.parallel.upload import read_numbers

__all__ = ["OSTrackActor", "keep_rate"]


class OSTrackActor(BaseActor):
    """Loss of search crops against their boxes, given the templates. The objective is an
    `OSTrackCriterion`.
    """

    def __call__(self, data: Mapping) -> tuple[Tensor, dict[str, float]]:
        """Return the loss and its parts. `data` holds `search_images` (B, 3, S, S),
        `template_images` (B, 3, T, T), `search_anno` (B, 4) xywh in crop pixels, and the epoch.

        With `precision` bf16 in the batch's `settings` the network computes in bf16, losses in
        fp32. Where the settings have `elimination_start` and `elimination_end`, tokens are
        eliminated at a rate that follows `keep_rate`.
        """
        settings = data.get("settings")
        self._set_keep_rate(settings, data.get("epoch"))
        searches = data["search_images"]
        precision = getattr(settings, "precision", None)
        if precision == "bf16":
            with autocast(searches.device, precision):
                outputs = in_fp32(self.net(searches, data["template_images"]))
        else:
            outputs = self.net(searches, data["template_images"])
        boxes = xywh_to_cxcywh(data["search_anno"] / searches.shape[-1])
        losses = cast(OSTrackCriterion, self.objective)(outputs, boxes)
        stats = {
            "Loss/total": losses["total"],
            "Loss/giou": losses["loss_giou"],
            "Loss/l1": losses["loss_bbox"],
            "Loss/location": losses["loss_ce"],
            "IoU": losses["iou"],
        }
        numbers = read_numbers({name: value.detach() for name, value in stats.items()})
        return losses["total"], numbers

    def _set_keep_rate(self, settings, epoch: int | None) -> None:
        start = getattr(settings, "elimination_start", None)
        if start is None or epoch is None:
            return
        backbone = cast(OneStreamViT, unwrapped(self.net).backbone)
        final = min(backbone.elimination.values())
        backbone.keep_rate = keep_rate(epoch, start, settings.elimination_end, final)


def keep_rate(epoch: int, start: int, end: int, final: float) -> float:
    """Return the share of search tokens that each elimination keeps in `epoch` (from 1): all up to
    `start`, `final` from `end` on, and a half cosine between.
    """
    if epoch < start:
        return 1.0
    if epoch >= end:
        return final
    progress = (epoch - start) / (end - start)
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2
