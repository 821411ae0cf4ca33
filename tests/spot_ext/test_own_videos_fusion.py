"""One box and one confidence out of two walks: which is believed, how far, and what stays as people
drew it.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.geometry.array_boxes import paired_iou
from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.beliefs import state_probabilities
from spot_ext.propagate.box_delta import apply_box_delta, box_delta
from spot_ext.propagate.confidence import FEATURES
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.fuse import fuse
from spot_ext.propagate.smoothing import mean_around, without_jitter

COUNT = 41


def truth(count: int = COUNT) -> np.ndarray:
    """A target that swings far away from the straight line between its ends."""
    t = np.arange(count)
    return np.stack(
        [
            50 + 2.0 * t,
            60 + 60 * np.sin(np.pi * t / (count - 1)),
            np.full(count, 30.0),
            np.full(count, 20.0),
        ],
        1,
    )


def walk(
    boxes: np.ndarray, iou: float | np.ndarray = 0.85, score: float | np.ndarray = 0.95
) -> Walk:
    return Walk(boxes.copy(), np.full(len(boxes), iou) * 1.0, np.full(len(boxes), score) * 1.0)


def target(*frame_ids: int, absent: tuple[int, ...] = ()) -> ObjectTrack:
    ids = [*frame_ids, *absent]
    boxes = truth()[ids]
    boxes[len(frame_ids) :] = np.nan
    return ObjectTrack.drawn("1", ids, boxes)


def stuck(boxes: np.ndarray, at: int, forward: bool) -> np.ndarray:
    """The same walk, but from frame `at` on it stays on something far away."""
    boxes = boxes.copy()
    lost = np.arange(len(boxes)) >= at if forward else np.arange(len(boxes)) <= at
    boxes[lost] = [400, 300, 30, 20]
    return boxes


def moved(pixels: float) -> np.ndarray:
    return apply_box_delta(truth(), np.array([pixels / 30, 0, 0, 0]))


def quality(fused) -> np.ndarray:
    return np.nan_to_num(paired_iou(fused.boxes_xywh, truth()))


def test_what_people_drew_is_never_moved():
    boxes = truth() + 3
    drawn = target(5, 20, 33)
    fused = fuse(drawn, walk(boxes), walk(boxes))
    assert np.array_equal(fused.boxes_xywh[[5, 20, 33]], drawn.boxes_xywh)
    assert fused.confidences[[5, 20, 33]].tolist() == [1, 1, 1] and np.flatnonzero(
        fused.human
    ).tolist() == [5, 20, 33]


def test_walks_that_agree_win_over_the_straight_line():
    fused = fuse(target(0, 40), walk(truth()), walk(truth()))
    assert quality(fused).min() > 0.85 and fused.agreements[20] == pytest.approx(1)
    assert paired_iou(np.array([90.0, 60, 30, 20]), truth()[20]) == 0  # where the line is


def test_walks_that_only_make_noise_lose_against_the_straight_line():
    boxes = np.tile(truth()[:1], (COUNT, 1)) + np.arange(COUNT)[:, None] * [2.0, 0, 0, 0]
    rng = np.random.default_rng(0)
    one, other = (walk(boxes + rng.normal(0, 6, boxes.shape) * [1, 1, 0, 0]) for _ in range(2))
    drawn = ObjectTrack.drawn("1", [0, 40], boxes[[0, 40]])
    fused = paired_iou(fuse(drawn, one, other).boxes_xywh, boxes)
    assert (
        fused.mean() > paired_iou((one.boxes_xywh + other.boxes_xywh) / 2, boxes).mean() + 0.1
        and fused[1:-1].min() > 0.5
    )


@pytest.mark.parametrize("forward", [True, False], ids=["the forward walk", "the backward walk"])
@pytest.mark.parametrize("at", [8, 20, 32])
def test_a_lost_walk_is_left_for_the_other(forward, at):
    lost = walk(
        stuck(truth(), at, forward),
        np.where(paired_iou(stuck(truth(), at, forward), truth()) > 0.5, 0.85, 0.5),
    )
    walks = (lost, walk(truth())) if forward else (walk(truth()), lost)
    fused = fuse(target(0, 40), *walks)
    assert quality(fused).min() > 0.5
    agreed = fuse(target(0, 40), walk(truth()), walk(truth()))
    assert fused.confidences[1:40].mean() < agreed.confidences[1:40].mean()


def test_a_walk_that_arrives_is_believed_where_both_look_equally_sure():
    fused = fuse(target(0, 40), walk(stuck(truth(), 15, True)), walk(truth()))
    assert (
        quality(fused)[16:].min() > 0.5
    )  # predicted IoUs say nothing here: only where the walks end does


def test_lost_or_absent_targets_get_no_box_and_little_confidence():
    found = np.arange(COUNT) < 12
    fused = fuse(
        target(0),
        walk(truth(), np.where(found, 0.85, 0.05), np.where(found, 0.95, 0.05)),
        Walk.empty(COUNT),
    )
    assert np.isfinite(fused.boxes_xywh[:10]).all() and np.isnan(fused.boxes_xywh[20:]).all()
    assert fused.confidences[20:].max() < 0.2 < fused.confidences[1:10].min()


def test_nothing_is_invented_between_frames_known_to_be_empty():
    fused = fuse(target(0, absent=(10, 30)), walk(truth()), walk(truth()))
    assert np.isnan(fused.boxes_xywh[10:31]).all() and (fused.confidences[11:30] == 0).all()
    assert np.isfinite(fused.boxes_xywh[:5]).all()
    assert (
        fused.confidences[[10, 30]].tolist() == [1, 1] and fused.human[[10, 30]].all()
    )  # a person said so


def test_before_the_first_and_after_the_last_key_frame_there_is_one_walk():
    forward, backward = walk(truth()), walk(truth())
    forward.boxes_xywh[:20], backward.boxes_xywh[20:] = np.nan, np.nan
    forward.ious[:20] = backward.ious[20:] = np.nan
    fused = fuse(target(20), forward, backward)
    assert quality(fused).min() > 0.8 and np.isnan(fused.agreements).all()
    assert fused.features.shape == (COUNT, len(FEATURES)) and np.isnan(fused.features[20]).all()


def test_confidence_falls_with_disagreement():
    means = [
        fuse(target(0, 40), walk(moved(shift)), walk(moved(-shift))).confidences[10:30].mean()
        for shift in (0, 4, 8)
    ]
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize(
    ("keys", "changed", "rows"),
    [((20, 40), 1, slice(0, 20)), ((0, 20), 0, slice(21, 41))],
    ids=["before the first", "after the last"],
)
def test_confidence_is_lower_for_a_target_that_changes_its_shape(keys, changed, rows):
    """Also beyond the outer key frames, by the two nearest of them: here the farther one has other
    sides.
    """

    def confidence(wider: float) -> float:
        boxes = truth()[list(keys)]
        boxes[changed, 2] *= wider
        return (
            fuse(ObjectTrack.drawn("1", keys, boxes), walk(truth()), walk(truth()))
            .confidences[rows]
            .mean()
        )

    assert confidence(1.0) > confidence(1.5)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(0, 1000))
def test_messages_give_the_sums_over_all_paths(length, seed):
    rng = np.random.default_rng(seed)
    odds, change = rng.normal(0, 2, (length, 3)), rng.random((3, 3)) + 0.05
    expected = np.zeros((length, 3))
    for path in itertools.product(range(3), repeat=length):
        weight = np.exp(sum(odds[t, s] for t, s in enumerate(path)))
        weight *= np.prod([change[a, b] for a, b in itertools.pairwise(path)])
        for t, s in enumerate(path):
            expected[t, s] += weight
    assert np.allclose(state_probabilities(odds, change), expected / expected.sum(1, keepdims=True))


def test_a_long_gap_neither_under_nor_overflows():
    count = 20000
    chances = state_probabilities(
        np.tile([[5.0, -5.0, 0.0, -1e4]], (count, 1)), np.full((4, 4), 0.25)
    )
    assert np.isfinite(chances).all() and chances[:, 0].min() > 0.9


box = st.tuples(*[st.floats(0, 500)] * 2, *[st.floats(5, 300)] * 2).map(np.array)


@settings(deadline=None, max_examples=30)
@given(box, st.tuples(*[st.floats(-0.1, 0.1)] * 4).map(np.array))
def test_a_difference_leads_from_one_box_to_the_other(one, change):
    other = apply_box_delta(one, change)
    assert np.allclose(apply_box_delta(one, box_delta(one, other)), other, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(box, box)
def test_overlap_is_symmetric_and_a_share(one, other):
    assert (
        paired_iou(one, other) == pytest.approx(paired_iou(other, one))
        and 0 <= paired_iou(one, other) <= 1 + 1e-9
    )
    assert paired_iou(one, one) == pytest.approx(1)


def test_boxes_without_overlap_are_not_corrected():
    assert box_delta(np.array([0.0, 0, 10, 10]), np.array([100.0, 0, 10, 10])).tolist() == [
        0,
        0,
        0,
        0,
    ]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.floats(0.5, 8), st.booleans(), st.booleans())
def test_steady_motion_has_no_jitter_to_take_off(length, deviation, begun, ended):
    values = np.arange(1.0, length + 1)[:, None] * [2.0, -1.0]
    ends = np.zeros(2) if begun else None, (length + 1) * np.array([2.0, -1.0]) if ended else None
    assert np.allclose(without_jitter(values, *ends, deviation), values)


def test_only_counted_rows_are_averaged():
    values, counted = np.array([[1.0], [99.0], [1.0]]), np.array([True, False, True])
    assert np.allclose(mean_around(values, 2.0, counted), 1.0)
