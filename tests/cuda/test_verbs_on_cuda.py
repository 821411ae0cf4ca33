"""`label` and `suggest` on a rehearsed GPU give what they give on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytracking.features import net_wrappers
from spot_ext.boxes import formats
from spot_ext.propagate.labelling import LabelJob, label
from spot_ext.propagate.suggest import SuggestConfig, suggest
from spot_ext.propagate.trained_run import TrainedRun
from spot_ext.training import recipe
from tests.spot_ext.test_own_videos import COUNT, folder, network_file
from tests.support.cuda_rehearsal import rehearsal
from tests.support.small_recipes import small_recipe

__all__ = ["folder", "network_file"]

# The videos hold three objects, which are followed forwards and backwards over COUNT frames.
OBJECTS = 3

# Px by which boxes may move: kernels of the two devices sum in another order.
BOX_TOLERANCE = 0.1


@pytest.fixture(autouse=True)
def no_kept_networks(monkeypatch):
    """Tensors of a rehearsed GPU must not outlive their rehearsal."""
    monkeypatch.setattr(net_wrappers, "_networks", type(net_wrappers._networks)())
    net_wrappers._normalisation.cache_clear()
    yield
    net_wrappers._normalisation.cache_clear()


def run_label(folder: Path, network_file: Path, device: str, **options) -> dict:
    """Label the folder's videos; returns the boxes of every object."""
    out = folder / device
    job = LabelJob(
        folder / "videos",
        folder / "few.csv",
        out,
        net=str(network_file),
        device=device,
        **options,
    )
    summary = label(job)
    assert not summary["failed"]
    boxes = {}
    for video in formats.read(out / "boxes.csv", "csv"):
        for item in video.objects:
            boxes[video.video, item.object_id] = item.boxes_xywh
    return boxes


def assert_same_boxes(gpu: dict, cpu: dict) -> None:
    assert gpu.keys() == cpu.keys()
    for name, boxes in cpu.items():
        assert gpu[name] == pytest.approx(boxes, abs=BOX_TOLERANCE), name


def test_label_on_a_gpu(folder, network_file):
    cpu = run_label(folder, network_file, "cpu", adapt=False)
    with rehearsal() as log:
        gpu = run_label(folder, network_file, "cuda", adapt=False)
    assert_same_boxes(gpu, cpu)
    # One wait for each object, frame and direction, at most; the weights are uploaded besides.
    assert 0 < log.count("to host") <= 2 * OBJECTS * COUNT, log.text()
    assert log.count("item", "mask", "synchronize") == 0, log.text()
    # Templates, one at each of the four key frames, are not pinned.
    assert log.count("pageable") <= 4, log.text()


@pytest.mark.slow
def test_label_adapts_the_network_on_a_gpu(folder, network_file):
    cpu = run_label(folder, network_file, "cpu", epochs=1)
    with rehearsal():
        gpu = run_label(folder, network_file, "cuda", epochs=1)
    # The adaptation drops out attention weights, which a GPU draws from another generator.
    assert gpu.keys() == cpu.keys()
    for name, boxes in cpu.items():
        assert gpu[name].shape == boxes.shape


def test_suggest_on_a_gpu(make_settings, tree):
    config = small_recipe("transt_sparse", tree)
    trained = recipe.train(make_settings("run", device="cpu"), config)
    run_folder = trained.pool.store_folder.parent
    options = SuggestConfig(6, 2)
    cpu = suggest(TrainedRun.open(run_folder, "cpu"), options)
    with rehearsal() as log:
        gpu = suggest(TrainedRun.open(run_folder, "cuda"), options)
    assert [_frame(suggestion) for suggestion in gpu] == [_frame(suggestion) for suggestion in cpu]
    assert len(cpu) == 6
    assert log.waits() > 0


def _frame(suggestion) -> str:
    return json.dumps(vars(suggestion), default=str, sort_keys=True).split("score")[0]
