"""Choosing key frames: the same labels from the same seed, visible frames only, names of the result
files.
"""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.key_frames import (
    WindowRule,
    candidates,
    choose,
    draw_key_frames,
    sequence_key,
    split_name,
    split_spellings,
    walk_back_to_human_box,
)


class Videos:
    """A data set in memory: name -> visible flags; boxes are whole numbers on every 30th frame."""

    def __init__(self, videos, name="got10k"):
        self.sequence_list, self.visible, self.name = list(videos), list(videos.values()), name

    def get_name(self):
        return self.name

    def get_num_sequences(self):
        return len(self.sequence_list)

    def get_visible(self, seq_id):
        return np.array(self.visible[seq_id], dtype=bool)

    def get_boxes(self, seq_id, frame_ids):
        ids = np.asarray(frame_ids)
        return np.repeat(np.where(ids % 30 == 0, 10, 10.4)[:, None], 4, 1)


def ids_of(labels):
    return {key: tuple(video.tracks[0].frame_ids.tolist()) for key, video in labels.videos.items()}


def test_labels_depend_on_seed_and_name_only():
    lengths = {f"video-{i}": [True] * (200 + 7 * i) for i in range(20)}
    labels = ids_of(choose(Videos(lengths), 3, seed=4))
    backwards = ids_of(choose(Videos(dict(reversed(lengths.items()))), 3, seed=4))
    assert labels == backwards
    assert labels != ids_of(choose(Videos(lengths), 3, seed=5))


def test_these_labels_never_change():
    """The draw must be the same with every version of NumPy, or published label files cannot be
    remade.
    """
    labels = choose(Videos({"a": [True] * 500, "b": [True] * 77}), 3, seed=0)
    assert ids_of(labels) == {"a": (95, 242, 421), "b": (12, 36, 65)}


@given(visible=st.lists(st.booleans(), max_size=120), k=st.integers(1, 6), seed=st.integers(0, 5))
def test_key_frames_are_visible_sorted_and_at_most_k(visible, k, seed):
    ids = draw_key_frames(np.array(visible, bool), k, np.random.default_rng(seed))
    if sum(visible) < 2:
        assert ids is None
    if ids is not None:
        assert 1 <= len(ids) <= k and list(ids) == sorted(set(ids)) and all(visible[i] for i in ids)


def test_labels_of_a_long_video_lie_in_their_own_parts():
    visible = np.ones(900, bool)
    for index, (first, last) in enumerate([(113, 186), (413, 486), (713, 786)]):
        found = candidates(visible, 3, index)
        assert (found[0], found[-1]) == (first, last)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (WindowRule(), []),
        (WindowRule(min_visible=1), [4]),
        (WindowRule(symmetric=True, min_visible=1), [4]),
    ],
    ids=["published: a single visible frame is none", "one is enough", "symmetric"],
)
def test_rule_for_a_single_visible_frame(rule, expected):
    visible = np.zeros(9, bool)
    visible[4] = True
    assert candidates(visible, 2, 0, rule).tolist() == expected


def test_symmetric_window_reaches_as_far_right_as_left():
    visible = np.ones(30, bool)
    assert candidates(visible, 3, 1).tolist() == [14, 15]
    assert candidates(visible, 3, 1, WindowRule(symmetric=True)).tolist() == [14, 15, 16]


def test_videos_that_cannot_be_labelled_are_listed(caplog):
    videos = Videos({"hidden": [False] * 50, "empty": [], "short": [True] * 2, "good": [True] * 50})
    with caplog.at_level(logging.WARNING):
        labels = choose(videos, 3, seed=0)
    assert labels.failures == ("hidden", "empty")
    assert set(labels.videos) == {"short", "good"}
    assert len(ids_of(labels)["short"]) <= 2
    assert (
        "2 have too few visible frames" in caplog.text
        and "1 carry fewer than 3 labels" in caplog.text
    )


def test_walk_back_gives_human_boxes_only():
    labels = choose(Videos({(0, "v"): [True] * 300}, "trackingnet"), 3, seed=1, walk_back=True)
    ids = ids_of(labels)["TrackingNet_00_v"]
    assert all(frame_id % 30 == 0 for frame_id in ids) and len(ids) == 3


@pytest.mark.parametrize(
    ("boxes", "row"),
    [
        ([[1.2] * 4, [5, 5, 5, 5], [1.2] * 4], 1),
        ([[1.2] * 4] * 3, 0),
        ([[5.004, 5, 5, 5.004]], 0),
        ([[1, 1, 1, 1], [5.004, 5.004, 5.004, 5]], 0),
        ([[1, 1, 1, 1], [5.004, 5, 5, 5.004]], 1),
    ],
    ids=["nearest before", "none: frame 0", "first", "sum above tolerance", "sum within tolerance"],
)
def test_walk_back(boxes, row):
    assert walk_back_to_human_box(np.array(boxes)) == row


@pytest.mark.parametrize(
    ("name", "sequence", "key", "file"),
    [
        ("lasot", "cat-3", "LaSOT_cat-3", "LaSOT_train_kf_003.json"),
        ("got10k", "GOT-10k_Train_000001", "GOT-10k_Train_000001", "GOT-10k_train_kf_003.json"),
        ("trackingnet", (2, "abc"), "TrackingNet_02_abc", "TrackingNet_2_kf_003.json"),
        ("toy", "train_0001", "train_0001", "toy_train_kf_003.json"),
    ],
)
def test_names(name, sequence, key, file):
    videos = Videos({sequence: [True] * 40}, name)
    assert sequence_key(videos, 0) == key
    assert label_file.file_name(choose(videos, 3, seed=0)) == file


@pytest.mark.parametrize(
    ("sets", "spellings"),
    [([0, 1, 2, 3], ["0-3", "0,1,2,3"]), ([0, 2], ["0,2"]), ([5], ["5"])],
)
def test_split_of_trackingnet_sets(sets, spellings):
    videos = Videos({(s, "v"): [True] for s in sets}, "trackingnet")
    assert (split_name(videos), split_spellings(videos)) == (spellings[0], spellings)


def test_split_can_be_given_or_found():
    videos = Videos({"v": [True] * 40})
    videos.split = "vottrain"
    assert label_file.file_name(choose(videos, 2, seed=0)) == "GOT-10k_vottrain_kf_002.json"
    assert choose(videos, 2, seed=0, split="mine").split == "mine"


def test_progress_and_bad_k():
    seen = []
    choose(
        Videos({"a": [True] * 40, "b": [True] * 40}),
        2,
        0,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(BadValue, match="at least 1"):
        choose(Videos({}), 0, 0)
