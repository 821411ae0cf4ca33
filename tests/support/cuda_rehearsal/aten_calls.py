"""Watch every ATen call: check its devices, place its results, count its waits, record graphs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from tests.support.cuda_rehearsal import process_group, rules
from tests.support.cuda_rehearsal.autocast import cpu_autocast_is_enabled
from tests.support.cuda_rehearsal.graphs import RecordedCall
from tests.support.cuda_rehearsal.placement import (
    CPU,
    device_of,
    mark_pinned,
    put,
    storage_key,
    tensors_in,
)
from tests.support.cuda_rehearsal.torch_functions import PythonAnswers
from tests.support.cuda_rehearsal.wait_log import WaitLog

_CONVOLUTIONS = ("conv2d", "convolution", "convolution_backward")


class AtenWatcher(TorchDispatchMode):
    """Sees the calls that reach ATen, those of autograd and of C++ included."""

    def __init__(self, log: WaitLog, python: PythonAnswers, tf32: bool):
        super().__init__()
        self.log = log
        self.python = python
        self.tf32 = tf32

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        with torch._C.DisableTorchFunction():
            return self.run(func, args, dict(kwargs or {}))

    def run(self, func: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        """Call `func`, an overload of ATen, as a GPU would."""
        name = func._schema.name.split("::")[-1]
        # DistributedDataParallel makes its buckets in C++, where no mode sees it.
        if isinstance(kwargs.get("out"), Tensor):
            put(kwargs["out"], device_of(args[0]))
        inputs = tensors_in(args, kwargs)
        gpus = {device_of(tensor) for tensor in inputs} - {CPU, None}
        asked_device = self._take_device(kwargs)
        asks_pinned = kwargs.pop("pin_memory", None)
        if gpus:
            rules.check_devices(name, args, inputs, gpus)
            for kind in rules.waits_of(name, args):
                self.log.note(kind)
        place = self._place_of_result(name, args, inputs, gpus, asked_device)
        if place not in (None, CPU) and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")

        kernel = self._kernel(func, name, bool(gpus))
        result = kernel(*args, **kwargs)

        input_memory = {storage_key(tensor) for tensor in inputs}
        for tensor in tensors_in(result):
            if storage_key(tensor) not in input_memory or device_of(tensor) is None:
                put(tensor, place)
            if asks_pinned:
                mark_pinned(tensor)
        if self.log.thread.recording is not None and self._is_of_current_gpu(gpus):
            call = RecordedCall(
                kernel, args, kwargs, result, input_memory, cpu_autocast_is_enabled()
            )
            self.log.thread.recording.append(call)
        return result

    def _take_device(self, kwargs: dict[str, Any]) -> torch.device | None:
        if kwargs.get("device") is None:
            return None
        asked = self.log.resolve(kwargs["device"])
        kwargs["device"] = CPU
        return asked

    def _place_of_result(
        self,
        name: str,
        args: tuple,
        inputs: list[Tensor],
        gpus: set[torch.device],
        asked_device: torch.device | None,
    ) -> torch.device | None:
        if asked_device is not None and asked_device.type == "cuda":
            return asked_device
        if name in (*rules.INDEXING, "copy_"):
            return device_of(args[0])
        if inputs:
            return next(iter(gpus), CPU)
        return CPU if self.python.inside_gpu_function is False else None

    def _kernel(self, func: Callable, name: str, on_gpu: bool) -> Callable:
        kernel = process_group.BATCH_NORM_KERNELS.get(name)
        if kernel is not None:
            return kernel
        reads_tf32 = on_gpu and self.tf32 and name in _CONVOLUTIONS
        if reads_tf32 and torch.backends.cudnn.allow_tf32:
            return functools.partial(_in_tf32, func)
        return func

    def _is_of_current_gpu(self, gpus: set[torch.device]) -> bool:
        return not gpus or self.log.thread.device_index in {gpu.index for gpu in gpus}


def _in_tf32(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Call `func` on fp32 inputs as tensor cores read them: with 10 bits of mantissa."""

    def rounded(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.dtype != torch.float32:
            return value
        # fp32 has 23 bits of mantissa: add half of the last kept bit, then clear the lower 13.
        bits = value.detach().view(torch.int32) + 0x1000
        return (bits & ~0x1FFF).view(torch.float32)

    return func(*tree_map(rounded, args), **kwargs)
