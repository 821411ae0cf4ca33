"""What labelling a frame would be worth: how little is known of it, how unsure the teacher is, how
far two ways differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ltr.geometry.array_boxes import paired_iou
from spot_ext.propagate.suggestions.tracks import Leg, Read, Trail, follow
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.pseudo_labels import PathView
from spot_ext.training.teacher import Teacher

MAX_STEPS = (
    120  # frames looked at in a gap between two labels; longer gaps are crossed in larger steps
)
REACH = 10  # frames from the nearest explored one at which a frame counts as wholly unexplored


@dataclass(frozen=True)
class Weights:
    """How much each part of the score counts."""

    disagreement: float = 0.5
    doubt: float = 0.25
    unexplored: float = 0.25


@dataclass(frozen=True, eq=False)
class PathScores:
    """The frames of one path that have no label of a person's, as far as they were looked at; all
    (n,) or (n, 4).
    """

    frame_ids: np.ndarray
    there_xywh: (
        np.ndarray
    )  # from the label before the frame (from its neighbour, outside of all labels)
    back_xywh: (
        np.ndarray
    )  # from the label after it (from the end of the video, where `there` arrived)
    agreement: np.ndarray  # mean IoU of both boxes, and of the stored one where there is one
    confidence: np.ndarray  # mean predicted IoU of both
    distance: np.ndarray  # frames to the nearest explored one, labels included

    def parts(self) -> dict[str, np.ndarray]:
        """The parts of the score by name, each 0..1."""
        return {
            "disagreement": 1 - self.agreement,
            "doubt": 1 - self.confidence,
            "unexplored": np.minimum(self.distance / REACH, 1),
        }

    def scores(self, weights: Weights) -> np.ndarray:
        """Weighted mean of the parts, 0..1; higher: a label is worth more."""
        total = weights.disagreement + weights.doubt + weights.unexplored
        return sum(getattr(weights, name) * part for name, part in self.parts().items()) / total

    def reason(self, row: int, weights: Weights) -> str:
        """The part that counts most for this frame, as a phrase."""
        parts = {name: getattr(weights, name) * part[row] for name, part in self.parts().items()}
        return {
            "disagreement": f"forward and backward track disagree (IoU {self.agreement[row]:.2f})",
            "doubt": f"low predicted IoU ({self.confidence[row]:.2f})",
            "unexplored": f"unexplored ({int(self.distance[row])} frames from the nearest known "
            "box)",
        }[max(parts, key=parts.get)]


@dataclass(frozen=True, eq=False)
class _Gap:
    """Frames without a label; at its `left` and `right` the labels that enclose it, None where the
    video begins or ends.
    """

    frame_ids: np.ndarray
    left: int | None
    right: int | None


def score_paths(
    teacher: Teacher,
    views: Sequence[tuple[int, PathView]],
    read: Read,
    crops: CropConfig,
    batch: int = 16,
    max_steps: int = MAX_STEPS,
    tick: Callable[[], None] = lambda: None,
) -> list[PathScores]:
    """Follow the targets of `views` (number of the path, what the store has of it) through all
    gaps, both ways.

    Between two labels the teacher starts at each of them; before the first and after the last it
    goes out to the end of the video, and from where it arrived back again.
    """
    gaps = [(path, view, gap) for path, view in views for gap in _gaps(view, max_steps)]
    there = follow(
        teacher,
        [_from_label(path, view, gap, first=True) for path, view, gap in gaps],
        read,
        crops,
        batch,
        tick,
    )
    back = follow(
        teacher,
        [
            _from_label(path, view, gap, first=False)
            if gap.left is not None and gap.right is not None
            else _return(path, gap, trail)
            for (path, view, gap), trail in zip(gaps, there, strict=True)
        ],
        read,
        crops,
        batch,
        tick,
    )
    by_path: dict[int, list] = {path: [] for path, _ in views}
    for (path, _, gap), one, other in zip(gaps, there, back, strict=True):
        by_path[path].append(
            (gap, _in_time(one, gap.left is None), _in_time(other, gap.left is not None))
        )
    return [_scores(view, by_path[path]) for path, view in views]


def _gaps(view: PathView, max_steps: int) -> list[_Gap]:
    edges = [None, *view.key_ids.tolist(), None]
    found = []
    for left, right in itertools.pairwise(edges):
        first, stop = 0 if left is None else left + 1, view.length if right is None else right
        step = max(1, -(-(stop - first) // max_steps))
        if stop > first:
            found.append(_Gap(np.arange(first + (step - 1) // 2, stop, step), left, right))
    return [gap for gap in found if len(gap.frame_ids)]


def _from_label(path: int, view: PathView, gap: _Gap, first: bool) -> Leg:
    """From the gap's label on the left forwards, or (not `first`, or none there) from the one on
    the right backwards.
    """
    forwards = first and gap.left is not None
    start = gap.left if forwards else gap.right
    return Leg(
        path, start, view.box_xywh(start), gap.frame_ids if forwards else gap.frame_ids[::-1]
    )


def _return(path: int, gap: _Gap, trail: Trail) -> Leg:
    """Back from the end of the video: from the last frame of the way out, with the box found
    there.
    """
    outwards = gap.frame_ids[::-1] if gap.left is None else gap.frame_ids
    return Leg(path, int(outwards[-1]), trail.boxes_xywh[-1], outwards[::-1])


def _in_time(trail: Trail, backwards: bool) -> Trail:
    return Trail(trail.boxes_xywh[::-1], trail.ious[::-1]) if backwards else trail


def _scores(view: PathView, found: list[tuple[_Gap, Trail, Trail]]) -> PathScores:
    ids = np.concatenate([np.empty(0, np.int64), *(gap.frame_ids for gap, _, _ in found)])
    there, back = (
        np.concatenate([np.empty((0, 4)), *(pair[side].boxes_xywh for pair in found)])
        for side in (1, 2)
    )
    ious = np.concatenate([np.empty(0), *((one.ious + other.ious) / 2 for _, one, other in found)])
    stored = np.full((len(ids), 4), np.nan)
    explored, place = view.explored_ids, np.searchsorted(view.explored_ids, ids)
    known = np.isin(ids, explored)
    stored[known] = view.boxes_xywh[place[known]]
    pairs = np.stack([paired_iou(there, back), paired_iou(there, stored), paired_iou(back, stored)])
    near = np.stack(
        [
            np.abs(ids - explored[np.clip(place - 1, 0, None)]),
            np.abs(ids - explored[np.clip(place, None, len(explored) - 1)]),
        ]
    ).min(0)
    return PathScores(
        ids, there, back, np.nanmean(pairs, axis=0) if len(ids) else np.empty(0), ious, near
    )
