"""Record and replay CUDA graphs; stand for streams and events."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from tests.support.cuda_rehearsal.autocast import cpu_autocast_is_enabled
from tests.support.cuda_rehearsal.placement import storage_key, tensors_in
from tests.support.cuda_rehearsal.wait_log import WaitLog


@dataclass
class RecordedCall:
    """One ATen call of a graph, with the result whose memory a replay fills again."""

    kernel: Callable
    args: tuple
    kwargs: dict[str, Any]
    result: Any
    input_memory: set[int]
    autocast_enabled: bool

    def replay(self) -> None:
        """Compute the result anew, in the memory that it has."""
        torch.set_autocast_enabled("cpu", self.autocast_enabled)
        new_result = self.kernel(*self.args, **self.kwargs)
        pairs = zip(tensors_in(self.result), tensors_in(new_result), strict=True)
        for kept, new in pairs:
            # A view, or the target of an in-place operation, is up to date already.
            if storage_key(kept) not in self.input_memory:
                kept.copy_(new)


class Graph:
    """Stands for `torch.cuda.CUDAGraph`."""

    def __init__(self, *_: Any, **__: Any):
        self.calls: list[RecordedCall] = []

    def replay(self) -> None:
        """Repeat the recorded calls on the same memory."""
        autocast_before = cpu_autocast_is_enabled()
        with (
            torch._C.DisableTorchFunction(),
            _disable_current_modes(),
            torch.inference_mode(),
        ):
            for call in self.calls:
                call.replay()
        torch.set_autocast_enabled("cpu", autocast_before)


@contextlib.contextmanager
def capture(log: WaitLog, graph: Graph) -> Iterator[None]:
    """Stand for `torch.cuda.graph`: record the calls on the current device in the block."""
    log.note("synchronize")
    log.thread.recording = []
    try:
        yield
        graph.calls = log.thread.recording
    finally:
        log.thread.recording = None
    if not graph.calls:
        sys.stderr.write(
            "UserWarning: The CUDA Graph is empty: captured on the wrong device or stream\n"
        )


class Stream:
    """Stands for streams and events.

    What is called first is done first here, so there is nothing to wait for.
    """

    def __init__(self, *_: Any, **__: Any):
        pass

    def is_capturing(self) -> bool:
        """Stand for `Stream.is_capturing`."""
        return False

    def __getattr__(self, _name: str) -> Callable[..., Stream]:
        return lambda *_, **__: Stream()
