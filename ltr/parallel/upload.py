"""Copies between host and device that make the host wait as rarely as possible."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import torch
from torch import Tensor


def upload(values: Tensor, device: torch.device | str) -> Tensor:
    """Return `values` on `device`; the host does not wait for the copy.

    Only copies out of pinned memory overlap with the host's work.
    """
    device = torch.device(device)
    if device.type != "cuda" or values.device.type == "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


@functools.lru_cache(maxsize=64)
def device_constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return `values` (N,) on `device`. Each constant is copied once."""
    return upload(torch.tensor(values, dtype=dtype), device)


def read_numbers(scalars: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the values of scalars on one device as numbers; the host waits once for all."""
    values = torch.stack(list(scalars.values())).tolist()  # CPU-GPU sync point
    return dict(zip(scalars, values, strict=True))
