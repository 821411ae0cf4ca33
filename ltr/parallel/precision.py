"""Choose the arithmetic of networks: fp32, TF32 or bf16.

A recipe's and a parameter file's `precision` is one of `PRECISIONS`:

- fp32 computes everything with 24 bits of mantissa, also convolutions, for which torch's own
  default on a GPU is TF32. A GPU's results are then a CPU's but for the order of sums.
- tf32 lets a GPU's tensor cores round what fp32 convolutions and matrix products read to 11 bits
  of mantissa; sums stay in fp32. A CPU computes it as fp32. The default of training.
- bf16 computes networks under autocast, with 8 bits of mantissa. Their weights, what is fp32 under
  autocast, losses, boxes and the optimiser stay in fp32; products among these use TF32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

PRECISIONS = ("fp32", "tf32", "bf16")


def autocast(device: torch.device | str, precision: str) -> contextlib.AbstractContextManager:
    """Within the block, networks on `device` compute in bf16 if `precision` says so.

    Their weights stay in fp32. TF32 is no matter of a block, since the backward pass runs outside
    of it: see `set_tf32`.
    """
    if precision != "bf16":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def set_tf32(device: torch.device | str, precision: str) -> None:
    """Let fp32 products and convolutions of this process use TF32 if `precision` allows it.

    A CPU has no TF32; for it nothing is changed.
    """
    if torch.device(device).type == "cuda":
        _switch_tf32(precision != "fp32")


@contextlib.contextmanager
def tf32_within(device: torch.device | str, precision: str) -> Iterator[None]:
    """Do as `set_tf32` within the block only.

    The setting belongs to the whole process, not to a thread.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    products_before = torch.backends.cuda.matmul.allow_tf32
    convolutions_before = torch.backends.cudnn.allow_tf32
    _switch_tf32(precision != "fp32")
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products_before
        torch.backends.cudnn.allow_tf32 = convolutions_before


def _switch_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def in_fp32(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's outputs in the type that losses and boxes take."""
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in outputs.items()
    }


def differentiable_in_fp32_on_cpu(
    function: Callable[..., Tensor], *tensors: Tensor, **options: Any
) -> Tensor:
    """Call `function(*tensors, **options)`, in fp32 where a CPU has no fast bf16 gradient of it.

    Measured with torch 2.15 on a CPU with AMX: the gradients of depthwise convolution and of fused
    attention take 2.6 and 3 times as long in bf16, those of dense convolutions and linear maps a
    fifth.
    """
    is_mixed_on_cpu = torch.is_autocast_enabled("cpu") and tensors[0].device.type == "cpu"
    learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    if not (is_mixed_on_cpu and learns):
        return function(*tensors, **options)
    with torch.autocast("cpu", enabled=False):
        return function(*(tensor.float() for tensor in tensors), **options)


def outside_autocast(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return `function(*tensors)`, computed in fp32 also within autocast.

    For what says where the target is: bf16 knows boxes in steps of 1/256 of the crop only. Also
    for operations that autocast does not know.
    """
    device_type = tensors[0].device.type
    if not torch.is_autocast_enabled(device_type):
        return function(*tensors)
    with torch.autocast(device_type, enabled=False):
        return function(*(tensor.float() for tensor in tensors))
