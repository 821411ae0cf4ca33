"""Scores how much a label of a frame would be worth.

It is worth more where two walks of the teacher differ, where the teacher is unsure, and where
training has not been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadValue
from ltr.geometry.array_boxes import paired_iou
from spot_ext.propagate.batched_teacher import BatchedTeacher
from spot_ext.propagate.follow import Leg, Read, Walk, follow, side_by_side
from spot_ext.propagate.gaps import Gap, gaps_between
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.pseudo_labels import MappedTrack
from spot_ext.training.teacher import Teacher

# Frames looked at between two labels, at most: longer gaps are crossed in larger steps.
MAX_STEPS = 120
# Frames from the nearest explored one from which on a frame counts as wholly unexplored.
UNEXPLORED_FROM = 10
# Targets followed at a time.
BATCH = 16


@dataclass(frozen=True)
class Weights:
    """Says how much each part of the score counts."""

    disagreement: float = 0.5
    doubt: float = 0.25
    unexplored: float = 0.25


@dataclass(frozen=True, eq=False)
class LabelWorth:
    """The n frames of one target that no person labelled, as far as they were looked at."""

    frame_ids: np.ndarray  # (n,)
    forward_xywh: np.ndarray  # (n, 4) from the label before; before the first, from the one after
    backward_xywh: np.ndarray  # (n, 4) from the label after; at the ends, back from the video's end
    agreement: np.ndarray  # (n,) mean IoU of both boxes, and of the stored one where there is one
    confidence: np.ndarray  # (n,) mean predicted IoU of both
    distance: np.ndarray  # (n,) frames to the nearest explored one, labels included

    def parts(self) -> dict[str, np.ndarray]:
        """Return the parts of the score by name, each 0..1."""
        return {
            "disagreement": 1 - self.agreement,
            "doubt": 1 - self.confidence,
            "unexplored": np.minimum(self.distance / UNEXPLORED_FROM, 1),
        }

    def scores(self, weights: Weights) -> np.ndarray:
        """Return the weighted mean of the parts, 0..1; with a higher one a label is worth more."""
        total = weights.disagreement + weights.doubt + weights.unexplored
        weighted = [getattr(weights, name) * part for name, part in self.parts().items()]
        return np.sum(weighted, axis=0) / total

    def reason(self, row: int, weights: Weights) -> str:
        """Return the part that counts most for this frame, as a phrase."""
        counts = {name: getattr(weights, name) * part[row] for name, part in self.parts().items()}
        largest = max(counts, key=lambda name: counts[name])
        if largest == "disagreement":
            return f"forward and backward track disagree (IoU {self.agreement[row]:.2f})"
        if largest == "doubt":
            return f"low predicted IoU ({self.confidence[row]:.2f})"
        return f"unexplored ({int(self.distance[row])} frames from the nearest known box)"


@dataclass(frozen=True, eq=False)
class _SeenGap:
    """A gap between the labels of a target, as both walks saw it; in order of time."""

    frame_ids: np.ndarray
    forward: Walk
    backward: Walk


def label_worths(
    teacher: Teacher,
    targets: Sequence[tuple[int, MappedTrack]],
    read: Read,
    crops: CropConfig,
    batch: int = BATCH,
    max_steps: int = MAX_STEPS,
    tick: Callable[[], None] = lambda: None,
) -> list[LabelWorth]:
    """Follow `targets` (number, and what the store has of it) through all gaps, both ways.

    Between two labels the teacher starts at each of them. Before the first and after the last it
    goes out to the end of the video, and from where it arrived back again.
    """
    gaps = [
        (number, view, gap)
        for number, view in targets
        for gap in gaps_between(view.key_ids.tolist(), view.length)
    ]
    follower = BatchedTeacher(teacher, read, crops)

    def follow_all(legs: list[Leg]) -> list[Walk]:
        return follow(legs, follower, side_by_side(legs, read, batch), tick)

    legs_out = [_leg_out(number, view, gap, max_steps) for number, view, gap in gaps]
    walks_out = follow_all(legs_out)
    legs_back = [
        _leg_back(view, gap, leg, walk)
        for (_, view, gap), leg, walk in zip(gaps, legs_out, walks_out, strict=True)
    ]
    walks_back = follow_all(legs_back)

    seen: dict[int, list[_SeenGap]] = {number: [] for number, _ in targets}
    for (number, _, gap), leg, out, back in zip(gaps, legs_out, walks_out, walks_back, strict=True):
        if _goes_forward(gap):
            seen[number].append(_SeenGap(leg.frame_ids, out, back.reversed()))
        else:
            seen[number].append(_SeenGap(leg.frame_ids[::-1], out.reversed(), back))
    return [_worth(view, seen[number]) for number, view in targets]


def _goes_forward(gap: Gap) -> bool:
    """Return whether the first walk goes with time: there is a label before the gap."""
    return gap.before is not None


def _leg_out(number: int, view: MappedTrack, gap: Gap, max_steps: int) -> Leg:
    """Return the leg from the label before the gap; at the video's start, from the one after it."""
    frame_ids = gap.frame_ids(max_steps)
    if gap.before is not None:
        return Leg(number, gap.before, view.box_xywh(gap.before), frame_ids)
    if gap.after is not None:
        return Leg(number, gap.after, view.box_xywh(gap.after), frame_ids[::-1])
    raise BadValue(f"target {number} of the run has no label to start from; label a frame of it")


def _leg_back(view: MappedTrack, gap: Gap, out: Leg, walk_out: Walk) -> Leg:
    """Return the leg against the first: from the other label, or from where the first arrived."""
    frame_ids = out.frame_ids[::-1]
    if gap.before is not None and gap.after is not None:
        return Leg(out.target, gap.after, view.box_xywh(gap.after), frame_ids)
    return Leg(out.target, int(frame_ids[0]), walk_out.boxes_xywh[-1], frame_ids)


def _worth(view: MappedTrack, seen: list[_SeenGap]) -> LabelWorth:
    frame_ids = np.concatenate([np.empty(0, np.int64), *(gap.frame_ids for gap in seen)])
    forward = np.concatenate([np.empty((0, 4)), *(gap.forward.boxes_xywh for gap in seen)])
    backward = np.concatenate([np.empty((0, 4)), *(gap.backward.boxes_xywh for gap in seen)])
    mean_ious = [(gap.forward.ious + gap.backward.ious) / 2 for gap in seen]
    confidence = np.concatenate([np.empty(0), *mean_ious])

    explored_ids = view.frame_ids
    # Where each frame stands, or would stand, among the explored ones.
    place = np.searchsorted(explored_ids, frame_ids)
    is_explored = np.isin(frame_ids, explored_ids)
    stored = np.full((len(frame_ids), 4), np.nan)
    stored[is_explored] = view.boxes_xywh[place[is_explored]]
    pairs = [
        paired_iou(forward, backward),
        paired_iou(forward, stored),
        paired_iou(backward, stored),
    ]
    agreement = np.nanmean(np.stack(pairs), axis=0) if len(frame_ids) else np.empty(0)

    before = explored_ids[np.clip(place - 1, 0, None)]
    after = explored_ids[np.clip(place, None, len(explored_ids) - 1)]
    distance = np.minimum(np.abs(frame_ids - before), np.abs(frame_ids - after))
    return LabelWorth(frame_ids, forward, backward, agreement, confidence, distance)
