"""Stand for CUDA's autocast with the CPU's, and keep in fp32 what CUDA keeps in fp32."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

# From the list "CUDA Ops that can autocast to float32" of torch's page on automatic mixed
# precision, as far as the CPU's autocast does not do the same.
CUDA_FP32_OPERATORS = (
    "exp",
    "log",
    "log2",
    "log1p",
    "pow.Tensor_Scalar",
    "pow.Tensor_Tensor",
    "rsqrt",
    "reciprocal",
    "layer_norm",
    "softmax.int",
    "log_softmax.int",
    "cumsum",
    "cumprod",
    "sum",
    "sum.dim_IntList",
    "prod",
    "norm.Scalar",
    "linalg_vector_norm",
    "logsumexp",
    "softplus",
)

_real_autocast = torch.autocast
_real_is_enabled = torch.is_autocast_enabled


def cpu_autocast_is_enabled() -> bool:
    """Return whether torch's own autocast for CPUs is on, which stands for any device's."""
    return _real_is_enabled("cpu")


def is_enabled(device_type: str = "cuda") -> bool:
    """Stand for `torch.is_autocast_enabled`."""
    return cpu_autocast_is_enabled() and Autocast.device_types[-1] == device_type


class Autocast(_real_autocast):
    """Stands for `torch.autocast` of any device type."""

    # The device types asked for, one block inside another.
    device_types: ClassVar[list[str]] = ["cpu"]

    def __init__(self, device_type: str, *args: Any, **kwargs: Any):
        self.asked_type = device_type
        super().__init__("cpu", *args, **kwargs)

    def __enter__(self):
        before = cpu_autocast_is_enabled()
        super().__enter__()
        # torch has asked the replaced function for the state to go back to.
        self.prev = before
        self.device_types.append(self.asked_type)
        return self

    def __exit__(self, *error):
        self.device_types.pop()
        return super().__exit__(*error)


@contextlib.contextmanager
def fp32_kernels() -> Iterator[None]:
    """Within the block the CPU's autocast keeps in fp32 what CUDA's keeps in fp32."""
    with contextlib.ExitStack() as stack:
        aten = torch.library.Library("aten", "IMPL")
        stack.callback(aten._destroy)
        for name in CUDA_FP32_OPERATORS:
            kernel = _fp32_kernel(_operator(torch.ops.aten, name), keeps_input_type=False)
            aten.impl(name, kernel, "AutocastCPU")
        if hasattr(torch.ops.torchvision, "deform_conv2d"):
            torchvision = torch.library.Library("torchvision", "IMPL")
            stack.callback(torchvision._destroy)
            operator = torch.ops.torchvision.deform_conv2d.default
            kernel = _fp32_kernel(operator, keeps_input_type=True)
            torchvision.impl("deform_conv2d", kernel, "AutocastCPU")
        yield


def _operator(namespace: Any, name: str) -> Callable:
    packet, _, overload = name.partition(".")
    return getattr(getattr(namespace, packet), overload or "default")


def _fp32_kernel(operator: Callable, keeps_input_type: bool) -> Callable:
    """Return a kernel for AutocastCPU that computes `operator` in fp32."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        autocast_key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastCPU)
        with torch._C._ExcludeDispatchKeyGuard(autocast_key):
            result = operator(*tree_map(_to_fp32, args), **kwargs)
        return result.to(args[0].dtype) if keeps_input_type else result

    return kernel


def _to_fp32(value: Any) -> Any:
    is_half = isinstance(value, Tensor) and value.dtype in (torch.bfloat16, torch.float16)
    return value.float() if is_half else value
