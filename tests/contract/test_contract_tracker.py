"""Contract checks B07, B20, B21 and C01-C03: what a tracker is asked, several objects, what is
stored.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from ltr.data.image_loader import imread_indexed
from pytracking.evaluation import Sequence, Tracker
from pytracking.evaluation.multi_object_wrapper import MultiObjectWrapper
from pytracking.evaluation.results import results_exist
from pytracking.evaluation.running import run_dataset
from pytracking.utils import TrackerParams


@pytest.fixture
def spy(machine, calls, monkeypatch) -> SimpleNamespace:
    """The list of CALLS of the tracker `moving`; `set(**values)` changes its parameters."""
    from pytracking.parameter.moving import default

    return SimpleNamespace(
        CALLS=calls, set=lambda **values: monkeypatch.setattr(default, "VALUES", values)
    )


@pytest.fixture
def frames(tmp_path) -> list[str]:
    """Five images of 80x60, red on the left."""
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, :40] = (0, 0, 250)  # BGR
    names = [str(tmp_path / f"{number:05d}.png") for number in range(5)]
    for name in names:
        cv2.imwrite(name, image)
    return names


def single(frames) -> Sequence:
    return Sequence("one", frames, "t", np.array([[10.5, 10, 20, 20]] * len(frames)))


def several(frames) -> Sequence:
    """Object 1 from the first frame, object 2 from the third."""
    return Sequence(
        "two",
        frames,
        "t",
        {"1": np.ones((5, 4)), "2": np.ones((5, 4))},
        object_ids=["1", "2"],
        multiobj_mode=True,
        init_data={
            0: {"bbox": {"1": [10.5, 10, 20, 20]}, "object_ids": ["1"]},
            2: {"bbox": {"2": [40, 30, 10, 10]}, "object_ids": ["2"]},
        },
    )


def files(folder) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


@pytest.mark.parametrize("sequence", [single, several])
def test_B07_debug_shows_and_stores_nothing(spy, frames, sequence):
    spy.set(multiobj_mode="parallel")
    tracker = Tracker("moving", "default")
    run_dataset([sequence(frames)], [tracker], debug=1, visdom_info={"use_visdom": False})
    assert [call[0] for call in spy.CALLS].count("track") >= 4 and files(tracker.results_dir) == []


def test_B20_several_objects_have_a_file_each_and_all_are_needed(spy, frames):
    spy.set(multiobj_mode="parallel")
    tracker, seq = Tracker("moving", "default"), several(frames)
    assert run_dataset([seq], [tracker]) == []
    assert files(tracker.results_dir) == [
        "two_1.txt",
        "two_1_time.txt",
        "two_2.txt",
        "two_2_time.txt",
    ]
    first, second = (
        np.loadtxt(Path(tracker.results_dir, f"two_{number}.txt")).astype(int).tolist()
        for number in (1, 2)
    )
    assert first == [[x, 10, 20, 20] for x in (10, 12, 13, 15, 16)]
    assert second == [
        [40, 30, 10, 10],
        [41, 30, 10, 10],
        [43, 30, 10, 10],
    ]  # from the frame on which it starts
    Path(tracker.results_dir, "two_2.txt").unlink()
    assert not results_exist(seq, tracker.results_dir)


def test_B20_scores_of_several_objects_begin_with_1_where_the_object_starts(spy, frames):
    spy.set(multiobj_mode="parallel", extra=lambda frame: {"object_presence_score": frame / 10})
    tracker = Tracker("moving", "default")
    assert run_dataset([several(frames)], [tracker]) == []
    first, second = (
        np.loadtxt(Path(tracker.results_dir, f"two_{number}_object_presence_scores.txt")).tolist()
        for number in (1, 2)
    )
    assert first == [1, 0.1, 0.2, 0.3, 0.4] and second == [1, 0.1, 0.2]


def test_B21_masks_are_indexed_images(spy, frames):
    spy.set(extra=lambda frame: {"segmentation": np.eye(60, 80, dtype=np.uint8) * frame})
    seq = single(frames)
    seq.init_data[0]["mask"] = np.zeros((60, 80), np.uint8)
    tracker = Tracker("moving", "default")
    assert run_dataset([seq], [tracker]) == []
    folder = Path(tracker.segmentation_dir, "one")
    assert files(folder) == [f"{number:05d}.png" for number in range(5)]
    for number in range(5):
        assert np.array_equal(imread_indexed(folder / f"{number:05d}.png"), np.eye(60, 80) * number)


def test_C01_call_order(spy, frames):
    out = Tracker("moving", "default").run_sequence(single(frames))
    assert [call[0] for call in spy.CALLS] == ["create", "initialize"] + ["track"] * 4
    _, image, info = spy.CALLS[1]
    assert (
        image.shape == (60, 80, 3)
        and image.dtype == np.uint8
        and info == {"init_bbox": [10.5, 10, 20, 20]}
    )
    assert image[0, 0].tolist() == [250, 0, 0]  # RGB
    assert spy.CALLS[2][2] == {"previous_output": {}}
    assert spy.CALLS[3][2] == {"previous_output": {"target_bbox": [12.1, 10, 20, 20]}}
    assert (
        out["target_bbox"][:2] == [[10.5, 10, 20, 20], [12.1, 10, 20, 20]] and len(out["time"]) == 5
    )
    assert out["object_presence_score"] == [1.0] and "segmentation" not in out
    assert out["image_shape"] == (60, 80) and out["object_presence_score_threshold"] == 0.55


@pytest.mark.parametrize(
    "debug, visualization, in_file, expected",
    [
        (None, None, (0, False), (0, False)),
        (None, None, (2, True), (2, True)),
        (0, None, (2, True), (0, False)),
        (1, None, (0, False), (1, True)),
        (False, None, (0, True), (0, False)),
        (1, False, (0, True), (1, False)),
    ],
)
def test_C02_debug_and_visualization(spy, frames, debug, visualization, in_file, expected):
    spy.set(debug=in_file[0], visualization=in_file[1])
    Tracker("moving", "default").run_sequence(
        single(frames[:1]),
        visualization=visualization,
        debug=debug,
        visdom_info={"use_visdom": False},
    )
    params = spy.CALLS[0][1]
    assert (params.debug, params.visualization) == expected


class Soft:
    """Follows nothing, but is sure of what is right of its box."""

    def __init__(self, params):
        pass

    def initialize(self, image, info):
        self.box = info["init_bbox"]

    def track(self, image, info=None):
        soft = np.full((4, 4), 0.4)
        soft[:, self.box[0] :] = 0.6 + self.box[0] / 10
        return {
            "target_bbox": self.box,
            "segmentation_soft": soft,
            "segmentation": np.ones((4, 4)),
            "best": 1,
        }


def test_C03_default_merge():
    wrapper = MultiObjectWrapper(Soft, TrackerParams())
    image = np.zeros((4, 4, 3), np.uint8)
    out = wrapper.initialize(
        image,
        {
            "object_ids": ["1", "7"],
            "init_object_ids": ["1", "7"],
            "sequence_object_ids": ["1", "7"],
            "init_bbox": OrderedDict({"1": [1, 0, 2, 2], "7": [2, 0, 2, 2]}),
        },
    )
    assert out["target_bbox"] == {"1": [1, 0, 2, 2], "7": [2, 0, 2, 2]} and set(out["time"]) == {
        "1",
        "7",
    }
    out = wrapper.track(image, {})
    assert out["target_bbox"] == {"1": [1, 0, 2, 2], "7": [2, 0, 2, 2]} and out["best"] == {
        "1": 1,
        "7": 1,
    }
    assert out["segmentation"].dtype == np.uint8
    assert (
        out["segmentation"].tolist() == [[0, 1, 7, 7]] * 4
    )  # 0.4 is below the threshold, 0.8 wins over 0.7
