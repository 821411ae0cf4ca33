"""Choose the tracks that are worth learning from: those that persist, are whole and of plausible
size, and agree with flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ltr.geometry.array_boxes import paired_intersection
from spot_ext.discover.boxes import touches_border
from spot_ext.discover.linking import LONGEST_GAP, Track

BORDER = 0.01  # share of the frame's longer side: nearer to an edge a box is likely cut
MOST_AT_BORDER = 0.5  # share of a track's boxes; what is there for longer is seldom a whole object
NEIGHBOURS = 4  # boxes on either side whose median size says how large the object is
SIZE_CHANGE = (
    1.4  # a box that is by more than this factor larger or smaller than its neighbours is wrong
)
LEAST_OVERLAP = 0.4  # of a box with where flow from the box before expected it
TWIN = 0.5  # mean overlap, in common frames, of two tracks of one object
HALF_LIFE = 5  # boxes with which a track reaches half of what persistence counts for


@dataclass(frozen=True)
class Limits:
    """Say what a track must reach to be kept. Raising any of the first three, or lowering the last
    two, keeps fewer and better.
    """

    least_quality: float = 0.3
    least_frames: int = 6  # boxes left after wrong ones are taken out
    smallest_side: float = 10.0  # px: square root of the median area
    largest_share: float = 0.3  # of the frame that the median area may cover
    most_targets: int = 10  # of one video, the best


@dataclass(frozen=True)
class Target:
    """A track after judgement."""

    frame_ids: np.ndarray  # (T,) int64
    boxes_xywh: np.ndarray  # (T, 4) float64 px
    trust: np.ndarray  # (T,) 0..1: score of each box times its overlap with where flow expected it
    quality: float  # 0..1
    refused: str = ""  # why it is not kept


def judge_pieces(track: Track, size: tuple[int, int], limits: Limits) -> list[Target]:
    """Judge the good stretches of `track` each for itself, so that a bad one does not spoil the
    others.

    It is cut where no box is right for more than `LONGEST_GAP` frames. Where no stretch is long
    enough, the one judgement of the whole says why.
    """
    frame_ids = np.array(track.frame_ids)
    right = np.flatnonzero(_right(track, size)[0])
    pieces = []
    for part in np.split(right, np.flatnonzero(np.diff(frame_ids[right]) > LONGEST_GAP + 1) + 1):
        if len(part) and part[-1] + 1 - part[0] >= limits.least_frames:
            first, last = int(part[0]), int(part[-1])
            steps = slice(frame_ids[first] - frame_ids[0], frame_ids[last] - frame_ids[0])
            pieces.append(
                Track(
                    track.frame_ids[first : last + 1],
                    track.boxes_xywh[first : last + 1],
                    track.scores[first : last + 1],
                    track.overlaps[first:last],
                    track.agreements[steps],
                )
            )
    return [judge(piece, size, limits) for piece in pieces or [track]]


def judge(track: Track, size: tuple[int, int], limits: Limits) -> Target:
    """Take wrong boxes out of `track` and say how good it is; `size` is the frame's (width,
    height).

    The quality is the product of: mean overlap of boxes with where flow expected them, mean
    forward-backward agreement, share of boxes that were right, share of boxes off the border,
    persistence T / (T + 5), and mean score.
    """
    frame_ids, boxes = np.array(track.frame_ids), np.stack(track.boxes_xywh)
    right, cut, overlaps = _right(track, size)
    trust = np.clip(track.scores, 0, 1) * overlaps
    count = int(right.sum())
    quality = float(
        overlaps.mean()
        * np.mean(track.agreements or [0.0])
        * right.mean()
        * (1 - cut.mean())
        * count
        / (count + HALF_LIFE)
        * np.clip(track.scores, 0, 1).mean()
    )
    side = float(np.sqrt(np.median(boxes[:, 2:].prod(1))))
    if cut.mean() > MOST_AT_BORDER:
        refused = "at the border"
    elif count < limits.least_frames:
        refused = "too short"
    elif side < limits.smallest_side:
        refused = "too small"
    elif side**2 > limits.largest_share * size[0] * size[1]:
        refused = "too large"
    else:
        refused = "poor" if quality < limits.least_quality else ""
    if count:
        frame_ids, boxes, trust = frame_ids[right], boxes[right], trust[right]
    return Target(frame_ids, boxes, trust, quality, refused)


def best_of(targets: Sequence[Target], most: int) -> list[Target]:
    """The targets of a video, best first, at most `most` kept; the second track of an object and
    those beyond are refused.
    """
    kept: list[Target] = []
    judged: list[Target] = []
    for target in sorted(targets, key=lambda target: -target.quality):
        refused = target.refused
        if not refused and any(_same_object(target, other) for other in kept):
            refused = "found twice"
        elif not refused and len(kept) == most:
            refused = "beyond the limit"
        judged.append(replace(target, refused=refused))
        if not refused:
            kept.append(target)
    return judged


def thinned(target: Target, count: int) -> Target:
    """`target` with at most `count` boxes: the most trusted of each of as many equal parts of its
    path.
    """
    if len(target.frame_ids) <= count:
        return target
    chosen = [
        part[np.argmax(target.trust[part])]
        for part in np.array_split(np.arange(len(target.frame_ids)), count)
    ]
    return replace(
        target,
        frame_ids=target.frame_ids[chosen],
        boxes_xywh=target.boxes_xywh[chosen],
        trust=target.trust[chosen],
    )


def _right(track: Track, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) each: which boxes are right, which touch the border (bool), and their overlap with where
    flow expected them.
    """
    boxes = np.stack(track.boxes_xywh)
    overlaps = np.array([np.mean(track.overlaps) if track.overlaps else 0.0, *track.overlaps])
    cut = touches_border(boxes, size, BORDER * max(size))
    return ~cut & (overlaps >= LEAST_OVERLAP) & _steady(boxes), cut, overlaps


def _steady(boxes_xywh: np.ndarray) -> np.ndarray:
    """(T,) bool: width and height are near the median of the neighbouring boxes'."""
    sides = np.log(boxes_xywh[:, 2:])
    around = np.stack(
        [
            np.median(sides[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1], axis=0)
            for i in range(len(sides))
        ]
    )
    return np.abs(sides - around).max(1) <= np.log(SIZE_CHANGE)


def _same_object(target: Target, other: Target) -> bool:
    """They overlap where both have boxes, or one is inside the other there."""
    _, mine, others = np.intersect1d(target.frame_ids, other.frame_ids, return_indices=True)
    if not len(mine):
        return False
    one, two = target.boxes_xywh[mine], other.boxes_xywh[others]
    shared = paired_intersection(one, two)
    smaller = np.minimum(one[:, 2:].prod(1), two[:, 2:].prod(1))
    union = one[:, 2:].prod(1) + two[:, 2:].prod(1) - shared
    return bool((shared / union).mean() > TWIN or (shared / smaller).mean() > 0.9)
