"""Note on a tensor's storage where it claims to be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_iter

CPU = torch.device("cpu")


def device_of(tensor: Tensor) -> torch.device | None:
    """Return the device that `tensor` claims, None if C++ made it and nothing has used it yet."""
    return getattr(tensor.untyped_storage(), "claimed_device", CPU)


def put(tensor: Tensor, device: torch.device | None) -> Tensor:
    """Let the storage of `tensor` claim to be on `device`, and return `tensor`."""
    tensor.untyped_storage().claimed_device = device
    return tensor


def on_cpu(tensor: Tensor) -> bool:
    """Return whether `tensor` claims to be on the CPU."""
    return device_of(tensor) == CPU


def pinned_copy(tensor: Tensor, *_: Any) -> Tensor:
    """Return a copy of `tensor` in memory that claims to be pinned."""
    copy = tensor.clone()
    mark_pinned(copy)
    return copy


def mark_pinned(tensor: Tensor) -> None:
    """Let the storage of `tensor` claim to be pinned."""
    tensor.untyped_storage().claims_pinned = True


def is_pinned(tensor: Tensor, *_: Any) -> bool:
    """Return whether the storage of `tensor` claims to be pinned."""
    return getattr(tensor.untyped_storage(), "claims_pinned", False)


def storage_key(tensor: Tensor) -> int:
    """Return a number that tensors share exactly when they share memory."""
    return tensor.untyped_storage()._cdata


def tensors_in(*values: Any) -> list[Tensor]:
    """Return the tensors in nested lists, tuples and dicts."""
    return [value for value in tree_iter(values) if isinstance(value, Tensor)]
