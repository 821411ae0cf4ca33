"""Many sequences at once: the same boxes as one by one, and a sequence that fails leaves the others
alone.
"""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.models.tracking.ocean import ocean_small
from ltr.models.tracking.transt import transt_small
from ltr.models.tracking.transt_light import transt_light
from pytracking.evaluation import Tracker, batch, get_dataset
from pytracking.evaluation.running import run_dataset
from pytracking.features.net_wrappers import NetWithBackbone

NETWORKS = {
    "transt": lambda: transt_small(width=4, hidden_dim=16, nheads=2, dim_feedforward=16),
    "light": lambda: transt_light(
        hidden_dim=32, dim_feedforward=64, featurefusion_layers=1, template_sz=49, search_sz=97
    ),
    "ocean": lambda: ocean_small(width=4, channels=8, depth=1),
}
PARAMETERS = {
    "transt": ("transt", "transt50"),
    "light": ("transt", "light"),
    "ocean": ("ocean", "ocean"),
}
NAMES = [f"GOT-10k_Val_{number:06d}" for number in range(1, 6)]


class Tracking(Tracker):
    """A tracker whose network is given; results keep decimals."""

    def __init__(self, name: str, folder: Path):
        super().__init__(*PARAMETERS[name])
        torch.manual_seed(0)
        self.net = NETWORKS[name]().eval()
        self.results_dir = str(folder)

    def get_parameters(self):
        params = super().get_parameters()
        params.net = NetWithBackbone("given", use_gpu=False)
        params.net.net, params.float_boxes = self.net, True
        return params

    def check(self):
        pass


@pytest.fixture
def dataset(machine, trees):
    for length, name in enumerate(NAMES, start=2):  # 2 to 6 frames: they end at different times
        trees.write_got10k(machine.got10k_path / "val", [name], frames=length)
        patch, rng = (
            np.random.default_rng(length).integers(0, 256, (20, 20, 3), np.uint8),
            np.random.default_rng(9),
        )
        for index, file in enumerate(sorted((machine.got10k_path / "val" / name).glob("*.jpg"))):
            picture = rng.integers(0, 256, (60, 80, 3), np.uint8)
            picture[10:30, 10 + length * index : 30 + length * index] = patch
            cv2.imwrite(str(file), picture)
    (machine.got10k_path / "val/list.txt").write_text("\n".join(NAMES) + "\n")
    return get_dataset("got10k_val")


def boxes(folder: Path) -> dict[str, np.ndarray]:
    return {
        name: np.loadtxt(folder / f"{name}.txt", ndmin=2)
        for name in NAMES
        if (folder / f"{name}.txt").exists()
    }


@pytest.mark.parametrize("name", list(NETWORKS))
@pytest.mark.parametrize("size", [2, 3, 8])
def test_a_batch_gives_the_boxes_of_single_runs(dataset, tmp_path, name, size):
    assert run_dataset(dataset, [Tracking(name, tmp_path / "alone")], quiet=True) == []
    assert run_dataset(dataset, [Tracking(name, tmp_path / "batch")], quiet=True, batch=size) == []
    alone, together = boxes(tmp_path / "alone"), boxes(tmp_path / "batch")
    assert list(alone) == list(together) == NAMES
    for sequence in NAMES:
        np.testing.assert_allclose(together[sequence], alone[sequence], atol=0.1)
        times = np.loadtxt(tmp_path / "batch" / f"{sequence}_time.txt")
        assert len(times) == len(alone[sequence]) and (times > 0).all()


def test_a_sequence_that_fails_leaves_the_others_alone(dataset, machine, tmp_path):
    (machine.got10k_path / "val" / NAMES[2] / "00000002.jpg").write_bytes(b"no picture")
    failures = run_dataset(dataset, [Tracking("transt", tmp_path)], quiet=True, batch=3)
    assert [failure.sequence for failure in failures] == [NAMES[2]] and "00000002.jpg" in failures[
        0
    ].message
    assert list(boxes(tmp_path)) == [name for name in NAMES if name != NAMES[2]]


def test_a_network_that_diverges_on_one_target_leaves_the_others_alone(
    dataset, tmp_path, monkeypatch
):
    tracker, follow = (
        Tracking("transt", tmp_path),
        Tracking("transt", tmp_path).tracker_class.follow,
    )
    calls = []

    def failing(self, table, shape):
        calls.append(None)
        if len(calls) == 2:
            raise BadInput("lost")
        return follow(self, table, shape)

    monkeypatch.setattr(tracker.tracker_class, "follow", failing)
    failures = run_dataset(dataset, [tracker], quiet=True, batch=3)
    assert [(failure.sequence, failure.message) for failure in failures] == [(NAMES[1], "lost")]
    assert list(boxes(tmp_path)) == [name for name in NAMES if name != NAMES[1]]


def test_a_crop_that_cannot_be_cut_leaves_the_others_alone(dataset, tmp_path, monkeypatch):
    tracker = Tracking("transt", tmp_path)
    side = tracker.tracker_class.search_side

    def failing(self):
        if self.center_pos[0] > 50:
            raise BadInput("gone")
        return side(self)

    def follow(self, table, shape):
        return {"target_bbox": self._move(self.center_pos + np.array([8, 0]), self.size, shape)}

    monkeypatch.setattr(tracker.tracker_class, "search_side", failing)
    monkeypatch.setattr(
        tracker.tracker_class, "follow", follow
    )  # from x 20.5 on, past 50 after four frames
    failures = run_dataset(dataset, [tracker], quiet=True, batch=3)
    assert [(failure.sequence, failure.message) for failure in failures] == [(NAMES[4], "gone")]
    assert list(boxes(tmp_path)) == NAMES[:4]


@pytest.mark.parametrize(
    "error, words",
    [
        (ValueError("odd"), "ValueError: odd"),
        (torch.OutOfMemoryError("full"), "no GPU memory for 3 sequences .* smaller --batch"),
    ],
)
def test_a_network_that_fails_is_told_for_each_sequence(
    dataset, tmp_path, error, words, monkeypatch
):
    tracker = Tracking("transt", tmp_path)

    def match(templates, search):
        raise error

    monkeypatch.setattr(type(tracker.net), "match", staticmethod(match))
    failures = run_dataset(dataset, [tracker], quiet=True, batch=3)
    assert [failure.sequence for failure in failures] == NAMES and re.search(
        words, failures[0].message
    )


def test_a_sequence_that_ends_makes_room_for_the_next(dataset, tmp_path, monkeypatch):
    answers, steps = batch._answers, []
    monkeypatch.setattr(
        batch,
        "_answers",
        lambda active: steps.append("".join(run.seq.name[-1] for run in active)) or answers(active),
    )
    tracker = Tracking("transt", tmp_path)
    ended = [run.seq.name[-1] for run in batch.track_many([(seq, tracker) for seq in dataset], 2)]
    assert steps == ["12", "23", "34", "34", "45", "45", "5", "5", "5"] and ended == list("12345")


def test_a_tracker_without_track_many_is_named(got10k):
    with pytest.raises(BadInput, match="tracker moving cannot follow several sequences at once"):
        run_dataset(get_dataset("got10k_val"), [Tracker("moving", "default")], batch=2)


def test_overwrite_runs_what_has_results(got10k, calls):
    tracker = Tracker("moving", "default")
    for overwrite, created in ((False, 2), (False, 2), (True, 4)):
        run_dataset(get_dataset("got10k_val"), [tracker], overwrite=overwrite, quiet=True)
        assert [call[0] for call in calls].count("create") == created
