"""Our trackers in the experiments of the got10k toolkit, and its numbers beside ours."""

import cv2
import numpy as np
import pytest
from PIL import Image

from ltr.admin.errors import BadInput
from pytracking.analysis.got10k import got10k_table
from pytracking.evaluation.datasets import get_dataset
from pytracking.evaluation.got10k_adapter import Got10kTracker
from pytracking.evaluation.tracker import Tracker


@pytest.fixture(scope="module")
def toy_root(tmp_path_factory):
    from spot_ext.rendering.drawn import ensure

    root = tmp_path_factory.mktemp("toy")
    ensure(root, seed=3, splits={"val": 3, "test": 1}, size=(160, 120), frames=(12, 14), workers=1)
    return root


@pytest.fixture
def toy(machine, toy_root):
    machine.got10k_path.symlink_to(toy_root)
    return machine


def experiment(toy, **options):
    experiments = pytest.importorskip(
        "got10k.experiments", reason='needs pip install "spot-tracking[got10k]"'
    )
    return experiments.ExperimentGOT10k(
        str(toy.got10k_path),
        result_dir=str(toy.root / "results"),
        report_dir=str(toy.root / "reports"),
        **options,
    )


def test_toolkit_runs_our_tracker_and_scores_it_as_we_do(toy):
    ours = Tracker("moving", "default", 2)
    adapter = Got10kTracker(ours)
    validation = experiment(toy, subset="val")
    validation.run(adapter)
    performance = validation.report([adapter.name])["moving_default_002"]
    ours.results_dir = str(toy.root / "results" / "GOT-10k" / adapter.name)
    (row,) = got10k_table([ours], get_dataset("got10k_val"))
    assert 0.05 < row.ao < 0.95 and len(row.sequences) == 3
    assert (row.ao, row.sr50) == pytest.approx(
        (performance["overall"]["ao"], performance["overall"]["sr"]), abs=1e-12
    )


def test_same_images_and_boxes_as_in_our_own_run(toy, calls):
    ours = Tracker("moving", "default")
    for sequence in get_dataset("got10k_val"):
        calls.clear()
        boxes, seconds = Got10kTracker(ours).track(sequence.frames, sequence.ground_truth_rect[0])
        assert boxes.tolist() == ours.run_sequence(sequence)["target_bbox"]
        assert seconds.shape == (len(sequence.frames),) and (seconds > 0).all()
        images = [image for name, image, _ in calls if name != "create"]
        np.testing.assert_array_equal(images[: len(boxes)], images[len(boxes) :])


def test_test_split_is_packed_for_the_server(toy, monkeypatch):
    split = experiment(toy, subset="test")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    adapter = Got10kTracker(Tracker("moving", "default"), name="mine")
    split.run(adapter)
    split.report([adapter.name])
    assert (toy.root / "results" / "GOT-10k" / "mine.zip").is_file()


def test_init_and_update_take_pil_images_in_any_mode(machine, calls):
    adapter = Got10kTracker(Tracker("moving", "default"), is_deterministic=False)
    adapter.init(Image.new("RGB", (8, 6), (200, 20, 10)), np.array([1, 2, 3, 4]))
    assert adapter.update(Image.new("L", (8, 6), 7)).tolist() == [2.6, 2, 3, 4]
    (_, params, _), (_, first, info), (_, second, more) = calls
    assert (params.debug, params.visualization, adapter.is_deterministic) == (0, False, False)
    assert (
        first.shape == (6, 8, 3)
        and first[0, 0].tolist() == [200, 20, 10]
        and second[0, 0].tolist() == [7, 7, 7]
    )
    assert info == {"init_bbox": [1, 2, 3, 4]} and list(more) == ["previous_output"]


def test_times_the_tracker_reports_are_kept(machine, monkeypatch):
    ours = Tracker("moving", "default")
    params = ours.get_parameters()
    params.start_output, params.extra = {"time": 0.5}, lambda frame: {"time": 0.25}
    monkeypatch.setattr(ours, "get_parameters", lambda: params)
    files = [str(machine.root / f"{number}.png") for number in range(3)]
    for file in files:
        cv2.imwrite(file, np.zeros((6, 8, 3), np.uint8))
    assert Got10kTracker(ours).track(files, [1, 2, 3, 4])[1].tolist() == [0.5, 0.25, 0.25]


def test_update_before_init(machine):
    with pytest.raises(BadInput, match=r"update\(\) was called before init\(\)"):
        Got10kTracker(Tracker("moving", "default")).update(np.zeros((6, 8, 3), np.uint8))
