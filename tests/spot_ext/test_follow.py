"""The engine that follows targets: gaps between labels, the order of frames, what is kept."""

import numpy as np
import pytest

from spot_ext.propagate.follow import Leg, Sighting, follow, frame_by_frame, side_by_side
from spot_ext.propagate.gaps import Gap, gaps_between

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Counting:
    """Sees each target at its frame's number; keeps how many it looked for at a time."""

    def __init__(self):
        self.begun = []
        self.batches = []

    def begin(self, leg):
        self.begun.append(leg.target)
        return iter(leg.frame_ids.tolist())

    def step(self, states, images):
        self.batches.append(len(states))
        return [Sighting([next(state), 0, 1, 1], 0.5, 0.25) for state in states]


def leg(target: int, start: int, *frame_ids: int) -> Leg:
    return Leg(target, start, np.ones(4), np.array(frame_ids, dtype=int))


GAPS = {
    "between and at both ends": ([3, 6], 9, [(0, 3), (4, 6), (7, 9)]),
    "labels side by side": ([3, 4], 6, [(0, 3), (5, 6)]),
    "labels at the ends": ([0, 4], 5, [(1, 4)]),
    "all labelled": ([0, 1], 2, []),
    "no label": ([], 3, [(0, 3)]),
}


@pytest.mark.parametrize(("keys", "count", "expected"), GAPS.values(), ids=GAPS)
def test_gaps_and_labels_together_are_the_whole_video(keys, count, expected):
    gaps = gaps_between(keys, count)
    assert [(gap.first, gap.stop) for gap in gaps] == expected
    in_gaps = [frame_id for gap in gaps for frame_id in gap.frame_ids().tolist()]
    assert sorted([*keys, *in_gaps]) == list(range(count))


@pytest.mark.parametrize(
    ("at_most", "expected"), [(None, range(10, 20)), (10, range(10, 20)), (4, [11, 14, 17])]
)
def test_a_long_gap_is_crossed_in_even_steps(at_most, expected):
    assert Gap(9, 20, 10, 20).frame_ids(at_most).tolist() == list(expected)


def test_each_frame_of_a_video_is_read_once_for_all_its_legs():
    reads = []

    def images():
        for frame_id in range(1, 6):
            reads.append(frame_id)
            yield frame_id, IMAGE

    legs = [leg(0, 0, 1, 2, 3), leg(1, 1, 2, 3, 4), leg(2, 4, 5)]
    ticks = []
    walks = follow(legs, Counting(), frame_by_frame(legs, images()), lambda: ticks.append(1))
    assert reads == [1, 2, 3, 4, 5] and len(ticks) == 5
    for one, walk in zip(legs, walks, strict=True):
        assert walk.boxes_xywh[:, 0].tolist() == one.frame_ids.tolist()
        assert (walk.ious == 0.5).all() and (walk.scores == 0.25).all()


def test_a_batch_of_legs_is_under_way_and_a_finished_one_makes_room():
    legs = [leg(number, 0, *range(1, 1 + count)) for number, count in enumerate((3, 1, 0, 2))]
    follower = Counting()
    walks = follow(legs, follower, side_by_side(legs, lambda target, frame_id: IMAGE, batch=2))
    assert follower.batches == [2, 2, 2]
    assert follower.begun == [0, 1, 3]  # the leg without frames is never begun
    assert [len(walk.ious) for walk in walks] == [3, 1, 0, 2]


def test_backward_legs_keep_the_order_of_their_frames():
    legs = [leg(0, 9, 8, 7, 6)]
    images = ((frame_id, IMAGE) for frame_id in (8, 7, 6))
    (walk,) = follow(legs, Counting(), frame_by_frame(legs, images))
    assert walk.boxes_xywh[:, 0].tolist() == [8, 7, 6]
    assert walk.reversed().boxes_xywh[:, 0].tolist() == [6, 7, 8]
