"""The choice of the next unlabelled frame: propagating from explored frames to their neighbours, or
reviewing explored ones.

Pure functions of a path's explored frames (labels and accepted pseudo-labels); frame ids are
sorted, each once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spot_ext.training.pseudo_labels import MappedTrack

INTERPOLATION_REACH = (
    4  # frames apart, at most, for two neighbours to say where the target is between them
)


@dataclass(frozen=True)
class UnlabelledDraw:
    """Frames of one triplet: the teacher tracks `key_id` -> `frame_id`, the student `relay_id` ->
    `frame_id`.

    When `is_key`, `frame_id` carries a label: use it, not the teacher's box.
    """

    frame_id: int
    relay_id: int
    key_id: int
    propagating: bool

    @property
    def is_key(self) -> bool:
        return self.frame_id == self.key_id  # the key frame nearest to a key frame is itself


def draw_pair(
    key_ids: np.ndarray, rng: np.random.Generator, gap: int | None = None
) -> tuple[int, int]:
    """Template and search frame of a labelled pair, drawn with replacement: both may be the same
    frame.

    `gap` keeps the search frame within that many frames of the template; with dense labels a
    smaller one makes easier pairs, as a target looks more alike.
    """
    template, search = rng.choice(key_ids, 2).tolist()
    if gap is not None:
        search = int(rng.choice(frames_between(key_ids, template - gap, template + gap)))
    return template, search


def frames_between(frame_ids: np.ndarray, lowest: int, highest: int) -> np.ndarray:
    """Return those of the sorted `frame_ids` from `lowest` to `highest`, never none.

    Limits outside the frames are moved to the first or last of them; without a frame between the
    limits it is the one nearest to their middle. Limits in the wrong order are put right.
    """
    low, high = np.clip(sorted((lowest, highest)), frame_ids[0], frame_ids[-1])
    between = frame_ids[(frame_ids >= low) & (frame_ids <= high)]
    return between if len(between) else frame_ids[[np.abs(frame_ids - (low + high) / 2).argmin()]]


def p_propagate(num_explored: int, length: int) -> float:
    """Probability of propagating rather than reviewing: the share of the video still unexplored."""
    return min(1.0, max(0.0, 1 - num_explored / length))


def inner_distance(propagating_step: int) -> int:
    """Frames this near to an explored one (and nearer) are passed over when propagating by
    `propagating_step`.
    """
    return max(0, min(propagating_step // 2, propagating_step - 1))


def propagation_intervals(
    explored_ids: np.ndarray, length: int, inner: int, outer: int
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of the video at distance inner+1 .. outer from their nearest explored frame, as
    disjoint intervals.

    Returns `first` and `last` (inclusive) ids, both (n,), in ascending order. `length` is the
    number of frames of the video; explored ids beyond it only cast their neighbourhood into it.
    """
    ids = np.asarray(explored_ids, dtype=np.int64)
    # in each gap, what the frame on its left reaches and what the frame on its right reaches;
    # sentinels reach nothing
    left = np.concatenate([[-1 - inner], ids])
    right = np.concatenate([ids, [max(length, int(ids[-1]) + 1) + inner]])
    start, end = (
        left + inner + 1,
        right - inner - 1,
    )  # the part of the gap outside all inner neighbourhoods
    from_left = np.minimum(left + outer, end)
    from_left[0] = start[0] - 1
    from_right = np.maximum(np.maximum(right - outer, start), from_left + 1)
    from_right[-1] = end[-1] + 1
    first = np.maximum(np.stack([start, from_right], 1).ravel(), 0)
    last = np.minimum(np.stack([from_left, end], 1).ravel(), length - 1)
    kept = first <= last
    return first[kept], last[kept]


def draw_unlabelled(
    view: MappedTrack,
    rng: np.random.Generator,
    propagating_step: int = 1,
    distinct_relay: bool = True,
) -> UnlabelledDraw:
    """Draw the frames of one triplet from the path `view` (see the module for the two modes).

    A larger `propagating_step` lets exploration jump further from what is known, and passes over
    the frames next to it. When reviewing, the relay frame is another one than the unlabelled frame
    if there is another, since a frame teaches nothing about itself; `distinct_relay=False` allows
    the same, as the reference does.
    """
    explored = view.frame_ids
    if rng.random() < p_propagate(len(explored), view.length):
        inner = inner_distance(propagating_step)
        outer = int(rng.integers(inner + 1, max(propagating_step, inner + 1) + 1))
        first, last = propagation_intervals(explored, view.length, inner, outer)
        if len(first):
            frame_id = _uniform_in(first, last, rng)
            relay_id = int(explored[rng.integers(len(explored))])
            return UnlabelledDraw(
                frame_id, relay_id, nearest(view.key_ids, frame_id), propagating=True
            )
    index = int(rng.integers(len(explored)))
    if distinct_relay and len(explored) > 1:
        other = (index + int(rng.integers(1, len(explored)))) % len(explored)
    else:
        other = int(rng.integers(len(explored)))
    frame_id = int(explored[index])
    return UnlabelledDraw(
        frame_id, int(explored[other]), nearest(view.key_ids, frame_id), propagating=False
    )


def neighbours(frame_ids: np.ndarray, target: int) -> tuple[int, int]:
    """Indices in `frame_ids` of the frame nearest to `target` and of the neighbour on the target's
    other side.

    Of two equally near frames the later is the nearest. A target outside all frames, or a single
    frame, has the same index twice; a target that is one of the frames has the following one as its
    neighbour (the last one the preceding).
    """
    count = len(frame_ids)
    after = int(np.searchsorted(frame_ids, target, side="right"))
    if after == 0:
        return 0, 0
    if after == count:
        on_last = count > 1 and int(frame_ids[-1]) == target
        return count - 1, count - 2 if on_last else count - 1
    before = after - 1
    if int(frame_ids[after]) - target <= target - int(frame_ids[before]):
        return after, before
    return before, after


def nearest(frame_ids: np.ndarray, target: int) -> int:
    """The frame id nearest to `target`, the later of two equally near."""
    return int(frame_ids[neighbours(frame_ids, target)[0]])


def coarse_box(
    frame_ids: np.ndarray, boxes_xywh: np.ndarray, target: int, reach: int = INTERPOLATION_REACH
) -> np.ndarray:
    """Where to look for the object in frame `target`: float32 box (4,) that centres the search
    crop, no more.

    The nearest frame's box; when the frames on both sides are at most `reach` apart, their linear
    interpolation.
    """
    index, other = neighbours(frame_ids, target)
    return interpolated_box(
        int(frame_ids[index]),
        boxes_xywh[index],
        int(frame_ids[other]),
        boxes_xywh[other],
        target,
        reach,
    )


def interpolated_box(
    id_1: int,
    box_1: np.ndarray,
    id_2: int,
    box_2: np.ndarray,
    target: int,
    reach: int = INTERPOLATION_REACH,
    reference_mirror: bool = False,
) -> np.ndarray:
    """Float32 box (4,) on the line between the boxes of two frames at most `reach` apart; otherwise
    the first box.

    `target` lies between the frames. Outside of them the nearer frame's box is given;
    `reference_mirror=True` takes the distance to the second frame without its sign, as the
    reference does, which mirrors what lies beyond it.
    """
    box_1, box_2 = np.asarray(box_1, dtype=np.float32), np.asarray(box_2, dtype=np.float32)
    if not 0 < abs(id_2 - id_1) <= reach:
        return box_1.copy()
    if reference_mirror:
        weight = np.float32(1 - abs(id_2 - target) / abs(id_2 - id_1))
    else:
        weight = np.float32(np.clip((target - id_1) / (id_2 - id_1), 0, 1))
    return box_1 + weight * (box_2 - box_1)


def _uniform_in(first: np.ndarray, last: np.ndarray, rng: np.random.Generator) -> int:
    """A uniform draw from the union of disjoint intervals."""
    ends = np.cumsum(last - first + 1)
    position = int(rng.integers(int(ends[-1])))
    interval = int(np.searchsorted(ends, position, side="right"))
    return int(last[interval]) - (int(ends[interval]) - 1 - position)
