"""The teacher's pseudo-labels, the student's input and the student's loss, for any network.

The teacher tracks from the key frame into an unlabelled one. The student must find the same box
from the relay frame in a harder crop: the transitive consistency. Source: SPOT, sections on
consistency and on the overall loss. `iteration.py` puts these steps in order.

Of several processes each computes its share of the batch. What they compute does not depend on
their number: random numbers are drawn for the whole batch in all of them, pseudo-labels are
exchanged before the student's batch is made from the accepted ones, and losses are divided by the
counts of the whole batch (`ltr.models.loss.means`).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ltr.actors.base_actor import BaseActor
from ltr.admin.multigpu import no_gradient_sync
from ltr.geometry.tensor_boxes import clip_to_frame, spot_clip, xywh_to_cxcywh
from ltr.models.loss.means import total_counts
from ltr.parallel.distributed import get_world_size, rank_slice, reduce_dict, roll_rows
from ltr.parallel.precision import autocast, in_fp32
from ltr.parallel.upload import upload
from spot_ext.training import augmentation
from spot_ext.training.architectures import Architecture
from spot_ext.training.architectures.base import Criterion, Outputs
from spot_ext.training.config import SparseConfig
from spot_ext.training.data.samples import PairBatch, TripletBatch
from spot_ext.training.teacher import Teacher, accept, refill

Draws = TypeVar("Draws", augmentation.PairDraws, augmentation.TurnDraws)


@dataclass(frozen=True)
class PseudoLabels:
    """The teacher's boxes in B unlabelled frames; a frame that turned out to be labelled keeps its
    label.
    """

    boxes_xywh: Tensor  # (B, 4) float64 frame pixels, inside the frame
    confidences: Tensor  # (B,) predicted IoU, 1 for labels
    accepted: Tensor  # (B,) bool, labels included
    labelled: Tensor  # (B,) bool
    tracks: Tensor  # (B,) int64, index of the track in the store
    frame_ids: Tensor  # (B,) int64

    @property
    def found_share(self) -> float:
        """Return the share of the frames without a label whose box was accepted; NaN without such
        frames.
        """
        return self.accepted[~self.labelled].double().mean().item()

    def on_host(self) -> PseudoLabels:
        """Return the same in the host's memory, by one copy."""
        # float64 holds all of them exactly.
        scalars = (self.confidences, self.accepted, self.labelled, self.tracks, self.frame_ids)
        columns = [self.boxes_xywh.double(), *(values.double()[:, None] for values in scalars)]
        rows = torch.cat(columns, 1).cpu()  # CPU-GPU sync point
        confidences, accepted, labelled, tracks, frame_ids = rows[:, 4:].unbind(1)
        return PseudoLabels(
            rows[:, :4],
            confidences.to(self.confidences.dtype),
            accepted.bool(),
            labelled.bool(),
            tracks.long(),
            frame_ids.long(),
        )


@dataclass(frozen=True)
class PseudoLabelledBatch:
    """The unlabelled frames of all processes with the teacher's boxes, on the device and once more
    on the host.
    """

    batch: TripletBatch
    labels: PseudoLabels
    on_host: PseudoLabels


@dataclass(frozen=True)
class StudentInput:
    """Input and target of the network for B samples of one kind."""

    searches: Tensor  # (B, 3, S, S) normalised
    templates: Tensor  # (B, 3, T, T) normalised
    # (B, 4) normalised by S; all zero where the template's target is not in the search crop
    boxes_cxcywh: Tensor
    total_count: int  # samples of this kind in all processes
    labelled: bool  # labels also teach the IoU head

    def split(self, count: int) -> list[StudentInput]:
        """Return the same in `count` parts; some are empty when there are fewer samples."""
        searches = self.searches.tensor_split(count)
        templates = self.templates.tensor_split(count)
        boxes = self.boxes_cxcywh.tensor_split(count)
        return [
            StudentInput(*rows, self.total_count, self.labelled)
            for rows in zip(searches, templates, boxes, strict=True)
        ]


class SparseActor(BaseActor):
    """Computes pseudo-labels, and the student's input and loss."""

    def __init__(
        self,
        net: nn.Module,
        teacher: Teacher,
        architecture: Architecture,
        config: SparseConfig,
    ):
        super().__init__(net, cast(nn.Module, architecture.criterion))
        self.criterion: Criterion = architecture.criterion
        # What is called to predict with `net`; in a distributed run it exchanges gradients.
        self.student: nn.Module = net
        self.teacher = teacher
        self.architecture = architecture
        self.config = config

    def to(self, device: torch.device | str) -> None:
        """Move both networks and the criterion."""
        self.net.to(device)
        self.criterion.to(device)
        self.teacher.net.to(device)

    def train(self, mode: bool = True) -> None:
        """Switch the student; the teacher's mode never changes."""
        self.net.train(mode)

    # The teacher

    def pseudo_label(self, batch: TripletBatch, generator: torch.Generator) -> PseudoLabels:
        """Let the teacher find the key frames' targets in this process's unlabelled frames, and
        keep the boxes whose predicted IoU is high.
        """
        pair_count = len(batch) * get_world_size()
        draws = _draws_of_rank(augmentation.draw_pairs(pair_count, self.config.augment, generator))
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
        # A box that was clipped to nothing lies outside the frame.
        inside = (boxes[:, 2:] >= 1).all(1)
        # This line decides whether a pseudo-label is kept.
        accepted = (accept(found.ious, self.config.teacher.iou_threshold) & inside) | labelled
        return PseudoLabels(boxes, confidences, accepted, labelled, batch.paths, batch.frame_ids)

    # The student's input

    def labelled_input(self, batch: PairBatch, generator: torch.Generator) -> StudentInput:
        """Return labelled pairs as the student sees them; `absent_share` of the search crops do not
        show the template's target.
        """
        pair_count = len(batch) * get_world_size()
        draws = _draws_of_rank(augmentation.draw_pairs(pair_count, self.config.augment, generator))
        crop_size = batch.searches.shape[-1]
        boxes = xywh_to_cxcywh(batch.boxes_xywh / crop_size)
        templates = self._prepare(batch.templates, draws.template_factors, draws.grey)
        if self.config.absent_share > 0:
            absent = draw_absent(batch.paths, self.config.absent_share, generator)
            boxes = boxes.masked_fill(absent[:, None], 0)
            templates = torch.where(absent[:, None, None, None], roll_rows(templates), templates)
        searches = self._prepare(batch.searches, draws.search_factors, draws.grey)
        return StudentInput(searches, templates, boxes, pair_count, labelled=True)

    def unlabelled_input(
        self, pseudo_labelled: PseudoLabelledBatch, generator: torch.Generator
    ) -> StudentInput:
        """Return the accepted frames as the student sees them: from the relay frame, in a jittered,
        flipped and rotated crop. Rejected ones are replaced, see `refill`.
        """
        batch = pseudo_labelled.batch
        slots = refill(pseudo_labelled.on_host.accepted, self.config.teacher.max_repeats)
        slot_count = len(slots)
        draws = _draws_of_rank(augmentation.draw_pairs(slot_count, self.config.augment, generator))
        turns = _draws_of_rank(augmentation.draw_turns(slot_count, self.config.augment, generator))
        # A process has no slot when fewer are accepted than there are processes.
        slots = upload(slots[rank_slice(slot_count)], batch.augmented.device)
        crop_size = batch.augmented.shape[-1]
        searches = self._prepare(batch.augmented[slots], draws.search_factors, draws.grey)
        fills = self._prepare(batch.augmented_fills[slots], draws.search_factors, draws.grey)
        boxes = batch.augmented_windows.to_crop(pseudo_labelled.labels.boxes_xywh)[slots]
        clamp = self.config.augment.reference_clamp
        boxes = augmentation.turn_boxes(boxes, turns, crop_size, clamp)
        if len(slots):
            searches = augmentation.turn(searches, fills, turns)
        templates = self._prepare(batch.relays[slots], draws.template_factors, draws.grey)
        boxes_cxcywh = xywh_to_cxcywh(boxes.float() / crop_size)
        return StudentInput(searches, templates, boxes_cxcywh, slot_count, labelled=False)

    def _prepare(self, images: Tensor, factors: Tensor, grey: Tensor) -> Tensor:
        return augmentation.prepare(images, factors, grey, self.config.augment.reference_grey)

    # The student's loss

    def learn(self, inputs: Sequence[StudentInput], batch_size: int) -> dict[str, Tensor]:
        """Add the gradients of the batch's loss, see `combine`; return the loss and its parts as
        means over processes, without gradient.

        The batch is learned in `config.accumulate` parts, each with its share of every kind of
        sample. More parts need less memory and give the same gradients. `batch_size` counts the
        samples of the whole batch in all processes.
        """
        parts = list(zip(*(one.split(self.config.accumulate) for one in inputs), strict=True))
        counts: list[dict[str, Tensor]] = []
        statistics: dict[str, Tensor] = {}
        for number, part in enumerate(parts, 1):
            is_last = number == len(parts)
            # Gradients are exchanged once, after the last part.
            with contextlib.nullcontext() if is_last else no_gradient_sync(self.student):
                outputs = self.predict(part)
                counts = counts or self.counts(inputs, outputs)
                loss, part_statistics = self.loss(part, outputs, counts, batch_size)
                loss.backward()
            for name, value in part_statistics.items():
                statistics[name] = statistics[name] + value if name in statistics else value
        return reduce_dict(statistics)

    def predict(self, inputs: Sequence[StudentInput]) -> list[Outputs]:
        """Return the student's outputs for each kind of sample. They are computed together."""
        ends = [0]
        for kind in inputs:
            ends.append(ends[-1] + len(kind.searches))
        searches = torch.cat([kind.searches for kind in inputs])
        templates = torch.cat([kind.templates for kind in inputs])
        with autocast(searches.device, self.config.precision):
            outputs = self.architecture.predict(self.student, searches, templates, ends[1])
        outputs = in_fp32(outputs)
        stops = [*ends[1:-1], None]
        return [
            self.architecture.rows(outputs, start, stop)
            for start, stop in zip(ends, stops, strict=False)
        ]

    def counts(
        self, inputs: Sequence[StudentInput], outputs: Sequence[Outputs]
    ) -> list[dict[str, Tensor]]:
        """Return for each kind of sample what its sums of losses are divided by, in the whole batch
        of all processes. Of the outputs only the number of positions is used.
        """
        counts = []
        for kind, kind_outputs in zip(inputs, outputs, strict=True):
            targets = self.criterion.targets(kind.boxes_cxcywh, kind_outputs)
            counts.append(total_counts(self.criterion.counts(targets, kind.labelled)))
        return counts

    def loss(
        self,
        inputs: Sequence[StudentInput],
        outputs: Sequence[Outputs],
        counts: Sequence[Mapping[str, Tensor]],
        batch_size: int,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of `inputs`, a batch or a part of it, and its parts without gradient."""
        losses = []
        for kind, kind_outputs, kind_counts in zip(inputs, outputs, counts, strict=True):
            targets = self.criterion.targets(kind.boxes_cxcywh, kind_outputs)
            sums = self.criterion.sums(kind_outputs, targets, kind.labelled)
            losses.append(self.criterion.losses(sums, kind_counts))
        total = combine(losses, [kind.total_count for kind in inputs], batch_size)
        statistics = {"Loss/total": total, **_statistics(*losses)}
        return total, {name: value.detach() for name, value in statistics.items()}


def _draws_of_rank(draws: Draws) -> Draws:
    """Return this process's share of the draws for a whole batch."""
    own = {name: values[rank_slice(len(values))] for name, values in vars(draws).items()}
    return dataclasses.replace(draws, **own)


def draw_absent(paths_B: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draw which pairs (B,) bool get the template of the pair before (`roll_rows`); never one of
    the same track.

    Source: distractor pairs of DaSiamRPN (ECCV 2018), here to teach the predicted IoU that nothing
    may be there.
    """
    pair_count = len(paths_B) * get_world_size()
    drawn = torch.rand(pair_count, generator=generator)[rank_slice(pair_count)] < share
    return upload(drawn, paths_B.device) & (paths_B != roll_rows(paths_B))


def combine(
    losses: Sequence[Mapping[str, Tensor]], counts: Sequence[int], batch_size: int
) -> Tensor:
    """Return `(n_l * L_l + n_u * L_u) / n` of the `total`s of labelled and unlabelled samples; n is
    the size of the full batch (SPOT, overall objective).

    The unlabelled part is missing when no pseudo-label was accepted. As n does not shrink with the
    number of accepted pseudo-labels, few of them do not raise the weight of labels.
    """
    terms = [count * loss["total"] for loss, count in zip(losses, counts, strict=True)]
    return sum(terms[1:], start=terms[0]) / batch_size


def _statistics(
    labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return the parts of the loss under the names of history, log and TensorBoard."""
    statistics = {
        f"Loss/{name.removeprefix('loss_')}": value
        for name, value in labelled.items()
        if name.startswith("loss_")
    }
    statistics["iou_sup"] = labelled["iou"]
    if unlabelled is not None:
        statistics["Loss/sup"] = labelled["total"]
        statistics["Loss/unsup"] = unlabelled["total"]
        statistics["iou_unsup"] = unlabelled["iou"]
    return statistics
