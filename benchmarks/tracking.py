"""Measure whole `track()` calls against the reference's way of running the same network.

    python -m benchmarks.tracking            # on one and two threads, several sequences at once
    python -m benchmarks.tracking --gpu      # fp32, tf32, bf16, CUDA graphs, 32 sequences at once
    python -m benchmarks.tracking --quick    # small networks, seconds: shows that it runs

The networks are full size with random weights, which cost the time of trained ones. The rival runs
the same weights as the reference does: eager fp32, `nn.MultiheadAttention` that also returns its
weights, batch norms apart, position codes and constants made anew for every frame, gradients
recorded. Both trackers are put back on the target before each frame of a 1280x720 video, take
turns, and have to return the same box.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.light import video
from benchmarks.results import Results, Row, add_options
from ltr.admin.errors import BadInput, run_script
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.models.backbone.vit_blocks import JointAttention
from ltr.models.neck.featurefusion_network import Attention
from ltr.models.neck.position_encoding import PositionEmbeddingSine
from ltr.models.tracking import ocean, ostrack, transt
from ltr.parallel.cores import usable_cores
from ltr.parallel.precision import set_tf32
from pytracking.features import precision
from pytracking.features.net_wrappers import MEMORY_FORMAT, NetWithBackbone
from pytracking.parameter.transt import light
from pytracking.tracker.base import MatchingTracker
from pytracking.tracker.ocean import Ocean
from pytracking.tracker.ostrack import OSTrack
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams

SAME_PX = 0.1  # boxes of ours and the rival's may differ by
RIVAL = (
    "the same weights in eager fp32: nn.MultiheadAttention returning weights, batch norms apart, "
    "per-frame position codes "
    "and constants, gradients recorded"
)


@dataclass(frozen=True)
class Subject:
    """A tracker to measure and the network it runs."""

    name: str
    kind: type[MatchingTracker]
    net: nn.Module


@dataclass(frozen=True)
class Footage:
    """The video and where the target is in it."""

    frames: list[np.ndarray]
    boxes_xywh: list[list[float]]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    options = parser.parse_args(arguments)
    if options.gpu and not torch.cuda.is_available():
        raise BadInput(
            "torch sees no GPU: run --gpu on a machine with one, or leave it out for the CPU part"
        )
    count = 4 if options.quick else 200 if options.gpu else 24
    footage = Footage(*video(count, 150))
    found = Results(
        "tracking",
        options,
        f"{count} frames of 1280x720, a target of 150 px, crop and all; medians of frames",
    )
    threads = torch.get_num_threads()
    try:
        (on_gpu if options.gpu else on_cpu)(found, subjects(options.quick), footage, options.quick)
    finally:
        torch.set_num_threads(threads)
    found.finish()


def subjects(small: bool) -> list[Subject]:
    """Return TransT, Ocean and OSTrack with random weights, always the same."""
    torch.manual_seed(0)
    if small:
        return [
            Subject("TransT (small)", TransT, transt.transt_small().eval()),
            Subject("Ocean (small)", Ocean, ocean.ocean_small().eval()),
            Subject("OSTrack (small)", OSTrack, ostrack.ostrack_small().eval()),
        ]
    return [
        Subject("TransT", TransT, transt.transt_resnet50(iou_head=True).eval()),
        Subject("Ocean", Ocean, ocean.ocean_resnet50(frozen_backbone_layers=()).eval()),
        Subject("OSTrack", OSTrack, ostrack.ostrack(iou_head=True).eval()),
    ]


def on_cpu(found: Results, measured: list[Subject], footage: Footage, quick: bool) -> None:
    """Ours and the rival on one and two threads, then several sequences at once."""
    cpu = torch.device("cpu")
    for threads in (1, 2)[: usable_cores()]:
        torch.set_num_threads(threads)
        for subject in measured:
            rival = Rival(subject, cpu)
            compare(
                found,
                f"{subject.name}, {_threads(threads)}",
                Ours(subject, cpu),
                rival,
                footage,
                target=2,
            )
            if precision.usable("bf16", cpu) == "bf16":
                compare(
                    found,
                    f"{subject.name} in bf16, {_threads(threads)}",
                    Ours(subject, cpu, "bf16"),
                    rival,
                    footage,
                )
    batched = [*measured[:1], Subject("light TransT", TransT, _light(quick))]
    for subject in batched:
        together(found, subject, (1, 4, 8), footage, cpu)


def on_gpu(found: Results, measured: list[Subject], footage: Footage, quick: bool) -> None:
    """Ours and the rival on the current GPU: one sequence in several ways, and 32 at once in the
    fastest.
    """
    gpu = torch.device("cuda", torch.cuda.current_device())
    # The rival computes in fp32, where torch's own default for convolutions is TF32.
    set_tf32(gpu, "fp32")
    for subject in measured:
        rival = Rival(subject, gpu)
        for numbers, graphs in itertools.product(("fp32", "tf32", "bf16"), (False, True)):
            name = f"{subject.name}, {numbers}{', CUDA graphs' if graphs else ''}"
            compare(
                found,
                name,
                Ours(subject, gpu, numbers, graphs),
                rival,
                footage,
                target=4 if graphs and numbers == "bf16" else None,
            )
        together(found, subject, (1, 8, 32), footage, gpu, target=5)


class Ours:
    """The tracker as `run_tracker` runs it."""

    def __init__(
        self, subject: Subject, device: torch.device, numbers: str = "fp32", graphs: bool = False
    ):
        net = copy.deepcopy(subject.net)
        net.fold_norms()
        numbers = precision.usable(numbers, device)
        self.exact = numbers == "fp32"
        if precision.DTYPES[numbers] != torch.float32:
            precision.lower(net, precision.DTYPES[numbers])
        wrapper = NetWithBackbone("random weights", use_gpu=device.type == "cuda")
        wrapper.net, wrapper.device = net.to(device, memory_format=MEMORY_FORMAT), device
        parameters = TrackerParams()
        parameters.net, parameters.precision, parameters.graphs = wrapper, numbers, graphs
        self.tracker = subject.kind(parameters)


class Rival:
    """The tracker as the reference runs it."""

    exact = True

    def __init__(self, subject: Subject, device: torch.device):
        net = copy.deepcopy(subject.net)
        for module in list(net.modules()):
            for name, child in module.named_children():
                if isinstance(child, Attention):
                    setattr(module, name, WeighedAttention(child))
                if isinstance(child, JointAttention):
                    setattr(module, name, WholeAttention(child))
        wrapper = NetWithBackbone("random weights", use_gpu=device.type == "cuda")
        wrapper.net, wrapper.device = net.to(device).requires_grad_(True), device
        parameters = TrackerParams()
        parameters.net = wrapper
        self.tracker = type("Plain", (Plain, subject.kind), {})(parameters)


class WeighedAttention(nn.Module):
    """`nn.MultiheadAttention` with the weights of ours, which also computes the mean of its
    attention maps.
    """

    def __init__(self, ours: Attention):
        super().__init__()
        self.inner = nn.MultiheadAttention(ours.out_proj.in_features, ours.nhead)
        self.inner.load_state_dict(ours.state_dict())
        self.inner.eval()

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, ignored: Tensor | None = None
    ) -> Tensor:
        turned = (x.transpose(0, 1) for x in (query, key, value))
        return self.inner(*turned, key_padding_mask=ignored)[0].transpose(0, 1)


class WholeAttention(nn.Module):
    """OSTrack's attention with its whole matrix in memory, as the reference has it."""

    def __init__(self, ours: JointAttention):
        super().__init__()
        self.inner = ours

    def forward(self, tokens: Tensor, rows: slice | None) -> tuple[Tensor, Tensor | None]:
        query, key, value = (
            part.unflatten(-1, (self.inner.nheads, -1)).transpose(1, 2)
            for part in self.inner.qkv(tokens).chunk(3, -1)
        )
        weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
        interest = None if rows is None else weights[:, :, rows].mean(2).mean(1)
        return self.inner.proj((weights @ value).transpose(1, 2).flatten(-2)), interest


class Plain:
    """Does on a frame what the reference does; mixed into a tracker."""

    def initialize(self, image: np.ndarray, info: dict) -> dict:
        super().initialize(image, info)
        crop = self.get_subwindow(
            image, self.center_pos, self.template_size, self.template_side(), self.channel_average
        )
        self.encoded = self.net.net.encode_template(self._normalised(crop))
        return {}

    def track(self, image: np.ndarray, info: dict | None = None) -> dict:
        self.side = self.search_side()
        crop = self.get_subwindow(
            image, self.center_pos, self.search_size, self.side, self.channel_average
        )
        for module in self.net.net.modules():
            if isinstance(module, PositionEmbeddingSine):
                module._codes.clear()
        outputs = self.net.net.match(self.encoded, self._normalised(crop))
        return self._checked_follow(self.read(outputs)[0].detach().cpu().numpy(), image.shape)

    def _normalised(self, crop: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(values).view(1, 3, 1, 1).to(self.net.device)
            for values in (IMAGENET_MEAN, IMAGENET_STD)
        )
        return (crop.contiguous().to(self.net.device) / 255 - mean) / std


def compare(
    found: Results,
    name: str,
    ours: Ours,
    rival: Rival,
    footage: Footage,
    target: float | None = None,
) -> None:
    """A row with the frames per second of both, which take turns; BadInput when their boxes differ
    and should not.
    """
    runners, times, apart = (ours, rival), ([], []), 0.0
    for runner in runners:
        runner.tracker.initialize(footage.frames[0], {"init_bbox": footage.boxes_xywh[0]})
    for index in range(1, len(footage.frames)):
        boxes = []
        for runner, seconds in zip(runners, times, strict=True):
            _place(runner.tracker, footage.boxes_xywh[index - 1])
            output, elapsed = _timed(runner.tracker.track, footage.frames[index])
            seconds.append(elapsed)
            boxes.append(np.array(output["target_bbox"]))
        apart = max(apart, float(np.abs(boxes[0] - boxes[1]).max()))
        if sum(times[0]) + sum(times[1]) > found.seconds_left / 4:
            break
    if ours.exact and apart > SAME_PX:
        raise BadInput(
            f"{name}: boxes differ from the rival's by {apart:.2f} px, {SAME_PX} px are allowed - "
            "mend that before "
            "looking at speeds"
        )
    found.add(
        Row(
            name,
            *(1 / _median(seconds) for seconds in times),
            unit="frames/s",
            higher_is_better=True,
            target=target,
            rival_is=RIVAL,
            note=f"boxes differ by {apart:.2g} px at most",
        )
    )


def together(
    found: Results,
    subject: Subject,
    sizes: Sequence[int],
    footage: Footage,
    device: torch.device,
    target: float | None = None,
) -> None:
    """Rows with sequences x frames per second of so many sequences at once, next to one at a
    time.
    """
    gpu = device.type == "cuda"
    ours = Ours(subject, device, "bf16" if gpu else "fp32", graphs=gpu)
    alone = None
    for size in sizes:
        trackers = [copy.copy(ours.tracker) for _ in range(size)]
        for tracker in trackers:
            tracker.net = copy.copy(ours.tracker.net)
            tracker.initialize(footage.frames[0], {"init_bbox": footage.boxes_xywh[0]})
        seconds = _passes(trackers, footage, found.seconds_left / 8)
        rate = size / _median(seconds)
        alone = rate if size == 1 else alone
        found.add(
            Row(
                f"{subject.name}, {size} {'sequence' if size == 1 else 'sequences at once'}",
                rate,
                None if size == 1 else alone,
                "sequences x frames/s",
                higher_is_better=True,
                target=target if size == max(sizes) else None,
                rival_is="" if size == 1 else "ours, one sequence",
            )
        )


def _passes(trackers: list[MatchingTracker], footage: Footage, limit: float) -> list[float]:
    """Seconds of each step of all `trackers` together, `limit` seconds at most."""
    many, seconds = type(trackers[0]).track_many, []
    for index in range(1, len(footage.frames)):
        for tracker in trackers:
            _place(tracker, footage.boxes_xywh[index - 1])
        image = footage.frames[index]
        call = (
            (trackers[0].track, image)
            if len(trackers) == 1
            else (many, trackers, [image] * len(trackers))
        )
        seconds.append(_timed(*call)[1])
        if sum(seconds) > limit:
            break
    return seconds


def _place(tracker: MatchingTracker, box: list[float]) -> None:
    tracker.center_pos, tracker.size = np.array(box[:2]) + np.array(box[2:]) / 2, np.array(box[2:])


def _timed(call: Callable, *arguments) -> tuple[Any, float]:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    output = call(*arguments)  # ends with the outputs on the CPU
    return output, time.perf_counter() - start


def _median(seconds: list[float]) -> float:
    """The first ones, in which memory is taken and kernels are chosen, left out where there are
    enough.
    """
    return statistics.median(seconds[len(seconds) // 4 :])


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _light(quick: bool) -> nn.Module:
    from ltr.models.tracking.transt_light import transt_light

    if quick or not light.SHIPPED.is_file():
        return transt_light(
            hidden_dim=32, dim_feedforward=64, featurefusion_layers=1, template_sz=49, search_sz=97
        ).eval()
    from pytracking.utils.loading import load_network

    return load_network(light.SHIPPED).eval()


if __name__ == "__main__":
    run_script(main)
