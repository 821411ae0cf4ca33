"""Exploration: candidate frames by definition, uniform draws, nearest key frame, coarse boxes."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_ext.training.data.exploration import (
    coarse_box,
    draw_pair,
    draw_unlabelled,
    frames_between,
    inner_distance,
    nearest,
    p_propagate,
    propagation_intervals,
)
from spot_ext.training.pseudo_labels import MappedTrack
from tests.support.labels import candidate_frames

explored_sets = (
    st.lists(st.integers(0, 60), min_size=1, max_size=12, unique=True).map(sorted).map(np.array)
)


def view_of(length, key_ids, explored_ids):
    ids = np.array(explored_ids)
    return MappedTrack(
        length,
        np.array(key_ids),
        ids,
        np.ones((len(ids), 4), np.float32),
        np.full(len(ids), 10_000),
    )


@given(
    ids=explored_sets, length=st.integers(1, 70), inner=st.integers(0, 3), extra=st.integers(1, 4)
)
def test_candidates_are_the_frames_at_the_right_distance(ids, length, inner, extra):
    outer = inner + extra
    expected = [f for f in range(length) if inner < np.abs(ids - f).min() <= outer]
    assert candidate_frames(ids, length, inner, outer).tolist() == expected
    first, last = propagation_intervals(ids, length, inner, outer)
    assert (first <= last).all() and (last[:-1] < first[1:]).all()


@pytest.mark.parametrize(("step", "inner"), [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_inner_distance(step, inner):
    assert inner_distance(step) == inner


@given(ids=explored_sets, step=st.integers(0, 4), seed=st.integers(0, 2**32))
def test_a_draw_is_consistent(ids, step, seed):
    view = view_of(61, ids[::2], ids)
    draw = draw_unlabelled(view, np.random.default_rng(seed), step)
    assert draw.relay_id in ids and draw.key_id in view.key_ids and 0 <= draw.frame_id < 61
    assert draw.propagating == (draw.frame_id not in ids)
    assert draw.is_key == (draw.frame_id in view.key_ids)
    assert draw.relay_id != draw.frame_id or len(ids) == 1


def test_modes_and_frames_are_drawn_with_their_probabilities():
    view, rng, count = view_of(10, [2], [2, 3, 7]), np.random.default_rng(0), 20_000
    draws = [draw_unlabelled(view, rng) for _ in range(count)]
    frames = Counter((d.propagating, d.frame_id) for d in draws)
    expected = {(True, f): 0.7 / 4 for f in (1, 4, 6, 8)} | {(False, f): 0.3 / 3 for f in (2, 3, 7)}
    assert frames.keys() == expected.keys()
    for frame, probability in expected.items():
        assert frames[frame] / count == pytest.approx(probability, abs=0.012)
    relays = Counter(d.relay_id for d in draws if d.propagating)
    assert all(relays[f] / relays.total() == pytest.approx(1 / 3, abs=0.02) for f in (2, 3, 7))


def test_nothing_left_to_propagate_to_becomes_a_review():
    view, rng = view_of(7, [0], [0, 3, 6]), np.random.default_rng(1)
    assert not any(
        draw_unlabelled(view, rng, propagating_step=3).propagating for _ in range(50)
    )  # defect S9


def test_reviewing_takes_another_relay_frame():
    view, rng = view_of(3, [0], [0, 1, 2]), np.random.default_rng(2)
    pairs = Counter(
        (d.frame_id, d.relay_id) for d in (draw_unlabelled(view, rng) for _ in range(600))
    )
    assert (
        set(pairs) == {(a, b) for a in range(3) for b in range(3) if a != b}
        and min(pairs.values()) > 60
    )


def test_reviewing_may_allow_the_same_frame_twice():
    view, rng = view_of(2, [0], [0, 1]), np.random.default_rng(2)
    draws = [draw_unlabelled(view, rng, distinct_relay=False) for _ in range(50)]
    assert {d.frame_id == d.relay_id for d in draws} == {True, False}


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (-9, 40, [3, 9, 20]),
        (4, 9, [9]),
        (-5, 2, [3]),
        (30, 50, [20]),
        (9, 4, [9]),
        (4, 5, [3]),
        (11, 19, [20]),
    ],
    ids=[
        "all",
        "inside",
        "before all",
        "after all",
        "wrong order",
        "none, nearer left",
        "none, nearer right",
    ],
)
def test_frames_between(lowest, highest, expected):
    assert frames_between(np.array([3, 9, 20]), lowest, highest).tolist() == expected


@pytest.mark.parametrize(
    ("gap", "expected"),
    [(None, {0, 1, 4, 5, 12, 16, 17}), (0, {0}), (5, {0, 1, 4, 5}), (12, {0, 1, 4, 5, 12})],
)
def test_pairs_are_drawn_with_replacement_and_within_the_gap(gap, expected):
    ids, rng = np.array([2, 3, 7, 19]), np.random.default_rng(0)
    assert {abs(a - b) for a, b in (draw_pair(ids, rng, gap) for _ in range(400))} == expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [(0, 3), (5, 3), (6, 9), (7, 9), (40, 9), (3, 3)],
    ids=["before", "nearer left", "tie goes right", "nearer right", "after", "exact"],
)
def test_nearest_key_frame(target, expected):
    assert nearest(np.array([3, 9]), target) == expected


@pytest.mark.parametrize(
    ("target", "box"),
    [
        (8, [0, 0, 10, 10]),
        (10, [0, 0, 10, 10]),
        (11, [2, 4, 11, 12]),
        (13, [6, 12, 13, 16]),
        (14, [8, 16, 14, 18]),
        (16, [8, 16, 14, 18]),
        (17, [50, 50, 9, 9]),
        (30, [50, 50, 9, 9]),
    ],
    ids=[
        "before all",
        "first",
        "between",
        "between, late",
        "second",
        "gap above 4",
        "tie goes right",
        "after all",
    ],
)
def test_coarse_box(target, box):
    ids, boxes = (
        np.array([10, 14, 20]),
        np.array([[0, 0, 10, 10], [8, 16, 14, 18], [50, 50, 9, 9]], np.float32),
    )
    found = coarse_box(ids, boxes, target)
    assert found.dtype == np.float32 and found.tolist() == box


@given(ids=explored_sets, target=st.integers(-5, 80))
def test_coarse_box_never_leaves_the_range_of_the_stored_boxes(ids, target):
    boxes = np.stack([ids, ids * 2, ids + 1, ids + 1], 1).astype(np.float32)
    found = coarse_box(ids, boxes, target)
    assert (found >= boxes.min(0) - 1e-3).all() and (found <= boxes.max(0) + 1e-3).all()


@pytest.mark.parametrize(
    ("explored", "length", "expected"), [(3, 30, 0.9), (30, 30, 0), (31, 30, 0)]
)
def test_p_propagate(explored, length, expected):
    assert p_propagate(explored, length) == pytest.approx(expected)


def test_a_draw_from_a_long_video_is_quick():
    rng = np.random.default_rng(0)
    view = view_of(2500, [5], np.unique(np.append(5, rng.integers(0, 2500, 1500))))
    draw_unlabelled(view, rng)
    start = time.perf_counter()
    for _ in range(200):
        draw_unlabelled(view, rng)
    assert (
        time.perf_counter() - start
    ) / 200 < 2e-3  # about 0.1 ms; decoding the frame costs 10 ms
