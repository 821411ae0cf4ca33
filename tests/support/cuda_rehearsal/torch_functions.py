"""Answer in a GPU's place what Python asks of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes

from tests.support.cuda_rehearsal.placement import (
    CPU,
    device_of,
    is_pinned,
    on_cpu,
    pinned_copy,
    put,
    tensors_in,
)
from tests.support.cuda_rehearsal.rules import transfer_kind
from tests.support.cuda_rehearsal.wait_log import WaitLog


class PythonAnswers(TorchFunctionMode):
    """Replaces the functions and attributes of tensors that concern devices."""

    def __init__(self, log: WaitLog):
        super().__init__()
        self.log = log
        # Tells whether the running function was given tensors of a GPU; None: no function runs.
        self.inside_gpu_function: bool | None = None
        self.answers: dict[Any, Callable] = {
            Tensor.device.__get__: device_of,
            Tensor.is_cuda.__get__: lambda tensor: not on_cpu(tensor),
            Tensor.is_cpu.__get__: on_cpu,
            Tensor.is_pinned: is_pinned,
            Tensor.get_device: self.get_device,
            Tensor.to: self.to,
            Tensor.cpu: self.cpu,
            Tensor.cuda: self.cuda,
            Tensor.numpy: self.numpy,
            Tensor.__array__: self.array,
            Tensor.tolist: self.tolist,
            Tensor.pin_memory: pinned_copy,
            Tensor.record_stream: lambda *_: None,
            Tensor.__deepcopy__: self.deepcopy,
            Tensor.new_tensor: self.new_tensor,
            torch.tensor: self.make,
            torch.as_tensor: self.make,
            torch.asarray: self.make,
        }

    def __torch_function__(self, func, _types, args=(), kwargs=None):
        kwargs = kwargs or {}
        is_hashable = getattr(func, "__hash__", None) is not None
        answer = self.answers.get(func) if is_hashable else None
        if answer is not None:
            return answer(*args, **kwargs)
        before = self.inside_gpu_function
        given_gpu = any(not on_cpu(tensor) for tensor in tensors_in(args, kwargs))
        self.inside_gpu_function = bool(before) or given_gpu
        try:
            return func(*args, **kwargs)
        finally:
            self.inside_gpu_function = before

    def to(self, tensor: Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> Tensor:
        """Stand for `Tensor.to`."""
        if args and isinstance(args[0], Tensor):
            args = (device_of(args[0]), args[0].dtype, *args[1:])
        device, dtype, non_blocking, layout = torch._C._nn._parse_to(*args, **kwargs)
        source = device_of(tensor)
        target = source if device is None else self.log.resolve(device)
        changes_device = target != source
        moved = tensor.to(
            dtype=dtype or tensor.dtype,
            copy=copy or changes_device,
            memory_format=layout or torch.preserve_format,
        )
        if changes_device:
            put(moved, target)
            self.log.note(transfer_kind(target, tensor, non_blocking))
        return moved

    def cpu(self, tensor: Tensor, **kwargs: Any) -> Tensor:
        """Stand for `Tensor.cpu`."""
        return self.to(tensor, CPU, **kwargs)

    def cuda(self, tensor: Tensor, device: Any = None, **kwargs: Any) -> Tensor:
        """Stand for `Tensor.cuda`."""
        return self.to(tensor, "cuda" if device is None else self.log.resolve(device), **kwargs)

    def get_device(self, tensor: Tensor) -> int:
        """Stand for `Tensor.get_device`: the number of the GPU, -1 for the CPU."""
        device = device_of(tensor) or CPU
        return -1 if device == CPU else device.index

    def make(
        self, data: Any, dtype=None, device=None, requires_grad: bool = False, **_: Any
    ) -> Tensor:
        """Stand for `torch.tensor`."""
        tensor = data if isinstance(data, Tensor) else torch.tensor(data, dtype=dtype)
        target = device_of(tensor) if device is None else device
        tensor = self.to(tensor, target, dtype or tensor.dtype)
        return tensor.requires_grad_() if requires_grad else tensor

    def new_tensor(self, tensor: Tensor, data: Any, **kwargs: Any) -> Tensor:
        """Stand for `Tensor.new_tensor`."""
        options = {"dtype": tensor.dtype, "device": device_of(tensor), **kwargs}
        return self.make(data, **options)

    def numpy(self, tensor: Tensor, **kwargs: Any):
        """Stand for `Tensor.numpy`."""
        return _host_memory(tensor).numpy(**kwargs)

    def array(self, tensor: Tensor, dtype=None):
        """Stand for `Tensor.__array__`."""
        return _host_memory(tensor).__array__(dtype)

    def tolist(self, tensor: Tensor) -> list:
        """Stand for `Tensor.tolist`."""
        return self.cpu(tensor.detach()).tolist()

    def deepcopy(self, tensor: Tensor, memo: dict) -> Tensor:
        """Stand for `copy.deepcopy`."""
        with _disable_current_modes():
            return put(tensor.__deepcopy__(memo), device_of(tensor))


def _host_memory(tensor: Tensor) -> Tensor:
    device = device_of(tensor)
    if device != CPU:
        raise TypeError(
            f"can't convert {device} device type tensor to numpy. Use Tensor.cpu() first."
        )
    return tensor
