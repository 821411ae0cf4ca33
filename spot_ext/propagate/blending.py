"""Makes one box of two walks and the straight line between the human boxes.

The straight line is right at both ends. The walks' mean leaves it by the target's motion and by the
walks' errors, and their disagreement tells how much of it is error. The fused box leaves the line
by the share that is motion: Wiener's estimate. Where the walks agree they decide; where they
contradict each other without a reason to prefer one, nothing better is known than the line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spot_ext.propagate.beliefs import Beliefs
from spot_ext.propagate.crossing import Crossing, KeyBox
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.fusion_config import FusionConfig
from spot_ext.propagate.smoothing import from_units, mean_around, to_units, without_jitter

# Walks see the same thing when they overlap by this, or their centres are nearer than this many
# times the target's size.
NEAR_OVERLAP = 0.3
NEAR_DISTANCE = 1.0
# In units of the target's size: a larger move is a jump, which smoothing would smear.
LARGEST_JITTER = 0.3
# Keeps quotients finite where a walk's chances, or all motion, are 0.
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Blend:
    """Fused boxes in the T frames of a gap."""

    boxes_xywh: np.ndarray  # (T, 4)
    errors: np.ndarray  # (T,) standard deviation of the error, in units of the target's size
    weights: np.ndarray  # (2, T) shares of the forward and of the backward walk
    chances: np.ndarray  # (T,) probability that the box is on the target


def blend(
    crossing: Crossing, agreement: np.ndarray, belief: Beliefs, config: FusionConfig
) -> Blend:
    """Return one box for each frame of a gap; `agreement` (T,) is the IoU of the two walks."""
    if crossing.is_enclosed:
        return _fuse_two_walks(crossing, agreement, belief, config)
    return _only_walk(crossing, belief)


def _only_walk(crossing: Crossing, belief: Beliefs) -> Blend:
    """Take the boxes of the one walk there is, before the first key frame or after the last."""
    walk = crossing.forward if crossing.left_is_shown else crossing.backward
    weights = np.zeros((2, crossing.count))
    weights[0] = crossing.left_is_shown
    weights[1] = crossing.right_is_shown
    errors = np.zeros(crossing.count)
    return Blend(walk.boxes_xywh.copy(), errors, weights, belief.of_walks.max(0))


def _fuse_two_walks(
    crossing: Crossing, agreement: np.ndarray, belief: Beliefs, config: FusionConfig
) -> Blend:
    """Fuse both walks with the line between the key frames.

    Walks that are near each other see the same thing and are averaged. Of others the likelier one
    is taken, or the line where neither is.
    """
    line_xywh = crossing.line_xywh
    unit = np.sqrt(line_xywh[:, 2:].prod(1))[:, None]
    line = to_units(line_xywh, unit)
    forward = to_units(crossing.forward.boxes_xywh, unit)
    backward = to_units(crossing.backward.boxes_xywh, unit)
    difference = forward - backward

    chances = belief.of_walks
    center_distance = np.linalg.norm(difference[:, :2], axis=1)
    is_near = (agreement >= NEAR_OVERLAP) | (center_distance < NEAR_DISTANCE)
    weights = _weights(crossing, chances, is_near)

    mean = weights[0][:, None] * forward + weights[1][:, None] * backward
    # The variance of a weighted mean of two: the product of the weights times the difference².
    error_seen = (weights[0] * weights[1])[:, None] * difference**2
    noise = _center_and_size(mean_around(error_seen, config.noise_reach, is_near))
    total = _center_and_size(mean_around((mean - line) ** 2, config.noise_reach, is_near))

    motion_share = np.clip(1 - noise / np.maximum(total, TINY), 0, 1)
    is_decided = chances.max(0) >= config.decided_from * np.maximum(chances.sum(0), TINY)
    motion_share = np.where(is_near[:, None], motion_share, is_decided[:, None])

    # This line fuses the two walks: from the straight line towards their mean, by Wiener's share.
    fused = line + motion_share * (mean - line)

    # One column each of centre and size stands for both.
    variance = (motion_share * noise)[:, ::2].sum(1) + ((1 - motion_share) * total)[:, ::2].sum(1)
    errors = np.where(is_near, np.sqrt(variance), 1 - is_decided)
    any_walk = belief.both + belief.only_forward + belief.only_backward
    on_target = np.where(is_near, np.clip(any_walk, 0, 1), chances.max(0))
    return Blend(from_units(fused, unit), errors, weights, on_target)


def _weights(crossing: Crossing, chances: np.ndarray, is_near: np.ndarray) -> np.ndarray:
    """Return the weights (2, T) of the walks: by chance and nearness, or all for the likelier."""
    shares = crossing.shares
    averaged = chances * [1 - shares, shares] + TINY
    is_likelier = chances.argmax(0) == np.array([[0], [1]])
    return np.where(is_near, averaged / averaged.sum(0), is_likelier)


def _center_and_size(variances: np.ndarray) -> np.ndarray:
    """Add up the two columns of the centre, and those of the size; returns (T, 4), each twice."""
    sums = variances.reshape(-1, 2, 2).sum(2)
    return np.repeat(sums, 2, axis=1)


def steadied(crossing: Crossing, config: FusionConfig) -> Crossing:
    """Return the crossing with walks without jitter."""
    return replace(
        crossing,
        forward=_steady(crossing, crossing.forward, config),
        backward=_steady(crossing, crossing.backward, config),
    )


def _steady(crossing: Crossing, walk: Walk, config: FusionConfig) -> Walk:
    boxes = walk.boxes_xywh
    if not np.isfinite(boxes).all():
        return walk
    unit = np.sqrt(boxes[:, 2:].prod(1).mean())
    values = to_units(boxes, unit)
    before = _end(crossing.left, unit)
    after = _end(crossing.right, unit)
    smoothed = without_jitter(values, before, after, config.smoothing)
    is_jitter = np.abs(smoothed - values).max(1, keepdims=True) < LARGEST_JITTER
    return replace(walk, boxes_xywh=from_units(np.where(is_jitter, smoothed, values), unit))


def _end(key: KeyBox | None, unit: np.ndarray) -> np.ndarray | None:
    if key is None or not key.is_shown:
        return None
    return to_units(key.box_xywh[None], unit)[0]
