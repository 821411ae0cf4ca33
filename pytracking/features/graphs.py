"""CUDA graphs: a network's hundreds of kernels are started at once, where starting each takes
longer than running it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

WARM_UP = 3  # calls before recording, in which libraries choose algorithms and caches are filled

Outputs = dict[str, Tensor]

_log = logging.getLogger(__name__)
_said: set[str] = set()


@dataclass(frozen=True)
class Recording:
    """A recorded call: where its inputs are put, how it runs, and where its outputs are
    afterwards.
    """

    inputs: tuple[Tensor, ...]
    replay: Callable[[], None]
    outputs: Outputs


class Graphs:
    """`function` of tensors with B rows, recorded once per shape and then replayed.

    The outputs are valid until the next call. B is filled up to a power of two, so that a batch
    that shrinks towards the end of a run needs few recordings. Where recording fails `function` is
    called as it is, after one log line.
    """

    def __init__(
        self, function: Callable[..., Outputs], record: Callable[..., Recording] | None = None
    ):
        self.function = function
        self.record = record or record_cuda
        self.recordings: dict[tuple, Recording] = {}
        self.usable = True

    def __call__(self, *inputs: Tensor) -> Outputs:
        if not self.usable:
            return self.function(*inputs)
        rows = len(inputs[0])
        full = 1 << (rows - 1).bit_length()
        key = (full, *((value.shape[1:], value.dtype) for value in inputs))
        if key not in self.recordings:
            try:
                self.recordings[key] = self.record(
                    self.function, [_filled(value, full) for value in inputs]
                )
            except (
                RuntimeError
            ) as error:  # what torch raises for everything that goes wrong on a GPU
                self.usable = False
                say_without(" ".join(str(error).split())[:200])
                return self.function(*inputs)
        recording = self.recordings[key]
        for place, value in zip(recording.inputs, inputs, strict=True):
            place[:rows].copy_(value, non_blocking=True)
        recording.replay()
        return {name: value[:rows] for name, value in recording.outputs.items()}


def record_cuda(function: Callable[..., Outputs], inputs: list[Tensor]) -> Recording:
    """Record `function(*inputs)` as a CUDA graph."""
    places = tuple(value.clone() for value in inputs)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            function(*places)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads read frames
        outputs = function(*places)
    return Recording(places, graph.replay, outputs)


def say_without(reason: str) -> None:
    """Log once why there are no graphs."""
    if reason not in _said:
        _said.add(reason)
        _log.warning(
            "CUDA graphs are not used: %s; tracking goes on without them, with the same results",
            reason,
        )


def _filled(value: Tensor, rows: int) -> Tensor:
    return (
        torch.cat([value, value[-1:].expand(rows - len(value), *value.shape[1:])])
        if len(value) < rows
        else value
    )
