"""One iteration of SPOT for any network: the teacher labels, the student learns.

The teacher tracks from the key frame into an unlabelled one; the student must find the same box
from the relay frame in a harder crop: the transitive consistency. Source: SPOT, sections on
consistency and on the overall loss.

Of several processes each computes its part of the batch. What they compute does not depend on their
number: random numbers are drawn for the whole batch in all of them, pseudo-labels are exchanged
before the student's batch is made from the accepted ones, and losses average over the whole batch
(`ltr.parallel.distributed`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltr.actors.base_actor import BaseActor
from ltr.admin.multigpu import no_gradient_sync
from ltr.geometry.tensor_boxes import clip_to_frame, spot_clip, xywh_to_cxcywh
from ltr.parallel import parts
from ltr.parallel.distributed import get_world_size, rank_slice, reduce_dict, roll_rows
from ltr.parallel.precision import autocast, in_fp32
from spot_ext.training import augmentation
from spot_ext.training.architectures import Architecture
from spot_ext.training.architectures.base import Outputs
from spot_ext.training.config import SparseConfig
from spot_ext.training.data.samples import PairBatch, SparseBatch, TripletBatch
from spot_ext.training.teacher import Teacher, accept, refill


@dataclass(frozen=True)
class PseudoLabels:
    """What the teacher says about B unlabelled frames; a frame that turned out to be labelled keeps
    its label.
    """

    boxes_xywh: Tensor  # (B, 4) float64 frame pixels, inside the frame
    confidences: Tensor  # (B,) predicted IoU, 1 for labels
    accepted: Tensor  # (B,) bool, labels included
    labelled: Tensor  # (B,) bool

    @property
    def found_share(self) -> float:
        """Share of the frames without a label for which the teacher's box was accepted; NaN without
        such frames.
        """
        return self.accepted[~self.labelled].double().mean().item()


@dataclass(frozen=True)
class StudentInput:
    """Network input and target of one kind of sample, B of `of` in all processes."""

    searches: Tensor  # (B, 3, S, S) normalised
    templates: Tensor  # (B, 3, T, T) normalised
    # (B, 4) normalised by S; all zero where the template's target is not in the search crop
    boxes_cxcywh: Tensor
    of: int

    def split(self, count: int) -> list[StudentInput]:
        """The same in `count` parts, some of them empty when there are fewer samples."""
        columns = (
            getattr(self, name).tensor_split(count)
            for name in ("searches", "templates", "boxes_cxcywh")
        )
        return [StudentInput(*rows, self.of) for rows in zip(*columns, strict=True)]


class SparseActor(BaseActor):
    """Computes pseudo-labels and the student's loss."""

    def __init__(
        self, net: nn.Module, teacher: Teacher, architecture: Architecture, config: SparseConfig
    ):
        super().__init__(net, architecture.criterion)
        # what is called to predict with `net`; of several processes, what exchanges gradients
        self.student = net
        self.teacher, self.architecture, self.config = teacher, architecture, config

    def to(self, device: torch.device | str) -> None:
        self.net.to(device)
        self.teacher.net.to(device)

    def train(self, mode: bool = True) -> None:
        """Switches the student; the teacher's mode never changes."""
        self.net.train(mode)

    def pseudo_label(self, batch: TripletBatch, generator: torch.Generator) -> PseudoLabels:
        """Let the teacher find the key frames' targets in this process's unlabelled frames and
        filter by predicted IoU.
        """
        draws = _own(
            augmentation.draw_pairs(len(batch) * get_world_size(), self.config.augment, generator)
        )
        clamp = self.config.augment.reference_clamp
        found = self.teacher.find(
            augmentation.prepare(batch.keys, draws.template_factors),
            augmentation.prepare(batch.unlabelled, draws.search_factors),
            clamp,
        )
        boxes = batch.unlabelled_windows.to_frame(found.boxes_xywh)
        # Nothing left of a box becomes size zero. See `AugmentConfig.reference_clamp`.
        boxes = spot_clip(boxes) if clamp else clip_to_frame(boxes, batch.frame_sizes)
        labelled = ~batch.labels_xywh.isnan().any(1) & (not self.config.reference.review_guess)
        confidences = torch.where(labelled, torch.ones_like(found.ious), found.ious)
        boxes = torch.where(labelled[:, None], batch.labels_xywh, boxes)
        inside = (boxes[:, 2:] >= 1).all(1)  # a box clipped to nothing lies outside the frame
        accepted = (accept(found.ious, self.config.teacher.iou_threshold) & inside) | labelled
        return PseudoLabels(boxes, confidences, accepted, labelled)

    def __call__(
        self,
        batch: SparseBatch,
        pseudo: PseudoLabels | None,
        generator: torch.Generator,
        learn: Callable[[Tensor], None] | None = None,
    ) -> tuple[Tensor | None, dict[str, float]]:
        """Loss of one iteration, see `combine`, and its parts as means over processes.

        `learn` is called with the loss, to back-propagate it; with `accumulate` with the loss of
        each part of the batch, whose sum is the loss.

        Of several processes each brings its own labelled pairs, and the triplets and pseudo-labels
        of all (`all_gather_batch`). Without any accepted pseudo-label the labelled part is learned
        alone, at its usual weight; with `reference.drop_empty` there is no loss then and the
        iteration is to be skipped.
        """
        inputs = [self._labelled(batch.labelled, generator)]
        if pseudo is not None and bool(pseudo.accepted.any()):
            inputs.append(self._unlabelled(batch.unlabelled, pseudo, generator))
        elif pseudo is not None and self.config.reference.drop_empty:
            return None, {}
        of = inputs[0].of + (0 if batch.unlabelled is None else len(batch.unlabelled))
        if learn is not None and self.config.accumulate > 1:
            total, stats = self._learn_in_parts(inputs, of, learn)
        else:
            total, stats = self._loss(self._predict(inputs), inputs, of)
            if learn is not None:
                learn(total)
        return total, {name: value.item() for name, value in reduce_dict(stats).items()}

    def _predict(self, inputs: Sequence[StudentInput]) -> list[Outputs]:
        """The student's outputs for the labelled and, if there are any, the unlabelled samples."""
        count = len(inputs[0].searches)
        searches, templates = (
            torch.cat([getattr(one, name) for one in inputs]) for name in ("searches", "templates")
        )
        with autocast(searches.device, self.config.precision):
            outputs = self.architecture.predict(self.student, searches, templates, count)
        outputs = in_fp32(outputs)
        return [
            self.architecture.rows(outputs, *ends)
            for ends in ((0, count), (count, None))[: len(inputs)]
        ]

    def _loss(
        self, outputs: Sequence[Outputs], inputs: Sequence[StudentInput], of: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        labelled = self.objective(outputs[0], inputs[0].boxes_cxcywh, True)
        unlabelled = (
            self.objective(outputs[1], inputs[1].boxes_cxcywh, False) if len(inputs) > 1 else None
        )
        total = combine(
            labelled, unlabelled, inputs[0].of, inputs[1].of if len(inputs) > 1 else 0, of
        )
        stats = {"Loss/total": total}
        stats |= {
            f"Loss/{name.removeprefix('loss_')}": value
            for name, value in labelled.items()
            if name.startswith("loss_")
        }
        stats["iou_sup"] = labelled["iou"]
        if unlabelled is not None:
            stats |= {
                "Loss/sup": labelled["total"],
                "Loss/unsup": unlabelled["total"],
                "iou_unsup": unlabelled["iou"],
            }
        return total, {name: value.detach() for name, value in stats.items()}

    def _learn_in_parts(
        self, inputs: Sequence[StudentInput], of: int, learn: Callable[[Tensor], None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Each part has its share of every kind of sample; see `ltr.parallel.parts`."""
        pieces = list(zip(*(one.split(self.config.accumulate) for one in inputs), strict=True))
        sums: dict[str, Tensor] = {}
        totals = None
        for number, piece in enumerate(pieces, 1):
            with (
                contextlib.nullcontext()
                if number == len(pieces)
                else no_gradient_sync(self.student)
            ):
                outputs = self._predict(piece)
                if totals is None:
                    with parts.noting() as totals:
                        self._loss(
                            [
                                parts.any_outputs(some, len(one.searches))
                                for some, one in zip(outputs, inputs, strict=True)
                            ],
                            inputs,
                            of,
                        )
                with parts.given(totals):
                    loss, stats = self._loss(outputs, piece, of)
                learn(loss)
            sums = {name: sums.get(name, 0) + value for name, value in stats.items()}
        return sums["Loss/total"], sums

    def _labelled(self, batch: PairBatch, generator: torch.Generator) -> StudentInput:
        draws = _own(
            augmentation.draw_pairs(len(batch) * get_world_size(), self.config.augment, generator)
        )
        size = batch.searches.shape[-1]
        boxes = xywh_to_cxcywh(batch.boxes_xywh / size)
        templates = self._prepare(batch.templates, draws.template_factors, draws.grey)
        if self.config.absent_share > 0:
            absent = draw_absent(batch.paths, self.config.absent_share, generator)
            boxes = boxes.masked_fill(absent[:, None], 0)
            templates = torch.where(absent[:, None, None, None], roll_rows(templates), templates)
        return StudentInput(
            self._prepare(batch.searches, draws.search_factors, draws.grey),
            templates,
            boxes,
            len(batch) * get_world_size(),
        )

    def _unlabelled(
        self, batch: TripletBatch, pseudo: PseudoLabels, generator: torch.Generator
    ) -> StudentInput:
        slots = refill(pseudo.accepted, self.config.teacher.max_repeats)
        draws = _own(augmentation.draw_pairs(len(slots), self.config.augment, generator))
        turns = _own(augmentation.draw_turns(len(slots), self.config.augment, generator))
        of, slots = (
            len(slots),
            slots[rank_slice(len(slots))],
        )  # none of them, when fewer are accepted than there are processes
        size = batch.augmented.shape[-1]
        searches = self._prepare(batch.augmented[slots], draws.search_factors, draws.grey)
        fills = self._prepare(batch.augmented_fills[slots], draws.search_factors, draws.grey)
        boxes = batch.augmented_windows.to_crop(
            pseudo.boxes_xywh
        )  # windows of all slots, then the chosen rows
        boxes = augmentation.turn_boxes(
            boxes[slots], turns, size, self.config.augment.reference_clamp
        )
        searches = augmentation.turn(searches, fills, turns) if len(slots) else searches
        return StudentInput(
            searches,
            self._prepare(batch.relays[slots], draws.template_factors, draws.grey),
            xywh_to_cxcywh(boxes.float() / size),
            of,
        )

    def _prepare(self, images: Tensor, factors: Tensor, grey: Tensor) -> Tensor:
        return augmentation.prepare(images, factors, grey, self.config.augment.reference_grey)


def _own(draws):
    """This process's part of the draws for a whole batch."""
    return dataclasses.replace(
        draws, **{name: values[rank_slice(len(values))] for name, values in vars(draws).items()}
    )


def draw_absent(paths_B: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Which pairs (B,) bool are to get the template of the pair before (`roll_rows`); never one of
    the same path.

    Source: distractor pairs of DaSiamRPN (ECCV 2018), here to teach the predicted IoU that nothing
    may be there.
    """
    everyones = len(paths_B) * get_world_size()
    drawn = (torch.rand(everyones, generator=generator)[rank_slice(everyones)] < share).to(
        paths_B.device
    )
    return drawn & (paths_B != roll_rows(paths_B))


def combine(
    labelled: Mapping[str, Tensor],
    unlabelled: Mapping[str, Tensor] | None,
    n_labelled: int,
    n_unlabelled: int,
    n_total: int,
) -> Tensor:
    """`(n_l * L_l + n_u * L_u) / n` of the parts' `total`s; n is the full batch (SPOT, overall
    objective).

    `unlabelled=None` means that no pseudo-label was accepted: its term is 0. As n does not shrink
    with the number of accepted pseudo-labels, an iteration with few of them does not count its
    labels more than another.
    """
    total = n_labelled * labelled["total"]
    if unlabelled is not None:
        total = total + n_unlabelled * unlabelled["total"]
    return total / n_total
