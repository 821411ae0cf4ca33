"""Tracking on a rehearsed GPU gives the CPU's boxes, and the host waits once for a frame."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ltr.io.checkpoint import write_checkpoint
from ltr.models.tracking.ocean import ocean_small
from ltr.models.tracking.transt import transt_small
from ltr.models.tracking.transt_light import transt_light
from pytracking.evaluation import get_dataset, workers
from pytracking.evaluation.network_tracker import NetworkTracker
from pytracking.evaluation.running import run_dataset
from pytracking.features import net_wrappers
from tests.support.cuda_rehearsal import WaitLog, rehearsal

NETWORKS: dict[str, tuple[str, str, Callable]] = {
    "transt": (
        "transt",
        "transt50",
        functools.partial(transt_small, width=4, hidden_dim=16, nheads=2, dim_feedforward=16),
    ),
    "ocean": (
        "ocean",
        "ocean",
        functools.partial(ocean_small, width=4, channels=8, depth=1),
    ),
    "light": (
        "transt",
        "light",
        functools.partial(
            transt_light,
            hidden_dim=32,
            dim_feedforward=64,
            featurefusion_layers=1,
            template_sz=49,
            search_sz=97,
        ),
    ),
}
# Px by which boxes may move: fp32 in another order of sums, and in few digits.
BOX_TOLERANCE = {"fp32": 0.02, "tf32": 0.5, "bf16": 3.0}

FRAMES = 6

# A frame costs the host one wait, for the table of all positions, and one upload, of the crop.
WAITS_PER_FRAME = 1
UPLOADS_PER_FRAME = 1


@pytest.fixture(scope="session")
def network_files(tmp_path_factory) -> dict[str, Path]:
    """A file of random weights for each network."""
    files = {}
    for name, (_, _, build) in NETWORKS.items():
        torch.manual_seed(0)
        net = build()
        files[name] = tmp_path_factory.mktemp("networks") / f"{name}.pth.tar"
        state = {"net": net.state_dict(), "constructor": net.constructor, "net_info": net.info}
        write_checkpoint(files[name], state)
    return files


@pytest.fixture(autouse=True)
def no_kept_networks(monkeypatch):
    """Tensors of a rehearsed GPU must not outlive their rehearsal."""
    monkeypatch.setattr(net_wrappers, "_networks", type(net_wrappers._networks)())
    monkeypatch.setattr(net_wrappers, "_recorded", type(net_wrappers._recorded)())
    net_wrappers._normalisation.cache_clear()
    yield
    net_wrappers._normalisation.cache_clear()


@pytest.fixture
def images() -> np.ndarray:
    """A textured square that moves to the right over noise."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (FRAMES, 90, 120, 3), np.uint8)
    target = rng.integers(0, 256, (20, 24, 3), np.uint8)
    for index, frame in enumerate(frames):
        frame[30:50, 30 + 3 * index : 54 + 3 * index] = target
    return frames


def follow(
    network: str, file: Path, images: np.ndarray, device: str, log: WaitLog | None = None, **speed
) -> tuple[np.ndarray, list[WaitLog]]:
    """Return the boxes of all frames but the first, and the log of each."""
    tracker_name, parameters, _ = NETWORKS[network]
    wrapped = NetworkTracker(tracker_name, parameters, file, device=device)
    params = wrapped.get_parameters()
    params.float_boxes = True
    for name, value in speed.items():
        setattr(params, name, value)
    tracker = wrapped.create_tracker(params)
    tracker.initialize(images[0], {"init_bbox": [30, 30, 24, 20]})
    boxes, logs = [], []
    for image in images[1:]:
        with (log or WaitLog()).counting() as frame_log:
            boxes.append(tracker.track(image)["target_bbox"])
        logs.append(frame_log)
    return np.array(boxes), logs


def assert_near(boxes: np.ndarray, expected: np.ndarray, precision: str) -> None:
    """In few digits only the first box is compared.

    With random weights many positions score alike, so that a rounding error decides between them;
    the next search region then lies elsewhere.
    """
    count = len(expected) if precision == "fp32" else 1
    np.testing.assert_allclose(
        boxes[:count], expected[:count], rtol=0, atol=BOX_TOLERANCE[precision]
    )


SPEEDS = [
    {},
    {"graphs": True},
    {"precision": "tf32"},
    {"precision": "bf16"},
    {"precision": "bf16", "graphs": True},
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("speed", SPEEDS, ids=str)
def test_boxes_and_waits_of_a_frame(network, speed, network_files, images):
    expected, _ = follow(network, network_files[network], images, "cpu")
    with rehearsal(tf32=True) as log:
        boxes, logs = follow(network, network_files[network], images, "cuda:0", log, **speed)
    assert_near(boxes, expected, speed.get("precision", "fp32"))
    # The first frame chooses algorithms and records the graph.
    for frame_log in logs[1:]:
        assert frame_log.waits() <= WAITS_PER_FRAME, frame_log.text()
        assert frame_log.uploads() <= UPLOADS_PER_FRAME, frame_log.text()
        assert frame_log.count("pageable") == 0, frame_log.text()


@pytest.mark.parametrize("network", NETWORKS)
def test_graphs_on_a_gpu_that_is_not_the_current_one_are_not_stale(
    network, network_files, images, capsys, caplog
):
    expected, _ = follow(network, network_files[network], images, "cpu")
    with rehearsal(devices=2):
        boxes, _ = follow(network, network_files[network], images, "cuda:1", graphs=True)
        assert torch.cuda.current_device() == 0
    assert_near(boxes, expected, "fp32")
    assert "The CUDA Graph is empty" not in capsys.readouterr().err
    assert "CUDA graphs are not used" not in caplog.text


NAMES = [f"GOT-10k_Val_{number:06d}" for number in range(1, 4)]


@pytest.fixture
def dataset(machine, trees):
    """Three sequences of 3, 4 and 5 frames."""
    split = machine.got10k_path / "val"
    for length, name in enumerate(NAMES, start=3):
        trees.write_got10k(split, [name], frames=length)
        rng = np.random.default_rng(length)
        for file in sorted((split / name).glob("*.jpg")):
            cv2.imwrite(str(file), rng.integers(0, 256, (60, 80, 3), np.uint8))
    (split / "list.txt").write_text("\n".join(NAMES) + "\n")
    return get_dataset("got10k_val")


class FloatBoxesTracker(NetworkTracker):
    """Writes results with decimals."""

    def get_parameters(self):
        params = super().get_parameters()
        params.float_boxes = True
        return params


def results(dataset, network: str, file: Path, folder: Path, device: str, **options) -> np.ndarray:
    """Run the tracker on all sequences; returns their boxes, one below the other."""
    tracker_name, parameters, _ = NETWORKS[network]
    tracker = FloatBoxesTracker(tracker_name, parameters, file, folder, device=device)
    failures = run_dataset(dataset, [tracker], quiet=True, **options)
    assert not failures
    tables = [np.loadtxt(Path(tracker.results_dir) / f"{name}.txt", ndmin=2) for name in NAMES]
    return np.concatenate(tables)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("batch", [1, 3])
def test_many_sequences_on_a_gpu(network, batch, dataset, network_files, tmp_path):
    file = network_files[network]
    expected = results(dataset, network, file, tmp_path / "cpu", "cpu")
    with rehearsal() as log:
        boxes = results(dataset, network, file, tmp_path / "gpu", "cuda", batch=batch)
    np.testing.assert_allclose(boxes, expected, rtol=0, atol=0.01)
    assert log.count("to host") > 0


@pytest.mark.slow
def test_worker_processes_are_dealt_to_the_gpus(dataset, network_files, tmp_path, monkeypatch):
    # A forked worker is in the rehearsal, a spawned one would not be.
    fork = workers.multiprocessing.get_context("fork")
    monkeypatch.setattr(workers.multiprocessing, "get_context", lambda _: fork)
    file = network_files["transt"]
    expected = results(dataset, "transt", file, tmp_path / "cpu", "cpu")
    with rehearsal(devices=2):
        boxes = results(dataset, "transt", file, tmp_path / "gpu", "cuda", threads=2)
    np.testing.assert_allclose(boxes, expected, rtol=0, atol=0.01)
