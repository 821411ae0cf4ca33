"""List what replaces torch's own functions and classes while the rehearsal runs."""

from __future__ import annotations

import contextlib
import functools
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tests.support.cuda_rehearsal.autocast import Autocast, is_enabled
from tests.support.cuda_rehearsal.graphs import Graph, Stream, capture
from tests.support.cuda_rehearsal.placement import CPU, device_of, pinned_copy
from tests.support.cuda_rehearsal.wait_log import WaitLog

GPU_NAME = "Rehearsed GPU"

# Numbers of an H200; nothing is allocated, so memory in use is 0.
_PROPERTIES = types.SimpleNamespace(
    name=GPU_NAME, total_memory=141 * 2**30, major=9, minor=0, multi_processor_count=132
)
_ANSWERS = {
    "is_available": True,
    "is_initialized": True,
    "is_bf16_supported": True,
    "max_memory_allocated": 0,
    "memory_allocated": 0,
    "get_device_name": GPU_NAME,
    "get_device_capability": (9, 0),
    "get_device_properties": _PROPERTIES,
    "_lazy_init": None,
    "empty_cache": None,
    "reset_peak_memory_stats": None,
    "manual_seed": None,
    "manual_seed_all": None,
}

_group_tensors = torch._C._group_tensors_by_device_and_dtype


def replacements(log: WaitLog) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Give pairs of an owner and its attributes' replacements."""
    yield torch.cuda, _cuda_module(log)
    yield torch.accelerator, _accelerator_module(log)
    yield torch, {"autocast": Autocast, "is_autocast_enabled": is_enabled}
    yield torch.amp.autocast_mode, {"autocast": Autocast}
    yield torch._C, {"_group_tensors_by_device_and_dtype": _group_by_claimed_device}
    # A thread of the data loader, which no mode watches, calls this one.
    yield Tensor, {"pin_memory": pinned_copy}


def _cuda_module(log: WaitLog) -> dict[str, Any]:
    rng = _RandomState()
    constants = {name: _constant(value) for name, value in _ANSWERS.items()}
    return {
        **constants,
        "device_count": lambda: log.devices,
        "current_device": lambda: log.thread.device_index,
        "set_device": functools.partial(_set_current, log),
        "device": functools.partial(_entered_device, log),
        "synchronize": lambda *_: log.note("synchronize"),
        "get_rng_state": rng.get,
        "set_rng_state": rng.set,
        "CUDAGraph": Graph,
        "graph": lambda graph, **_: capture(log, graph),
        "is_current_stream_capturing": lambda: log.thread.recording is not None,
        "Stream": Stream,
        "Event": Stream,
        "stream": lambda *_: contextlib.nullcontext(),
        "current_stream": Stream,
        "default_stream": Stream,
    }


def _accelerator_module(log: WaitLog) -> dict[str, Any]:
    return {
        "is_available": lambda: True,
        "device_count": lambda: log.devices,
        "current_accelerator": lambda *_, **__: torch.device("cuda"),
        "current_device_index": lambda: log.thread.device_index,
        "set_device_index": lambda *_: None,
        "current_stream": Stream,
        "synchronize": lambda *_: log.note("synchronize"),
    }


class _RandomState:
    """Keeps the generator state of the GPU, which draws nothing here."""

    def __init__(self) -> None:
        self.state = torch.zeros(16, dtype=torch.uint8)

    def get(self, *_: Any) -> Tensor:
        return self.state

    def set(self, state: Tensor, *_: Any) -> None:
        self.state = state


def _constant(value: Any) -> Any:
    return lambda *_, **__: value


def _set_current(log: WaitLog, device: torch.device | str | int) -> None:
    log.thread.device_index = log.resolve(device).index


@contextlib.contextmanager
def _entered_device(log: WaitLog, device: torch.device | str | int | None) -> Iterator[None]:
    """Stand for `torch.cuda.device`, which makes a device the current one within the block."""
    before = log.thread.device_index
    if device is not None and log.resolve(device).type == "cuda":
        _set_current(log, device)
    try:
        yield
    finally:
        log.thread.device_index = before


def _group_by_claimed_device(lists: Any, *rest: Any) -> dict:
    """Group tensors for the optimisers' `foreach` kernels by the device that they claim."""
    groups = {}
    for (_, dtype), group in _group_tensors(lists, *rest).items():
        first_tensor = group[0][0][0]
        groups[device_of(first_tensor) or CPU, dtype] = group
    return groups
