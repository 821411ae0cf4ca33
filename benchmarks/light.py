"""Measure frames per second of the whole `track()` call, crop included, on one core at 1280x720.

    python -m benchmarks.light [--quick] [--network FILE] [--frames N] [--object PX] [--core K]

Rows: the light TransT with torch and with ONNX Runtime, OpenCV's CSRT and KCF where the installed
OpenCV has them (opencv-contrib-python in the place of opencv-python), and the full TransT. A
textured patch moves over a textured frame. Networks are put back on the target before each frame,
so that an untrained one cannot change its own work; time does not depend on the weights. Process
CPU time is what other programs on the machine disturb least; frames per second are 1 / its median.
The rival of the light network is CSRT, what one would run on a CPU without a network, and where
OpenCV does not have it, the full TransT.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.results import Results, Row, add_options
from benchmarks.rivals import make_opencv
from ltr.admin.errors import NotConfigured, run_script
from ltr.models.tracking import transt, transt_light
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.transt import light
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams

TARGET = 40  # frames/s of the light tracker


def main() -> None:
    """Measure each tracker and print its row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument(
        "--network", type=Path, help="a light network; default: the shipped one, or random weights"
    )
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--object", type=int, default=150, help="side of the target in px")
    parser.add_argument("--core", type=int, help="the core to run on; default: the last one")
    options = parser.parse_args()
    if options.quick:
        options.frames = 8
    use_one_core(options.core)
    frames, boxes = video(options.frames, options.object)
    found = Results(
        "light",
        options,
        f"one core; {len(frames)} frames of 1280x720, target of {options.object} px",
    )
    speeds: dict[str, tuple[float, float]] = {}  # frames/s, wall ms
    for name, parameters, make in trackers(options.network):
        name += f" ({parameters} M parameters)" if parameters else ""
        try:
            cpu, wall = measure(make(), frames, boxes)
        except NotConfigured as error:
            found.leave_out(name, str(error))
            continue
        speeds[name] = 1000 / cpu, wall
    rival = next((name for word in ("CSRT", "TransT (") for name in speeds if word in name), None)
    for name, (speed, wall) in speeds.items():
        ours = name.startswith("light")
        against = rival if ours else None
        found.add(
            Row(
                name,
                speed,
                speeds[against][0] if against else None,
                "frames/s",
                True,
                rival_is=against or "",
                limit=TARGET if ours else None,
                note=f"{wall:.1f} ms a frame of wall time",
            )
        )
    found.finish()


def use_one_core(core: int | None) -> None:
    """Pin the process and keep libraries from making threads."""
    if hasattr(os, "sched_setaffinity"):  # not on macOS
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if core is None else core})
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def video(count: int, side: int) -> tuple[list[np.ndarray], list[list[float]]]:
    """Frames of 720p and the true boxes of a square patch that swings around the middle."""
    rng = np.random.default_rng(0)

    def texture(width: int, height: int, grain: int) -> np.ndarray:
        seed = rng.integers(0, 256, (height // grain, width // grain, 3), dtype=np.uint8)
        return cv2.resize(seed, (width, height), interpolation=cv2.INTER_CUBIC)

    background, patch = texture(1280, 720, 8), texture(side, side, max(side // 8, 1))
    frames, boxes = [], []
    for index in range(count):
        x, y = (
            int(640 - side / 2 + 100 * np.sin(index / 15)),
            int(360 - side / 2 + 60 * np.sin(index / 10)),
        )
        frame = background.copy()
        top, left = max(y, 0), max(x, 0)
        frame[top : y + side, left : x + side] = patch[top - y : 720 - y, left - x : 1280 - x]
        frames.append(frame)
        boxes.append([float(x), float(y), float(side), float(side)])
    return frames, boxes


def trackers(network: Path | None) -> Iterator[tuple[str, str, Callable]]:
    """Name, parameters in millions and how to make it, of each tracker in the comparison."""
    path = network or light.SHIPPED
    wrapper = (
        NetWithBackbone(str(path.resolve()), use_gpu=False)
        if path.exists()
        else _wrapped(transt_light.transt_light())
    )
    wrapper.initialize()
    name = f"light ({path.name})" if path.exists() else "light (untrained)"
    yield f"{name}, torch", millions(wrapper.net), lambda: Matching(wrapper)
    yield f"{name}, ONNX Runtime", millions(wrapper.net), lambda: Matching(wrapper, "onnx")
    for rival in ("CSRT", "KCF"):
        yield f"OpenCV {rival}", "", lambda rival=rival: OpenCV(rival)
    full = transt.transt_resnet50(iou_head=True)
    yield "TransT (untrained)", millions(full), lambda: Matching(_wrapped(full))


class Matching:
    """A network of this project, put on the true box before each frame."""

    def __init__(self, wrapper: NetWithBackbone, backend: str = "torch"):
        parameters = TrackerParams()
        parameters.net, parameters.backend = wrapper, backend
        self.tracker = TransT(parameters)

    def start(self, frame: np.ndarray, box: list[float]) -> None:
        self.tracker.initialize(frame, {"init_bbox": box})

    def prepare(self, box: list[float]) -> None:
        self.tracker.center_pos = np.array(box[:2]) + np.array(box[2:]) / 2
        self.tracker.size = np.array(box[2:])

    def step(self, frame: np.ndarray) -> None:
        self.tracker.track(frame)


class OpenCV:
    """CSRT or KCF with OpenCV's default parameters."""

    def __init__(self, name: str):
        self.tracker = make_opencv(name)

    def start(self, frame: np.ndarray, box: list[float]) -> None:
        self.tracker.init(frame, tuple(int(value) for value in box))

    def prepare(self, box: list[float]) -> None:
        pass

    def step(self, frame: np.ndarray) -> None:
        self.tracker.update(frame)


def measure(
    runner: Matching | OpenCV, frames: list[np.ndarray], boxes: list[list[float]]
) -> tuple[float, float]:
    """Median CPU and wall milliseconds a frame, the first five left out; slow trackers get fewer
    frames.
    """
    runner.start(frames[0], boxes[0])
    cpu, wall, began = [], [], time.perf_counter()
    for index in range(1, len(frames)):
        runner.prepare(boxes[index - 1])
        before = time.process_time(), time.perf_counter()
        runner.step(frames[index])
        cpu.append(time.process_time() - before[0])
        wall.append(time.perf_counter() - before[1])
        if index >= 10 and time.perf_counter() - began > 20:
            break
    return 1000 * statistics.median(cpu[5:] or cpu), 1000 * statistics.median(wall[5:] or wall)


def _wrapped(net: torch.nn.Module) -> NetWithBackbone:
    net.eval().fold_norms()
    wrapper = NetWithBackbone("untrained", use_gpu=False)
    wrapper.net = net
    return wrapper


def millions(net: torch.nn.Module) -> str:
    """The number of parameters in millions, as text."""
    return f"{sum(parameter.numel() for parameter in net.parameters()) / 1e6:.1f}"


if __name__ == "__main__":
    run_script(main)
