"""Find where something moves on its own in a frame: connected regions of motion against the
camera's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from spot_ext.discover.camera import Motion

LEAST_MOTION = 0.7  # px against the camera between two frames, below which nothing is said to move
NOISES = 4.0  # and as many times the spread of the background's residual
PEAK, EDGE = (
    90,
    0.5,
)  # a region ends at this share of the motion that this percentile of its pixels does not exceed
SMALLEST = 6  # px: regions with a shorter side are noise


def strength_map(pairs: Sequence[tuple[Motion | None, Motion | None]]) -> np.ndarray | None:
    """Return how surely each pixel (H, W) moves: its motion against the camera over what noise
    explains, at most over `pairs`.

    Each pair holds the motion to an earlier and to a later frame, equally far. What the object
    uncovers or hides moves in one of them only, hence the smaller of the two counts; a pixel that
    is outside one of the frames is judged by the other. None when no pair can be used (a cut, or no
    second frame).
    """
    best = None
    for pair in pairs:
        maps = [_over_noise(motion) for motion in pair if motion is not None and motion.same_scene]
        if not maps:
            continue
        both = maps[0] if len(maps) == 1 else np.minimum(*maps)
        first, second = pair
        if len(maps) == 2 and first is not None and second is not None:
            both = np.where(first.outside, maps[1], np.where(second.outside, maps[0], both))
        best = both if best is None else np.maximum(best, both)
    return best


def regions_in(strength: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) of the connected regions of a `strength_map`, small and thin ones left out.

    Flow bleeds over the edges of what moves, the further the faster it is; so a region ends where
    it has fallen to half of its own motion, which also parts things of different speed.
    """
    boxes = []
    for mask in _components((strength > 1).astype(np.uint8)):
        level = EDGE * float(np.percentile(strength[mask > 0], PEAK))
        for part in _components(mask & (strength > max(1.0, level)).astype(np.uint8)):
            box = cv2.boundingRect(part)
            if min(box[2:]) >= SMALLEST:
                boxes.append(box)
    return np.array(boxes, dtype=float).reshape(-1, 4)


def _components(mask: np.ndarray) -> Iterator[np.ndarray]:
    """Masks (H, W) uint8 of the connected parts of `mask`, specks removed and cracks closed."""
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] >= SMALLEST**2 / 2:
            yield (labels == label).astype(np.uint8)


def _over_noise(motion: Motion) -> np.ndarray:
    return motion.residual / max(LEAST_MOTION, NOISES * motion.noise)
