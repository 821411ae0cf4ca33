"""The two walks through one gap, with the human boxes at its ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.box_delta import apply_box_delta, box_delta
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.gaps import Gap, gaps_between

# Logarithm of the ratio of two sides. A larger change says no more about the confidence.
LARGEST_CHANGE = 1.5


@dataclass(frozen=True, eq=False)
class KeyBox:
    """A human box at an end of a gap, and the box with which the walk towards it arrives."""

    box_xywh: np.ndarray  # (4,) NaN where the object is marked as absent
    arrival_xywh: np.ndarray  # (4,) NaN where no walk arrives

    @property
    def is_shown(self) -> bool:
        """Return whether there is a box: the object is not marked as absent."""
        return bool(np.isfinite(self.box_xywh).all())


@dataclass(frozen=True, eq=False)
class Crossing:
    """A gap, both walks through its T frames, and the key boxes at its ends.

    A walk holds nothing but NaN where no box shows the object at its start.
    """

    gap: Gap
    forward: Walk
    backward: Walk
    left: KeyBox | None  # None: there is no key frame before the gap
    right: KeyBox | None
    # largest logarithm of the ratio of sides, between the two human boxes nearest to the gap
    size_change: float = 0.0

    @property
    def count(self) -> int:
        """The number T of frames."""
        return self.gap.count

    @property
    def left_is_shown(self) -> bool:
        """Return whether there is a box on the left."""
        return self.left is not None and self.left.is_shown

    @property
    def right_is_shown(self) -> bool:
        """Return whether there is a box on the right."""
        return self.right is not None and self.right.is_shown

    @property
    def is_enclosed(self) -> bool:
        """Return whether there is a box on both sides."""
        return self.left_is_shown and self.right_is_shown

    @property
    def shares(self) -> np.ndarray:
        """(T,) how far each frame is on the way from the left key frame to the right one, 0..1."""
        return (np.arange(self.count) + 1) / (self.count + 1)

    @property
    def line_xywh(self) -> np.ndarray:
        """(T, 4) the straight line between the human boxes; at an end of the video, the one box."""
        shown = [
            key.box_xywh for key in (self.left, self.right) if key is not None and key.is_shown
        ]
        return shown[0] + self.shares[:, None] * (shown[-1] - shown[0])

    @property
    def distances(self) -> np.ndarray:
        """(T,) frames to the nearest key frame that shows the object."""
        place = np.arange(1.0, self.count + 1)
        from_left = place if self.left_is_shown else np.full(self.count, np.inf)
        from_right = self.count + 1 - place if self.right_is_shown else np.full(self.count, np.inf)
        return np.minimum(from_left, from_right)

    def arriving(self) -> Crossing:
        """Return the crossing with walks that end exactly at the human box they arrive at.

        What a walk lacks at its end is added bit by bit before.
        """
        if self.left is None or self.right is None or not self.is_enclosed:
            return self
        shares = self.shares[:, None]
        forward_boxes = apply_box_delta(self.forward.boxes_xywh, shares * _missing(self.right))
        backward_boxes = apply_box_delta(
            self.backward.boxes_xywh, (1 - shares) * _missing(self.left)
        )
        return replace(
            self,
            forward=replace(self.forward, boxes_xywh=forward_boxes),
            backward=replace(self.backward, boxes_xywh=backward_boxes),
        )


def crossings(target: ObjectTrack, forward: Walk, backward: Walk) -> Iterator[Crossing]:
    """Yield the crossing of each gap between the boxes of `target`; walks are of all frames."""
    boxes = dict(zip(target.frame_ids.tolist(), target.boxes_xywh, strict=True))

    def key_box(frame_id: int | None, arriving: Walk) -> KeyBox | None:
        if frame_id is None:
            return None
        return KeyBox(boxes[frame_id], arriving.boxes_xywh[frame_id])

    for gap in gaps_between(target.frame_ids.tolist(), len(forward.boxes_xywh)):
        yield Crossing(
            gap,
            forward.part(gap.rows),
            backward.part(gap.rows),
            left=key_box(gap.before, backward),
            right=key_box(gap.after, forward),
            size_change=size_change(target, gap),
        )


def size_change(target: ObjectTrack, gap: Gap) -> float:
    """Return how much the sides differ between the two human boxes nearest to the gap."""
    shown_ids = target.frame_ids[~target.absent]
    if len(shown_ids) < 2:
        return 0.0
    log_sides = np.log(target.boxes_xywh[~target.absent, 2:])
    # The later of the two boxes; before the first box and after the last, the nearest two count.
    later = min(max(int(np.searchsorted(shown_ids, gap.first)), 1), len(shown_ids) - 1)
    change = float(np.abs(log_sides[later] - log_sides[later - 1]).max())
    return min(change, LARGEST_CHANGE)


def _missing(key: KeyBox) -> np.ndarray:
    """Return what the arriving walk lacks to the human box, see `box_delta`."""
    if not np.isfinite(key.arrival_xywh).all():
        return np.zeros(4)
    return box_delta(key.arrival_xywh, key.box_xywh)
