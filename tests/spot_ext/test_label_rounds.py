"""The second round of `label`: what a new box leaves as it was, where it starts, how long it learns."""

import csv
import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate import adapting, rounds
from spot_ext.propagate.earlier import changed_gaps
from spot_ext.propagate.held_out import DrawnBox, hold_out
from spot_ext.propagate.network import TrackingNetwork
from spot_ext.propagate.propagation import propagate
from spot_ext.training.architectures import get_architecture
from tests.spot_ext.own_videos import (
    COUNT,
    SeeingTracker,
    Video,
    boxes_of,
    drawn,
    spot,
    write_folder,
    write_network,
)


@pytest.fixture(scope="module")
def network_file(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("net") / "light.safetensors")


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_folder(tmp_path)


# Gaps that did not change


def test_a_new_box_redoes_the_gaps_beside_it_and_gives_what_doing_all_gives():
    first = VideoBoxes("v", (drawn("1", 1, 5, 12), drawn("2", 6)))
    earlier = propagate(Video(), first, SeeingTracker)
    second = VideoBoxes("v", (drawn("1", 1, 5, 8, 12), drawn("2", 6)))
    video = Video()
    by_id = dict(zip(("1", "2"), earlier, strict=True))
    again = propagate(video, second, SeeingTracker, earlier=by_id)
    assert min(video.reads) == 5 and max(video.reads) == 12
    for found, expected in zip(again, propagate(Video(), second, SeeingTracker), strict=True):
        np.testing.assert_array_equal(found.boxes_xywh, expected.boxes_xywh)
        np.testing.assert_array_equal(found.confidences, expected.confidences)
        np.testing.assert_array_equal(found.features, expected.features)
        np.testing.assert_array_equal(found.human, expected.human)


def moved(frame_id: int) -> ObjectTrack:
    boxes = boxes_of("1")[[2, 6, 10]].astype(float)
    boxes[[2, 6, 10].index(frame_id), 0] += 1
    return ObjectTrack.drawn("1", [2, 6, 10], boxes)


def wider(frame_id: int) -> ObjectTrack:
    boxes = boxes_of("1")[[2, 6, 10]].astype(float)
    boxes[[2, 6, 10].index(frame_id), 2] *= 1.5
    return ObjectTrack.drawn("1", [2, 6, 10], boxes)


CHANGES = {
    "none": (drawn("1", 2, 6, 10), []),
    "a box between": (drawn("1", 2, 4, 6, 10), [(3, 4), (5, 6)]),
    "a box less": (drawn("1", 2, 10), [(3, 10)]),
    "the first box moved": (moved(2), [(0, 2), (3, 6)]),
    # The confidence at an end of the video depends on the two nearest boxes.
    "the middle box wider": (wider(6), [(0, 2), (3, 6), (7, 10), (11, 14)]),
    "absent at the end": (drawn("1", 2, 6, 10, absent=(12,)), [(11, 12), (13, 14)]),
}


@pytest.mark.parametrize(("target", "expected"), CHANGES.values(), ids=CHANGES)
def test_only_gaps_between_other_boxes_are_followed_again(target, expected):
    before = propagate(Video(), VideoBoxes("v", (drawn("1", 2, 6, 10),)), SeeingTracker)[0]
    gaps = changed_gaps(target, before, COUNT)
    assert [(gap.first, gap.stop) for gap in gaps] == expected


# Boxes that are held out


def box(number: int, object_id: str = "1") -> DrawnBox:
    return DrawnBox("v", object_id, number, (1.0, 2.0, 3.0, 4.0))


HELD_OUT = {
    "nothing new": ([box(1)], [box(1)], []),
    "one new box teaches": ([box(1), box(2)], [box(1)], []),
    "every second new box": ([box(i) for i in range(5)], [box(0)], [box(2), box(4)]),
    "an object keeps a box": ([box(1), box(5, "2")], [], []),
}


@pytest.mark.parametrize(("boxes", "earlier", "expected"), HELD_OUT.values(), ids=HELD_OUT)
def test_a_part_of_the_new_boxes_is_held_out(boxes, earlier, expected):
    assert hold_out(boxes, earlier) == expected


# Rounds


@pytest.fixture
def label(folder, network_file, monkeypatch, capsys):
    """Runs `label` and returns its summary; trainings are short, and counted in `label.trainings`."""
    monkeypatch.setattr(adapting, "ITERATIONS", 1)
    monkeypatch.setattr(adapting, "LESSON_ITERATIONS", 2)
    trainings = []
    real = adapting.recipe.train

    def train(settings, config):
        trainings.append(config.init_from)
        return real(settings, config)

    monkeypatch.setattr(adapting.recipe, "train", train)

    def run(out: str) -> dict:
        job = ("--boxes", folder / "few.csv", "--out", folder / out, "--net", network_file)
        spot("label", folder / "videos", *job, "--epochs", 2, "--device", "cpu", "--json")
        return json.loads(capsys.readouterr().out)

    run.trainings = trainings
    return run


def add_boxes(folder: Path) -> None:
    walk = VideoBoxes("walk", (drawn("1", 0, 5, 9, 13), drawn("2", 2, 6, 10)))
    formats.write([walk, VideoBoxes("run", (drawn("1", 5),))], folder / "few.csv", "csv")


def test_a_second_round_starts_from_the_first_and_says_so(folder, label):
    first = label("out")
    assert [item["started_from"] for item in first["rounds"]] == [str(first["settings"]["net"])]
    add_boxes(folder)
    second = label("out")
    assert second["rounds"][0] == first["rounds"][0]
    last = second["rounds"][1]
    assert last["started_from"] == "round 1" and last["new_boxes"] == 4 and last["held_out"] == 2
    assert len(last["held_out_iou"]) == 2 and last["lessons"] in (0, 1)
    assert all(path.endswith("round_001.pth.tar") for path in label.trainings[1:2])
    with open(folder / "out" / "boxes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    human = {(row["object"], int(row["frame"])) for row in rows if row["human"] == "1"}
    assert {("1", 13), ("2", 2)} <= human


def test_same_boxes_in_the_same_rounds_give_the_same_bytes(folder, label):
    few = (folder / "few.csv").read_bytes()
    contents = []
    for out in ("one", "other"):
        (folder / "few.csv").write_bytes(few)
        label(out)
        add_boxes(folder)
        label(out)
        contents.append(
            [(folder / out / name).read_bytes() for name in ("boxes.csv", "review.csv")]
        )
    assert contents[0] == contents[1]


def test_a_finished_round_is_not_done_again(folder, label):
    label("out")
    add_boxes(folder)
    second = label("out")
    before = (folder / "out" / "boxes.csv").read_bytes()
    trained = len(label.trainings)
    again = label("out")
    assert len(label.trainings) == trained and again["rounds"] == second["rounds"]
    assert (folder / "out" / "boxes.csv").read_bytes() == before
    assert all(video["seconds"] is None for video in again["videos"])


@pytest.mark.parametrize("ious", [[0.5, 0.4], [0.5, 0.6, 0.6], [0.5, 0.6, 0.7]])
def test_lessons_go_on_as_long_as_held_out_boxes_are_found_better(folder, label, monkeypatch, ious):
    monkeypatch.setattr(rounds, "EPOCHS_PER_LESSON", 1)
    label("out")
    add_boxes(folder)
    measured = iter(ious)
    monkeypatch.setattr(
        rounds.HeldOutTest, "mean_iou", lambda self, network, device: next(measured)
    )
    last = label("out")["rounds"][1]
    better = sum(after > before for before, after in itertools.pairwise(ious))
    assert last["lessons"] == better and last["held_out_iou"] == ious
    # A lesson that did not help leaves the weights as they were.
    weights = [folder / f"out/adapt/round_00{number}.pth.tar" for number in (1, 2)]
    assert (weights[0].read_bytes() == weights[1].read_bytes()) == (better == 0)


def test_an_adaptation_begun_by_version_0_1_goes_on():
    """The folder of a run is named after this text; another text would train again from the start.

    If a setting was added to training, leave it out of the text as long as it has its default.
    """
    network = TrackingNetwork(Path("net.pth.tar"), get_architecture("transt_light"))
    config = adapting.adapting_config(network, "videos", Path("labels.json"), 8)
    digest = hashlib.sha256(repr(config).encode()).hexdigest()
    assert digest.startswith("8767e59c4c988547")


def test_another_task_begins_anew(folder, label, network_file, capsys):
    label("out")
    job = ("--boxes", folder / "few.csv", "--out", folder / "out", "--net", network_file)
    spot("label", folder / "videos", *job, "--epochs", 1, "--device", "cpu", "--json")
    again = json.loads(capsys.readouterr().out)["rounds"]
    assert [(item["number"], item["epochs"]) for item in again] == [(1, 1)]
