"""Start a network's hundreds of kernels at once, as a CUDA graph.

At one frame at a time starting each kernel takes longer than running it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

# Calls before recording, in which libraries choose algorithms and caches are filled.
WARM_UP_CALLS = 3

# The log line about a failed recording quotes this many characters of torch's error.
_QUOTED_CHARACTERS = 200

Outputs = dict[str, Tensor]

_log = logging.getLogger(__name__)
_said: set[str] = set()


@dataclass(frozen=True)
class Recording:
    """A recorded call: the memory of its inputs and outputs, and how it runs."""

    inputs: tuple[Tensor, ...]
    replay: Callable[[], None]
    outputs: Outputs


class Graphs:
    """Calls `function` of tensors with B rows, recorded once per shape and then replayed.

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
        recorded_rows = 1 << (rows - 1).bit_length()
        shapes = ((value.shape[1:], value.dtype, value.device) for value in inputs)
        key = (recorded_rows, *shapes)
        if key not in self.recordings:
            full_inputs = [_filled(value, recorded_rows) for value in inputs]
            try:
                self.recordings[key] = self.record(self.function, full_inputs)
            # torch raises it for everything that goes wrong on a GPU.
            except RuntimeError as error:
                self.usable = False
                say_without(" ".join(str(error).split())[:_QUOTED_CHARACTERS])
                return self.function(*inputs)
        recording = self.recordings[key]
        for place, value in zip(recording.inputs, inputs, strict=True):
            place[:rows].copy_(value, non_blocking=True)
        recording.replay()
        return {name: value[:rows] for name, value in recording.outputs.items()}


def record_cuda(function: Callable[..., Outputs], inputs: list[Tensor]) -> Recording:
    """Record `function(*inputs)` as a CUDA graph, on the inputs' device and a stream of its own.

    A graph holds what is started on the recording stream. That stream has to be of the inputs'
    device: on any other the graph stays empty, and its replay leaves the outputs as they were.
    """
    device = inputs[0].device
    with torch.cuda.device(device):
        places = tuple(value.clone() for value in inputs)
        current = torch.cuda.current_stream(device)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(current)
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_CALLS):
                function(*places)
        current.wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Only this thread may not do what ends a capture; other threads go on reading frames.
        with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
            outputs = function(*places)

    def replay() -> None:
        with torch.cuda.device(device):
            graph.replay()

    return Recording(places, replay, outputs)


def say_without(reason: str) -> None:
    """Log once why there are no graphs."""
    if reason not in _said:
        _said.add(reason)
        _log.warning(
            "CUDA graphs are not used: %s; tracking goes on without them, with the same results",
            reason,
        )


def _filled(value: Tensor, rows: int) -> Tensor:
    """Return `value` with its last row repeated up to `rows` rows."""
    missing_rows = rows - len(value)
    if missing_rows == 0:
        return value
    return torch.cat([value, value[-1:].expand(missing_rows, *value.shape[1:])])
