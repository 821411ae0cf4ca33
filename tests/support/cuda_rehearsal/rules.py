"""Say which ATen operations CUDA refuses, and which ones make the host wait."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.support.cuda_rehearsal.placement import (
    CPU,
    device_of,
    is_pinned,
    on_cpu,
    put,
    tensors_in,
)

INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")

# These may be given tensors of two devices.
MIXES_DEVICES = (
    *INDEXING,
    "copy_",
    "_to_copy",
    "_has_compatible_shallow_copy_type",
    "lift_fresh",
    "set_",
)
MATRIX_PRODUCTS = ("mm", "bmm", "addmm", "baddbmm", "matmul", "linear")

# Elsewhere a scalar of the CPU may meet tensors of a GPU, but not in these.
TAKES_NO_CPU_SCALARS = (
    *MATRIX_PRODUCTS,
    "cat",
    "stack",
    "index_select",
    "gather",
    "scatter",
    "index_copy",
)

READS_A_NUMBER = ("_local_scalar_dense", "item", "is_nonzero")

# The size of the result depends on values, so the host waits for it.
SIZE_DEPENDS_ON_VALUES = (
    "nonzero",
    "masked_select",
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "equal",
    "repeat_interleave",
)


def check_devices(name: str, args: tuple, tensors: list[Tensor], gpus: set[torch.device]) -> None:
    """Raise the error that CUDA raises for the operation `name` on `tensors`.

    `gpus` are the devices that the tensors claim, without the CPU. A tensor that belongs nowhere
    yet is on theirs afterwards.
    """
    if name in MIXES_DEVICES:
        if name in INDEXING and on_cpu(args[0]):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
        return
    places = sorted(str(gpu) for gpu in gpus)
    scalars_are_refused = name in TAKES_NO_CPU_SCALARS
    if any(on_cpu(tensor) and (tensor.dim() or scalars_are_refused) for tensor in tensors):
        places.append("cpu")
    if len(places) > 1:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{places[0]} and {places[1]}! (in {name})"
        )
    first = tensors[0]
    if name in MATRIX_PRODUCTS and not (first.is_floating_point() or first.is_complex()):
        raise RuntimeError(f"\"{name}_cuda\" not implemented for '{first.dtype}'")
    for tensor in tensors:
        if device_of(tensor) is None:
            put(tensor, next(iter(gpus)))


def waits_of(name: str, args: tuple) -> list[str]:
    """Return the kinds of waits and uploads that the operation `name` costs on a GPU."""
    if name in READS_A_NUMBER:
        return ["item"]
    if name in SIZE_DEPENDS_ON_VALUES:
        return ["mask"]
    if name in INDEXING and not on_cpu(args[0]):
        return _waits_of_indices(tensors_in(args[1]))
    if name == "copy_" and CPU in (device_of(args[0]), device_of(args[1])):
        non_blocking = len(args) > 2 and args[2]
        return [transfer_kind(device_of(args[0]), args[1], non_blocking)]
    return []


def _waits_of_indices(indices: list[Tensor]) -> list[str]:
    kinds = []
    for index in indices:
        if on_cpu(index):
            kinds.append("upload")
        elif index.dtype in (torch.bool, torch.uint8):
            kinds.append("mask")
    return kinds


def transfer_kind(target: torch.device | None, source: Tensor, non_blocking: Any) -> str:
    """Return the kind of a copy of `source` to another device, see `wait_log`."""
    if target == CPU:
        return "to host"
    if not non_blocking:
        return "upload"
    return "async upload" if is_pinned(source) else "pageable"
