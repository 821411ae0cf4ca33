"""One box and one confidence per frame out of a forward and a backward walk between two key frames.

**Which walk to believe.** Each walk is on the target or off it: it starts on it, loses it rarely
and finds it again more rarely; while on the target its predicted IoU and score are high, and where
both are on, their boxes overlap. How likely each is on follows exactly, by passing messages along
the frames between two key frames. That weighs predicted IoU, agreement and distance to the key
frames in one number, and uses that a walk which arrives at the next human box cannot have been
lost.

**How far to believe it.** The straight line between the human boxes is right at both ends. The
walks' mean leaves it by the target's motion and by the walks' errors; how much of it is error,
their disagreement tells. The fused box leaves the line by the share that is not: Wiener's estimate
of the motion. Where walks agree they decide, where they contradict each other without a reason to
prefer one, nothing better is known than the line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ltr.geometry.array_boxes import paired_iou
from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.boxes import apply_box_delta, box_delta
from spot_ext.propagate.walks import Walk

OFF, ON = 0, 1
JOINT = ((OFF, OFF), (OFF, ON), (ON, OFF), (ON, ON))  # of forward and backward walk
IMPOSSIBLE = -1e4
NEAR_OVERLAP, NEAR_DISTANCE = (
    0.3,
    1.0,
)  # of walks that see the same thing; the distance in units of its size
JITTER = 0.3  # the most that smoothing may move, in units of the target's size
LARGEST_CHANGE = 1.5  # of a side, as a logarithm: what is beyond says no more


@dataclass(frozen=True)
class FusionConfig:
    """What walks are like; log-odds are those of being on the target. See docs/own-videos.md for
    where values come from.
    """

    lost_rate: float = 0.02  # probability per frame that a walk loses its target
    found_rate: float = 0.004  # and that a lost walk finds it again
    iou_weight: float = 2.5  # log-odds per unit of predicted IoU above 0.5
    score_weight: float = 0.5  # log-odds per unit of score above 0.5
    agreement_weight: float = (
        3.0  # log-odds that both are on, per unit of IoU between them above `agreement_middle`
    )
    agreement_middle: float = 0.45
    arrival_weight: float = 8.0  # the same for the overlap of an arriving walk with the human box
    smoothing: float = 1.0  # frames, standard deviation: takes the jitter off the walks
    noise_reach: float = (
        8.0  # frames over which motion and disagreement are compared; more is steadier and slower
    )
    decided_from: float = (
        0.6  # share of the likelier walk's chance, from which it is taken where the walks are apart
    )
    lost_below: float = (
        0.15  # probability that a walk is on the target, below which it counts as absent or lost
    )
    confidence: tuple[float, ...] = (  # log-odds per unit of each of FEATURES
        -3.83,
        0.44,
        -0.10,
        8.88,
        0.30,
        -0.53,
        -0.02,
        3.32,
        -4.77,
        -2.07,
    )


DEFAULT = FusionConfig()
FEATURES = (
    "constant",
    "one walk or both are on",
    "both are on",
    "predicted IoU in the frames around",
    "error by disagreement",
    "logarithm of the distance to a key frame",
    "the same where there is one walk only",
    "overlap of the walks",
    "sides off those of the line, as a logarithm",
    "change of the sides between the human boxes, as a logarithm",
)


@dataclass(frozen=True)
class Fused:
    """Dense boxes of one object in N frames."""

    boxes_xywh: (
        np.ndarray
    )  # (N, 4), NaN where the target is absent or lost, and where nothing is known
    confidences: (
        np.ndarray
    )  # (N,) probability that the box and the target's overlap by at least half
    agreements: np.ndarray  # (N,) IoU of the two walks, NaN where there are not two
    human: np.ndarray  # (N,) bool
    features: np.ndarray  # (N, len(FEATURES)) what the confidence is made of, NaN at key frames

    @classmethod
    def empty(cls, count: int) -> Fused:
        return cls(
            np.full((count, 4), np.nan),
            np.zeros(count),
            np.full(count, np.nan),
            np.zeros(count, dtype=bool),
            np.full((count, len(FEATURES)), np.nan),
        )


@dataclass(frozen=True)
class Gap:
    """The frames `rows` between two key frames, before the first or after the last, and the human
    boxes around them.
    """

    rows: slice
    left: (
        np.ndarray | None
    )  # box of the key frame before, NaN for absence; None: there is no such key frame
    right: np.ndarray | None
    # of these frames only, and nothing but NaN where the target is not there to begin with
    forward: Walk
    backward: Walk
    arrivals: tuple[
        np.ndarray, np.ndarray
    ]  # where the backward walk arrives at the left, the forward one at the right
    size_change: float = (
        0.0  # between the two human boxes nearest to it: largest logarithm of a side's ratio
    )

    @property
    def count(self) -> int:
        return self.rows.stop - self.rows.start

    @property
    def shown(self) -> tuple[bool, bool]:
        """Whether there is a box on the left, and on the right."""
        left, right = (
            box is not None and bool(np.isfinite(box).all()) for box in (self.left, self.right)
        )
        return left, right

    @property
    def line(self) -> np.ndarray:
        """(T, 4) boxes on the straight line between the human ones; before the first and after the
        last that one.
        """
        ends = [
            box for box, shown in zip((self.left, self.right), self.shown, strict=True) if shown
        ]
        share = (np.arange(self.count) + 1)[:, None] / (self.count + 1)
        return ends[0] + share * (ends[-1] - ends[0])


def fuse(
    target: ObjectTrack, forward: Walk, backward: Walk, config: FusionConfig = DEFAULT
) -> Fused:
    """Fuse the walks of one object. Boxes of key frames stay as they are, with confidence 1."""
    count = len(forward.boxes_xywh)
    fused = Fused.empty(count)
    for gap in _gaps(target, forward, backward, count):
        if any(gap.shown):  # absent on both sides: nothing to follow, nothing invented
            _fill(fused, gap, config)
    for frame_id, box in zip(target.frame_ids.tolist(), target.boxes_xywh, strict=True):
        fused.boxes_xywh[frame_id], fused.confidences[frame_id], fused.human[frame_id] = (
            box,
            1.0,
            True,
        )
    return fused


def _gaps(target: ObjectTrack, forward: Walk, backward: Walk, count: int):
    keys = target.frame_ids.tolist()
    boxes = dict(zip(keys, target.boxes_xywh, strict=True))
    shown, sides = target.frame_ids[~target.absent], np.log(target.boxes_xywh[~target.absent, 2:])
    for before, after in zip([None, *keys], [*keys, None], strict=True):
        rows = slice(0 if before is None else before + 1, count if after is None else after)
        if rows.start < rows.stop:
            arrivals = [
                np.full(4, np.nan) if key is None else walk.boxes_xywh[key]
                for key, walk in ((before, backward), (after, forward))
            ]
            last = min(
                max(int(np.searchsorted(shown, rows.start)), 1), len(shown) - 1
            )  # of the nearest two: that after it
            change = float(np.abs(sides[last] - sides[last - 1]).max()) if last > 0 else 0.0
            yield Gap(
                rows,
                boxes.get(before),
                boxes.get(after),
                forward.part(rows),
                backward.part(rows),
                tuple(arrivals),
                min(change, LARGEST_CHANGE),
            )


def _fill(fused: Fused, gap: Gap, config: FusionConfig) -> None:
    """Write the gap's rows of `fused`. The confidence is logistic in FEATURES."""
    gap = _steadied(_arriving(gap), config)
    agreement = paired_iou(gap.forward.boxes_xywh, gap.backward.boxes_xywh)
    both, only_forward, only_backward = beliefs(gap, agreement, config)
    chances = np.stack([both + only_forward, both + only_backward])
    if all(gap.shown):
        boxes, error, weights, near = _between(gap, chances, agreement, config)
        found = np.where(near, np.clip(both + only_forward + only_backward, 0, 1), chances.max(0))
    else:
        boxes = (gap.forward if gap.shown[0] else gap.backward).boxes_xywh.copy()
        weights = np.repeat([[float(shown)] for shown in gap.shown], gap.count, axis=1)
        error, found = np.zeros(gap.count), chances.max(0)
    ious = np.nansum(np.stack([gap.forward.ious, gap.backward.ious]) * weights, axis=0)
    distance, around = (
        np.log(_distance(gap)),
        blur(ious[:, None], config.noise_reach, np.ones(gap.count, dtype=bool))[:, 0],
    )
    off = np.nan_to_num(np.abs(np.log(np.maximum(boxes[:, 2:], 1e-3) / gap.line[:, 2:])).max(1))
    features = np.stack(
        [
            np.ones(gap.count),
            found,
            both,
            around,
            np.minimum(error, 1),
            distance,
            distance * (not all(gap.shown)),
            np.where(np.isfinite(agreement), agreement, 0.5),
            np.minimum(off, LARGEST_CHANGE),
            np.full(gap.count, gap.size_change),
        ],
        axis=1,
    )
    lost = found < config.lost_below
    confidence = 1 / (1 + np.exp(-features @ np.array(config.confidence)))
    boxes[lost] = np.nan
    rows = gap.rows
    fused.boxes_xywh[rows], fused.agreements[rows], fused.features[rows] = (
        boxes,
        agreement,
        features,
    )
    fused.confidences[rows] = np.where(lost, np.minimum(confidence, found), confidence)


def _arriving(gap: Gap) -> Gap:
    """The gap with walks that end at the human box they arrive at: what is missing there is added
    bit by bit before.
    """
    if not all(gap.shown):
        return gap
    share = ((np.arange(gap.count) + 1) / (gap.count + 1))[:, None]
    at_left, at_right = (
        box_delta(box, human) if np.isfinite(box).all() else np.zeros(4)
        for box, human in zip(gap.arrivals, (gap.left, gap.right), strict=True)
    )
    return replace(
        gap,
        forward=replace(
            gap.forward, boxes_xywh=apply_box_delta(gap.forward.boxes_xywh, share * at_right)
        ),
        backward=replace(
            gap.backward, boxes_xywh=apply_box_delta(gap.backward.boxes_xywh, (1 - share) * at_left)
        ),
    )


# Which walk to believe


def beliefs(
    gap: Gap, agreement: np.ndarray, config: FusionConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities (T,) that both walks are on the target, the forward one only, the backward one
    only.
    """
    odds = np.zeros((gap.count + 2, 4))  # log; the first and last row are the key frames themselves
    agree = np.nan_to_num(config.agreement_weight * (agreement - config.agreement_middle))
    for state, (forward_on, backward_on) in enumerate(JOINT):
        odds[1:-1, state] = (
            forward_on * _evidence(gap.forward, config)
            + backward_on * _evidence(gap.backward, config)
            + forward_on * backward_on * agree
        )
        odds[0, state] = _at_key(gap.left, gap.arrivals[0], forward_on, backward_on, config)
        odds[-1, state] = _at_key(gap.right, gap.arrivals[1], backward_on, forward_on, config)
    step = np.array(
        [[1 - config.found_rate, config.found_rate], [config.lost_rate, 1 - config.lost_rate]]
    )
    change = np.array(
        [[step[f, next_f] * step[next_b, b] for next_f, next_b in JOINT] for f, b in JOINT]
    )
    chances = smooth(odds, change)[1:-1]
    return chances[:, 3], chances[:, 2], chances[:, 1]


def _evidence(walk: Walk, config: FusionConfig) -> np.ndarray:
    """Log-odds (T,) of being on the target by what the network said; a walk that is not there is
    off it.
    """
    odds = config.iou_weight * (walk.ious - 0.5) + config.score_weight * (walk.scores - 0.5)
    return np.where(np.isfinite(odds), odds, IMPOSSIBLE)


def _at_key(
    box: np.ndarray | None,
    arrival: np.ndarray,
    starts_on: int,
    arrives_on: int,
    config: FusionConfig,
) -> float:
    """Log-odds of a state at a key frame, where one walk starts and the other arrives."""
    if box is None:
        return IMPOSSIBLE * starts_on
    if not np.isfinite(box).all():
        return IMPOSSIBLE * (starts_on + arrives_on)
    if not starts_on:
        return IMPOSSIBLE
    if not arrives_on or not np.isfinite(arrival).all():
        return 0.0
    return config.arrival_weight * (float(paired_iou(arrival, box)) - config.agreement_middle)


def smooth(odds: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Probabilities (T, S) of the states of a chain: `odds` (T, S) are log-evidence, `change` (S,
    S) the weights of going from one state to another. Sum-product, scaled in every step.
    """
    evidence = np.exp(odds - odds.max(1, keepdims=True))
    left, right = np.empty_like(evidence), np.ones_like(evidence)
    left[0] = evidence[0] / evidence[0].sum()
    for t in range(1, len(odds)):
        message = (left[t - 1] @ change) * evidence[t]
        left[t] = message / max(message.sum(), 1e-300)
    for t in range(len(odds) - 2, -1, -1):
        message = change @ (right[t + 1] * evidence[t + 1])
        right[t] = message / max(message.sum(), 1e-300)
    joint = left * right
    return joint / np.maximum(joint.sum(1, keepdims=True), 1e-300)


# How far to believe it


def _between(
    gap: Gap, chances: np.ndarray, agreement: np.ndarray, config: FusionConfig
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (T, 4), the standard deviation (T,) of their error in units of the target's size, the
    walks' weights (2, T), and where the walks are near each other (T,). `chances` (2, T) are those
    of the walks to be on the target.

    Walks that are near each other see the same thing and are averaged; of others the likelier one
    is taken, or the line where neither is.
    """
    share, line = (np.arange(gap.count) + 1) / (gap.count + 1), gap.line
    unit = np.sqrt(line[:, 2:].prod(1))[:, None]
    base, one, other = (
        _to_units(boxes, unit) for boxes in (line, gap.forward.boxes_xywh, gap.backward.boxes_xywh)
    )
    near = (agreement >= NEAR_OVERLAP) | (
        np.linalg.norm((one - other)[:, :2], axis=1) < NEAR_DISTANCE
    )
    weights = chances * [1 - share, share] + 1e-12
    weights = np.where(near, weights / weights.sum(0), chances.argmax(0) == [[0], [1]])
    mean = weights[0][:, None] * one + weights[1][:, None] * other
    noise = blur((weights[0] * weights[1])[:, None] * (one - other) ** 2, config.noise_reach, near)
    motion = blur((mean - base) ** 2, config.noise_reach, near)
    noise, total = (
        np.repeat(part.reshape(-1, 2, 2).sum(2), 2, axis=1) for part in (noise, motion)
    )  # centre and size
    kept = np.clip(1 - noise / np.maximum(total, 1e-12), 0, 1)
    decided = chances.max(0) >= config.decided_from * np.maximum(chances.sum(0), 1e-12)
    kept = np.where(near[:, None], kept, decided[:, None])
    error = np.where(
        near,
        np.sqrt((kept * noise)[:, ::2].sum(1) + ((1 - kept) * total)[:, ::2].sum(1)),
        1 - decided,
    )
    return _from_units(base + kept * (mean - base), unit), error, weights, near


def _steadied(gap: Gap, config: FusionConfig) -> Gap:
    """The gap with walks without jitter."""
    left, right = (
        box if shown else None for box, shown in zip((gap.left, gap.right), gap.shown, strict=True)
    )

    def steady(walk: Walk) -> Walk:
        boxes = walk.boxes_xywh
        if not np.isfinite(boxes).all():
            return walk
        unit = np.sqrt(boxes[:, 2:].prod(1).mean())
        ends = [None if end is None else _to_units(end[None], unit)[0] for end in (left, right)]
        values = _to_units(boxes, unit)
        smoothed = without_jitter(values, *ends, config.smoothing)
        jitter = (
            np.abs(smoothed - values).max(1, keepdims=True) < JITTER
        )  # more is a jump, which smoothing would smear
        return replace(walk, boxes_xywh=_from_units(np.where(jitter, smoothed, values), unit))

    return replace(gap, forward=steady(gap.forward), backward=steady(gap.backward))


def _to_units(boxes: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(T, 4): centre in units of the target's size, and logarithm of the size."""
    return np.concatenate(
        [(boxes[:, :2] + boxes[:, 2:] / 2) / unit, np.log(np.maximum(boxes[:, 2:], 1e-3))], axis=1
    )


def _from_units(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    size = np.exp(values[:, 2:])
    return np.concatenate([values[:, :2] * unit - size / 2, size], axis=1)


def without_jitter(
    values: np.ndarray, before: np.ndarray | None, after: np.ndarray | None, deviation: float
) -> np.ndarray:
    """Rows (T, C) averaged by a Gaussian of `deviation` rows. What lies beyond the ends is mirrored
    at the rows `before` and `after` (C,), or at the end itself, so that straight motion stays as it
    is.
    """
    reach = min(int(3 * deviation), len(values) - 1)
    if reach < 1:
        return values
    head = values[0] if before is None else before
    tail = values[-1] if after is None else after
    start = np.concatenate(
        [2 * head - values[1 : reach + 1][::-1]]
        if before is None
        else [2 * head - values[:reach][::-1], head[None]]
    )
    end = np.concatenate(
        [2 * tail - values[-reach - 1 : -1][::-1]]
        if after is None
        else [tail[None], 2 * tail - values[-reach:][::-1]]
    )
    padded = np.concatenate([start[-reach:], values, end[:reach]])
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    return sum(
        weight * padded[shift : shift + len(values)]
        for shift, weight in enumerate(kernel / kernel.sum())
    )


def blur(values: np.ndarray, deviation: float, counted: np.ndarray) -> np.ndarray:
    """Mean of those rows (T, C) around each row that are `counted` (T,), weighted by a Gaussian of
    `deviation` rows.
    """
    reach = min(int(3 * deviation), len(values) - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    padded = np.pad(
        np.column_stack([values, np.ones(len(values))]) * counted[:, None], ((reach, reach), (0, 0))
    )
    sums = sum(weight * padded[shift : shift + len(values)] for shift, weight in enumerate(kernel))
    return sums[:, :-1] / np.maximum(sums[:, -1:], 1e-12)


def _distance(gap: Gap) -> np.ndarray:
    """Frames (T,) to the nearest key frame that shows the target."""
    place = np.arange(1.0, gap.count + 1)
    left, right = (
        (place if gap.shown[0] else np.inf),
        (gap.count + 1 - place if gap.shown[1] else np.inf),
    )
    return np.minimum(left, right)
