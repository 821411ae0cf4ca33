"""Mixed precision: bf16 where it is faster, fp32 where it is not or where numbers need it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

PRECISIONS = ("fp32", "bf16")


def autocast(device: torch.device | str, precision: str) -> contextlib.AbstractContextManager:
    """Within it, networks on `device` compute in `precision`, one of `PRECISIONS`; their weights
    stay in fp32.
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(torch.device(device).type, torch.bfloat16)


def in_fp32(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's outputs as losses and boxes take them."""
    return {
        name: value.float() if value.is_floating_point() else value
        for name, value in outputs.items()
    }


def differentiable_in_fp32_on_cpu(
    function: Callable[..., Tensor], *tensors: Tensor, **options: Any
) -> Tensor:
    """`function(*tensors, **options)`, in fp32 where a CPU has no fast bf16 gradient of it.

    Measured with torch 2.15 on a CPU with AMX: the gradients of depthwise convolution and of fused
    attention take 2.6 and 3 times as long in bf16, those of dense convolutions and linear maps a
    fifth.
    """
    if (
        torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and tensors[0].device.type == "cpu"
        and any(tensor.requires_grad for tensor in tensors)
    ):
        with torch.autocast("cpu", enabled=False):
            return function(*(tensor.float() for tensor in tensors), **options)
    return function(*tensors, **options)
