"""Boxes of single frames linked into short tracks: the assignment of greatest overlap, with flow to
carry tracks along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from ltr.geometry.array_boxes import iou_matrix
from spot_ext.discover.boxes import moved

LEAST_OVERLAP = 0.3  # of a track's expected box with the next one
LONGEST_GAP = 3  # frames without a box that a track survives

Carry = Callable[[np.ndarray], tuple[np.ndarray, float]]  # see `carried_by`


@dataclass
class Track:
    """Hold one object's boxes while it is followed."""

    frame_ids: list[int] = field(default_factory=list)
    boxes_xywh: list[np.ndarray] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    # IoU of each box after the first with the box that flow expected
    overlaps: list[float] = field(default_factory=list)
    # for each step to the next frame, IoU of the box with itself after flow there and back
    agreements: list[float] = field(default_factory=list)
    # (4,) xywh in the current frame; not a number before there is a box
    expected: np.ndarray = field(default_factory=lambda: np.full(4, np.nan))


def carried_by(forward: np.ndarray, backward: np.ndarray, scale: float = 1.0) -> Carry:
    """Carry boxes from a frame to the next by the flow (h, w, 2) to it; also says how well the way
    back leads home.

    The second value is the overlap of the box with itself after both ways (0..1), the
    forward-backward agreement. Flow is between frames reduced by `scale`.
    """

    def carry(box_xywh: np.ndarray) -> tuple[np.ndarray, float]:
        here = box_xywh * scale
        there = moved(here, forward)
        return there / scale, float(iou_matrix(here[None], moved(there, backward)[None])[0, 0])

    return carry


class Linker:
    """Call `step` for every frame in order, then `finish`; either returns the tracks that have
    ended.
    """

    def __init__(self, least_frames: int, longest_gap: int = LONGEST_GAP):
        """Tracks of fewer boxes than `least_frames` are dropped as soon as they end, which bounds
        the memory.
        """
        self.least_frames, self.longest_gap = least_frames, longest_gap
        self._active: list[Track] = []

    def step(
        self, frame_id: int, boxes_xywh: np.ndarray, scores: np.ndarray, carry: Carry | None
    ) -> list[Track]:
        """Link the boxes (N, 4) of a frame to the tracks. `carry` leads from the frame before;
        None: nothing does (a cut).
        """
        ended: list[Track] = []
        if carry is None:
            ended, self._active = self._active, []
        else:
            for track in self._active:
                track.expected, agreement = carry(track.expected)
                track.agreements.append(agreement)
        taken = self._assign(frame_id, boxes_xywh, scores)
        for index in range(len(boxes_xywh)):
            if index not in taken:
                self._active.append(
                    Track(
                        [frame_id],
                        [boxes_xywh[index]],
                        [float(scores[index])],
                        expected=boxes_xywh[index],
                    )
                )
        ended += [
            track for track in self._active if frame_id - track.frame_ids[-1] > self.longest_gap
        ]
        self._active = [
            track for track in self._active if frame_id - track.frame_ids[-1] <= self.longest_gap
        ]
        return self._long_enough(ended)

    def finish(self) -> list[Track]:
        """The tracks that are still followed."""
        ended, self._active = self._active, []
        return self._long_enough(ended)

    def _assign(self, frame_id: int, boxes_xywh: np.ndarray, scores: np.ndarray) -> set[int]:
        if not self._active or not len(boxes_xywh):
            return set()
        overlap = iou_matrix(np.stack([track.expected for track in self._active]), boxes_xywh)
        rows, columns = linear_sum_assignment(-np.where(overlap >= LEAST_OVERLAP, overlap, 0))
        taken = set()
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if overlap[row, column] >= LEAST_OVERLAP:
                track = self._active[row]
                track.frame_ids.append(frame_id)
                track.boxes_xywh.append(boxes_xywh[column])
                track.scores.append(float(scores[column]))
                track.overlaps.append(float(overlap[row, column]))
                track.expected = boxes_xywh[column]
                taken.add(column)
        return taken

    def _long_enough(self, tracks: list[Track]) -> list[Track]:
        return [track for track in tracks if len(track.frame_ids) >= self.least_frames]
