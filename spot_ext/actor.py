"""One iteration of SPOT for any network: the teacher labels, the student learns.

The teacher tracks from the key frame into an unlabelled one; the student must find the same box from the relay frame
in a harder crop: the transitive consistency. Source: SPOT, sections on consistency and on the overall loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltr.actors.base_actor import BaseActor
from spot_ext import augment
from spot_ext.architectures import Architecture
from spot_ext.config import SparseConfig
from spot_ext.data.samples import PairBatch, SparseBatch, TripletBatch
from spot_ext.teacher import Teacher, accept, refill


@dataclass(frozen=True)
class PseudoLabels:
    """What the teacher says about B unlabelled frames; a frame that turned out to be labelled keeps its label."""

    boxes_xywh: Tensor  # (B, 4) float64 frame pixels, inside the frame
    confidences: Tensor  # (B,) predicted IoU, 1 for labels
    accepted: Tensor  # (B,) bool, labels included
    labelled: Tensor  # (B,) bool

    @property
    def found_share(self) -> float:
        """Share of the frames without a label for which the teacher's box was accepted; NaN without such frames."""
        return self.accepted[~self.labelled].double().mean().item()


@dataclass(frozen=True)
class StudentInput:
    """Network input and target of one kind of sample."""

    searches: Tensor  # (B, 3, S, S) normalised
    templates: Tensor  # (B, 3, T, T) normalised
    boxes_cxcywh: Tensor  # (B, 4) normalised by S; all zero where the template's target is not in the search crop


class SparseActor(BaseActor):
    """Computes pseudo-labels and the student's loss."""

    def __init__(self, net: nn.Module, teacher: Teacher, architecture: Architecture, config: SparseConfig):
        super().__init__(net, architecture.criterion)
        self.teacher, self.architecture, self.config = teacher, architecture, config

    def to(self, device: torch.device | str) -> None:
        self.net.to(device)
        self.teacher.net.to(device)

    def train(self, mode: bool = True) -> None:
        """Switches the student; the teacher's mode never changes."""
        self.net.train(mode)

    def pseudo_label(self, batch: TripletBatch, generator: torch.Generator) -> PseudoLabels:
        """Let the teacher find the key frames' targets in the unlabelled frames and filter by predicted IoU."""
        draws = augment.draw_pairs(len(batch), self.config.augment, generator)
        clamp = self.config.augment.reference_clamp
        found = self.teacher.find(augment.prepare(batch.keys, draws.template_factors),
                                  augment.prepare(batch.unlabelled, draws.search_factors), clamp)
        boxes = _clip(batch.unlabelled_windows.to_frame(found.boxes_xywh), batch.frame_sizes, clamp)
        labelled = ~batch.labels_xywh.isnan().any(1) & (not self.config.reference.review_guess)
        confidences = torch.where(labelled, torch.ones_like(found.ious), found.ious)
        boxes = torch.where(labelled[:, None], batch.labels_xywh, boxes)
        inside = (boxes[:, 2:] >= 1).all(1)  # a box clipped to nothing lies outside the frame
        accepted = (accept(found.ious, self.config.teacher.iou_threshold) & inside) | labelled
        return PseudoLabels(boxes, confidences, accepted, labelled)

    def __call__(self, batch: SparseBatch, pseudo: PseudoLabels | None,
                 generator: torch.Generator) -> tuple[Tensor | None, dict[str, float]]:
        """Loss of one iteration, see `combine`, and its parts.

        Without any accepted pseudo-label the labelled part is learned alone, at its usual weight; with
        `reference.drop_empty` there is no loss then and the iteration is to be skipped.
        """
        parts = [self._labelled(batch.labelled, generator)]
        if pseudo is not None and bool(pseudo.accepted.any()):
            parts.append(self._unlabelled(batch.unlabelled, pseudo, generator))
        elif pseudo is not None and self.config.reference.drop_empty:
            return None, {}
        count = len(parts[0].searches)
        outputs = self.architecture.predict(self.net, torch.cat([part.searches for part in parts]),
                                            torch.cat([part.templates for part in parts]), count)
        labelled = self.objective(self.architecture.rows(outputs, 0, count), parts[0].boxes_cxcywh, True)
        unlabelled = self.objective(self.architecture.rows(outputs, count, None), parts[1].boxes_cxcywh, False) \
            if len(parts) > 1 else None
        wanted = 0 if batch.unlabelled is None else len(batch.unlabelled)
        total = combine(labelled, unlabelled, count, len(parts[-1].searches) if len(parts) > 1 else 0, count + wanted)
        stats = {"Loss/total": total.item()}
        stats |= {f"Loss/{name.removeprefix('loss_')}": value.item() for name, value in labelled.items()
                  if name.startswith("loss_")}
        stats["iou_sup"] = labelled["iou"].item()
        if unlabelled is not None:
            stats |= {"Loss/sup": labelled["total"].item(), "Loss/unsup": unlabelled["total"].item(),
                      "iou_unsup": unlabelled["iou"].item()}
        return total, stats

    def _labelled(self, batch: PairBatch, generator: torch.Generator) -> StudentInput:
        draws = augment.draw_pairs(len(batch), self.config.augment, generator)
        size = batch.searches.shape[-1]
        boxes = _to_cxcywh(batch.boxes_xywh / size)
        templates = self._prepare(batch.templates, draws.template_factors, draws.grey)
        if self.config.absent_share > 0:
            absent = draw_absent(batch.paths, self.config.absent_share, generator)
            boxes = boxes.masked_fill(absent[:, None], 0)
            templates = torch.where(absent[:, None, None, None], templates.roll(1, 0), templates)
        return StudentInput(self._prepare(batch.searches, draws.search_factors, draws.grey), templates, boxes)

    def _unlabelled(self, batch: TripletBatch, pseudo: PseudoLabels, generator: torch.Generator) -> StudentInput:
        slots = refill(pseudo.accepted, self.config.teacher.max_repeats)
        draws = augment.draw_pairs(len(slots), self.config.augment, generator)
        turns = augment.draw_turns(len(slots), self.config.augment, generator)
        size = batch.augmented.shape[-1]
        searches = self._prepare(batch.augmented[slots], draws.search_factors, draws.grey)
        fills = self._prepare(batch.augmented_fills[slots], draws.search_factors, draws.grey)
        boxes = batch.augmented_windows.to_crop(pseudo.boxes_xywh)  # windows of all slots, then the chosen rows
        boxes = augment.turn_boxes(boxes[slots], turns, size, self.config.augment.reference_clamp)
        return StudentInput(augment.turn(searches, fills, turns),
                            self._prepare(batch.relays[slots], draws.template_factors, draws.grey),
                            _to_cxcywh(boxes.float() / size))

    def _prepare(self, images: Tensor, factors: Tensor, grey: Tensor) -> Tensor:
        return augment.prepare(images, factors, grey, self.config.augment.reference_grey)


def _to_cxcywh(boxes_xywh: Tensor) -> Tensor:
    return torch.cat([boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2, boxes_xywh[:, 2:]], 1)


def _clip(boxes_xywh: Tensor, sizes: Tensor, reference_clamp: bool) -> Tensor:
    """Cut frame boxes at the frame's borders; zero size where nothing is left. See `AugmentConfig.reference_clamp`."""
    if reference_clamp:
        return torch.cat([boxes_xywh[:, :2].clamp_min(0), boxes_xywh[:, 2:]], 1)
    low = boxes_xywh[:, :2].clamp_min(0).minimum(sizes)
    high = (boxes_xywh[:, :2] + boxes_xywh[:, 2:]).clamp_min(0).minimum(sizes)
    return torch.cat([low, high - low], 1)


def draw_absent(paths_B: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Which pairs (B,) bool are to get the template of the pair before; never one of the same path.

    Source: distractor pairs of DaSiamRPN (ECCV 2018), here to teach the predicted IoU that nothing may be there.
    """
    drawn = (torch.rand(len(paths_B), generator=generator) < share).to(paths_B.device)
    return drawn & (paths_B != paths_B.roll(1, 0))


def combine(labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, n_labelled: int,
            n_unlabelled: int, n_total: int) -> Tensor:
    """`(n_l * L_l + n_u * L_u) / n` of the parts' `total`s; n is the full batch (SPOT, overall objective).

    `unlabelled=None` means that no pseudo-label was accepted: its term is 0. As n does not shrink with the number of
    accepted pseudo-labels, an iteration with few of them does not count its labels more than another.
    """
    total = n_labelled * labelled["total"]
    if unlabelled is not None:
        total = total + n_unlabelled * unlabelled["total"]
    return total / n_total
