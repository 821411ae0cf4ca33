"""Suggested frames: what is scored, which are chosen, and that no annotation is read for it."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.settings import Settings
from spot_ext.__main__ import main
from spot_ext.annotate.frame_requests import from_file
from spot_ext.propagate.batched_teacher import BatchedTeacher
from spot_ext.propagate.follow import Leg, Walk, follow, side_by_side
from spot_ext.propagate.label_worth import LabelWorth, Weights, label_worths
from spot_ext.propagate.suggest import Candidates, SuggestConfig, choose, suggest
from spot_ext.propagate.trained_run import TrainedRun
from spot_ext.training import recipe
from spot_ext.training.config import CropConfig, DatasetConfig, SparseConfig, TeacherConfig
from spot_ext.training.pseudo_labels import MappedTrack

CROPS = CropConfig(template_size=32, search_size=64)


class Standing:
    """A teacher that finds every target where it was, of the size it had, moved by `shift` crop
    pixels.
    """

    def __init__(self, shift: float = 0.0, iou: float = 0.8):
        self.net, self.shift, self.iou, self.batches = nn.Linear(1, 1), shift, iou, []

    def find(self, templates, searches):
        self.batches.append(len(searches))
        box = torch.tensor(
            [31.5 - 8 + self.shift, 31.5 - 8, 16.0, 16.0]
        )  # a square target fills a quarter of its search crop
        return SimpleNamespace(
            boxes_xywh=box.repeat(len(searches), 1), ious=torch.full((len(searches),), self.iou)
        )


def read(path: int, frame_id: int) -> np.ndarray:
    return np.zeros((120, 160, 3), np.uint8)


def view(length, keys, explored=(), box=(60.0, 50, 20, 20)) -> MappedTrack:
    """A path labelled at `keys`, {frame: box} or frames of one box, and explored with that box in
    `explored`.
    """
    boxes = dict.fromkeys(explored, box) | (
        keys if isinstance(keys, dict) else dict.fromkeys(keys, box)
    )
    ids = np.array(sorted(boxes), np.int32)
    return MappedTrack(
        length,
        np.array(sorted(keys), np.int32),
        ids,
        np.array([boxes[i] for i in ids.tolist()], np.float32),
        np.full(len(ids), 9000, np.uint16),
    )


def scored(one: MappedTrack, teacher=None, **options) -> LabelWorth:
    return label_worths(teacher or Standing(), [(0, one)], read, CROPS, **options)[0]


def followed(teacher, legs, batch=16) -> list[Walk]:
    return follow(legs, BatchedTeacher(teacher, read, CROPS), side_by_side(legs, read, batch))


@pytest.mark.parametrize(
    ("length", "keys"),
    [(20, [5, 12]), (20, [0, 19]), (9, [4]), (3, [0, 1, 2])],
    ids=["inside", "at the ends", "one label", "all labelled"],
)
def test_every_unlabelled_frame_is_looked_at_once_from_both_sides(length, keys):
    result = scored(view(length, keys))
    assert result.frame_ids.tolist() == [i for i in range(length) if i not in keys]
    np.testing.assert_allclose(
        result.forward_xywh, np.tile([60.0, 50, 20, 20], (length - len(keys), 1)), atol=0.5
    )
    np.testing.assert_allclose(result.agreement, 1, atol=0.05)
    np.testing.assert_allclose(result.confidence, 0.8, atol=1e-6)


def test_long_gaps_are_crossed_in_steps():
    result = scored(view(1000, [100, 500]), max_steps=50)
    gaps = [
        (result.frame_ids < 100).sum(),
        ((result.frame_ids > 100) & (result.frame_ids < 500)).sum(),
    ]
    assert max(gaps) <= 50 and min(gaps) >= 25 and np.diff(result.frame_ids).max() <= 16


def test_tracks_that_differ_and_stored_boxes_that_differ_from_both():
    apart = scored(view(12, {0: (20.0, 30, 20, 20), 11: (90.0, 30, 20, 20)}))
    assert apart.agreement.max() == 0
    one = view(
        12, {0: (60.0, 50, 20, 20), 11: (60.0, 50, 20, 20)}, explored=[5], box=(10.0, 10, 20, 20)
    )
    agreement = dict(zip(*(scored(one).frame_ids.tolist(), scored(one).agreement), strict=True))
    assert agreement[5] == pytest.approx(1 / 3, abs=0.03) and agreement[6] == pytest.approx(
        1, abs=0.05
    )


def test_a_drift_outside_of_the_labels_shows_on_the_way_back():
    """Out to the end with one error and back with the same: the two ways lie apart most where the
    label is.
    """
    result = scored(view(14, [0]), Standing(shift=2.0))
    assert (np.diff(result.forward_xywh[:, 0]) > 0).all() and result.agreement[
        0
    ] < result.agreement[-1]


def test_distance_is_to_the_nearest_explored_frame():
    result = scored(view(12, [2], explored=[3, 8]))
    assert dict(zip(result.frame_ids.tolist(), result.distance.tolist(), strict=True)) == {
        0: 2,
        1: 1,
        3: 0,
        4: 1,
        5: 2,
        6: 2,
        7: 1,
        8: 0,
        9: 1,
        10: 2,
        11: 3,
    }


def test_a_target_that_leaves_the_frame_keeps_its_last_box_without_confidence():
    leg = Leg(0, 0, np.array([130.0, 50, 20, 20]), np.arange(1, 40))
    (walk,) = followed(Standing(shift=8.0), [leg])
    assert walk.ious[0] == pytest.approx(0.8) and walk.ious[-1] == 0
    right = walk.boxes_xywh[:, 0] + walk.boxes_xywh[:, 2]
    assert (right <= 160.01).all() and (walk.boxes_xywh[:, 2] >= 2).all()


def test_many_targets_are_followed_at_once():
    teacher = Standing()
    legs = [
        Leg(0, 0, np.array([60.0, 50, 20, 20]), np.arange(1, 1 + count))
        for count in (3, 1, 5, 0, 2)
    ]
    walks = followed(teacher, legs, batch=3)
    assert [len(walk.ious) for walk in walks] == [3, 1, 5, 0, 2]
    assert max(teacher.batches) == 3 and sum(teacher.batches) == 11


def scores(agreement=None, confidence=None, distance=None, count=10) -> LabelWorth:
    full = [
        np.full(count, value) if given is None else np.asarray(given, float)
        for given, value in ((agreement, 1.0), (confidence, 1.0), (distance, 0.0))
    ]
    return LabelWorth(np.arange(count) * 10, np.zeros((count, 4)), np.zeros((count, 4)), *full)


def chosen(worths, count, per_video, places=None, weights=None):
    places = places or [(f"v{i}", 0) for i in range(len(worths))]
    candidates = [
        Candidates(video, target, 100, worth)
        for (video, target), worth in zip(places, worths, strict=True)
    ]
    return choose(candidates, count, per_video, weights or Weights())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"agreement": [1, 0.2, 1]}, "forward and backward track disagree (IoU 0.20)"),
        ({"confidence": [1, 0.3, 1]}, "low predicted IoU (0.30)"),
        ({"distance": [0, 25, 1]}, "unexplored (25 frames from the nearest known box)"),
    ],
)
def test_the_worst_frame_comes_first_and_says_why(given, reason):
    first = chosen([scores(count=3), scores(count=3, **given)], 3, 2)[0]
    assert (first.video, first.frame_id, first.reason) == ("v1", 10, reason)


def test_at_most_a_few_of_a_video_and_not_side_by_side():
    hard, easy = scores(distance=np.full(10, 50.0)), scores(distance=np.arange(10) / 10)
    picked = chosen([hard, easy], 9, 2)
    assert [item.video for item in picked] == ["v0", "v0", "v1", "v1"]
    for video in ("v0", "v1"):
        one, other = [item.frame_id for item in picked if item.video == video]
        assert abs(one - other) >= 100 / 6
    assert [item.score for item in picked] == sorted((item.score for item in picked), reverse=True)
    assert len(chosen([hard, easy], 3, 2)) == 3


def test_targets_of_one_video_share_its_allowance():
    picked = chosen([scores(distance=np.full(10, 50.0))] * 2, 9, 3, [("v", 0), ("v", 1)])
    assert len(picked) == 3 and {item.object_id for item in picked} <= {"1", "2"}


def test_weights_decide_what_counts():
    both = scores(agreement=[0, 1], distance=[0, 50], count=2)
    assert chosen([both], 1, 1, weights=Weights(1, 0, 0))[0].frame_id == 0
    assert chosen([both], 1, 1, weights=Weights(0, 0, 1))[0].frame_id == 10


# On a trained run


@pytest.fixture
def run(tree, tmp_path, monkeypatch):
    """The folder of a tiny run, whose data set holds no annotation any more."""
    (tmp_path / "ltr_local.py").write_text(
        "class EnvironmentSettings:\n    workspace_dir = tensorboard_dir = "
        f"{str(tmp_path / 'ws')!r}\n"
    )
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    settings = Settings.__new__(Settings)
    settings.env = SimpleNamespace(
        workspace_dir=str(tmp_path / "ws"), tensorboard_dir=str(tmp_path / "tb")
    )
    settings.use_gpu, settings.seed, settings.project_path, settings.print_interval = (
        False,
        0,
        "run",
        100,
    )
    recipe.train(
        settings,
        SparseConfig(
            datasets=(DatasetConfig("Got10k", {"root": str(tree)}),),
            k=2,
            architecture="transt_small",
            crops=CropConfig(template_size=64, search_size=128),
            burn_in_epochs=1,
            epochs=2,
            iterations=1,
            batch=2,
            labelled=2,
            unlabelled=2,
            num_workers=0,
            teacher=TeacherConfig(iou_threshold=0.0),
        ),
    )
    for file in (*tree.glob("*/groundtruth.txt"), *tree.glob("*/*.label")):
        file.write_bytes(b"\x00 not for reading\n")
    return tmp_path / "ws/checkpoints/run"


def call(*arguments) -> None:
    main(["suggest", *map(str, arguments)])


def test_the_command_writes_json_csv_and_pictures_and_reads_no_labels(run, tree, tmp_path, capsys):
    call(run, "--n", 5, "--per-video", 2, "--out", tmp_path / "out", "--device", "cpu", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert (
        printed == json.loads((tmp_path / "out/suggestions.json").read_text())
        and printed["epoch"] == 2
    )
    found = printed["requests"]
    assert len(found) == 5 and all(0 <= item["score"] <= 1 and item["reason"] for item in found)
    assert (
        max(
            sum(item["video"] == name for item in found)
            for name in {item["video"] for item in found}
        )
        <= 2
    )
    for suffix in ("json", "csv"):  # what the annotation page reads
        wanted, whole = from_file(
            tmp_path / f"out/suggestions.{suffix}", {f"video_{i:02d}": 24 for i in range(4)}
        )
        assert not whole and sum(map(len, wanted.values())) == 5
    assert (tmp_path / "out/suggestions.png").read_bytes().startswith(b"\x89PNG")
    for file in tree.glob("*/groundtruth.txt"):
        file.unlink()
    again = suggest(TrainedRun.open(run), SuggestConfig(5, 2))
    assert [(item.video, item.frame_id) for item in again] == [
        (item["video"], item["frame"]) for item in found
    ]


def test_fewer_frames_than_asked_for_is_said(run, capsys):
    call(run, "--n", 50, "--per-video", 1, "--videos", 2, "--device", "cpu")
    out = capsys.readouterr().out
    assert "2 of the 50 frames asked for" in out and "--per-video 2" in out
    assert (run / "suggestions/suggestions.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--n", "0"], BadValue, "--n 0: give at least 1"),
        (["--per-video", "0"], BadValue, "--per-video 0"),
    ],
)
def test_wrong_numbers_are_sentences(tmp_path, arguments, kind, message):
    with pytest.raises(kind, match=message):
        call(tmp_path, *arguments)


def test_what_is_no_run_is_a_sentence(run, tmp_path):
    with pytest.raises(MissingFile, match="nothing"):
        TrainedRun.open(tmp_path / "nothing")
    next(run.glob("*ep0002_t.pth.tar")).unlink()
    with pytest.raises(BadInput, match="no run of SPOT: it has no teacher"):
        TrainedRun.open(run)


def test_videos_that_have_gone_are_named(run, tree):
    (tree / "list.txt").write_text("video_00\nvideo_01\n")
    shutil.rmtree(tree / "video_03")
    with pytest.raises(BadInput, match=r"2 videos of the run .* e\.g\. 'video_02'"):
        suggest(TrainedRun.open(run), SuggestConfig(2))
