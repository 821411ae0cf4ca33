"""Hold processes that torchrun started to NCCL's rules.

Gloo carries the numbers. A tensor on a device that the named backend does not serve is refused, as
NCCL refuses tensors of the CPU. The kernels of SyncBatchNorm, which torch has for GPUs alone, are
written here.
"""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from tests.support.cuda_rehearsal.placement import CPU, device_of, tensors_in

_DEVICES_OF_BACKEND = {"nccl": {"cuda"}, "gloo": {"cpu"}}
_CHECKED_COLLECTIVES = ("all_reduce", "broadcast", "all_gather", "all_gather_into_tensor")


class Collectives(collections.Counter):
    """Counts of `(collective, device type)`, and the rules of the process group."""

    def __init__(self) -> None:
        super().__init__()
        self.device_types: set[str] = set()

    def choose_backend(self, name: str | None) -> None:
        """Serve the devices that the backend `name` serves; None stands for both backends."""
        if name is None or "," in name:
            self.device_types = {"cpu", "cuda"}
        else:
            self.device_types = _DEVICES_OF_BACKEND[name]

    def check(self, collective: str, tensors: list[Tensor]) -> None:
        """Raise torch's error when a tensor is on a device that the backend does not serve."""
        for tensor in tensors:
            device_type = (device_of(tensor) or CPU).type
            if device_type not in self.device_types:
                raise RuntimeError(f"No backend type associated with device type {device_type}")
            self[collective, device_type] += 1


@contextlib.contextmanager
def nccl_rules() -> Iterator[Collectives]:
    """Within the block `torch.distributed` runs on gloo and refuses what NCCL refuses."""
    collectives = Collectives()
    real_init = dist.init_process_group

    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> None:
        collectives.choose_backend(backend)
        kwargs.pop("device_id", None)
        real_init("gloo", *args, **kwargs)

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(dist, "init_process_group", init_process_group))
        for name in _CHECKED_COLLECTIVES:
            checked = _checked(collectives, name, getattr(dist, name))
            stack.enter_context(mock.patch.object(dist, name, checked))
        yield collectives


def _checked(collectives: Collectives, name: str, function: Callable) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        collectives.check(name, tensors_in(args, kwargs))
        return function(*args, **kwargs)

    return call


# The kernels of SyncBatchNorm. `values` are (B, C, ...); statistics have C entries.


def _other_dims(values: Tensor) -> list[int]:
    return [0, *range(2, values.dim())]


def _as_channels(statistic: Tensor, values: Tensor) -> Tensor:
    return statistic.view(1, -1, *[1] * (values.dim() - 2))


def _stats(values: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    dims = _other_dims(values)
    mean = values.float().mean(dims)
    variance = values.float().var(dims, unbiased=False)
    return mean, torch.rsqrt(variance + eps)


def _gather_stats(
    values: Tensor,
    means: Tensor,
    inverse_stds: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    momentum: float,
    eps: float,
    counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Merge the statistics of all processes, one row a process."""
    total = counts.sum()
    weights = (counts / total)[:, None]
    mean = (means * weights).sum(0)
    variances = inverse_stds**-2 - eps
    variance = ((variances + (means - mean) ** 2) * weights).sum(0)
    if running_mean is not None and running_var is not None:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(variance * total / (total - 1), momentum)
    return mean, torch.rsqrt(variance + eps)


def _normalise(
    values: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor,
    inverse_std: Tensor,
    eps: float,
) -> Tensor:
    centred = values.float() - _as_channels(mean, values)
    normalised = centred * _as_channels(inverse_std, values)
    if weight is not None and bias is not None:
        normalised = normalised * _as_channels(weight, values) + _as_channels(bias, values)
    return normalised.to(values.dtype)


def _backward_reduce(
    gradient: Tensor,
    values: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    weight: Tensor | None,
    input_gradient: bool,
    weight_gradient: bool,
    bias_gradient: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    dims = _other_dims(values)
    gradient = gradient.float()
    centred = values.float() - _as_channels(mean, values)
    sum_dy = gradient.sum(dims)
    sum_dy_centred = (gradient * centred).sum(dims)
    return sum_dy, sum_dy_centred, sum_dy_centred * inverse_std, sum_dy.clone()


def _backward_elements(
    gradient: Tensor,
    values: Tensor,
    mean: Tensor,
    inverse_std: Tensor,
    weight: Tensor | None,
    sum_dy: Tensor,
    sum_dy_centred: Tensor,
    counts: Tensor,
) -> Tensor:
    total = counts.sum()
    centred = values.float() - _as_channels(mean, values)
    mean_dy = _as_channels(sum_dy / total, values)
    slope = _as_channels(inverse_std**2 * sum_dy_centred / total, values)
    scale = inverse_std if weight is None else inverse_std * weight
    result = (gradient.float() - mean_dy - centred * slope) * _as_channels(scale, values)
    return result.to(values.dtype)


BATCH_NORM_KERNELS: dict[str, Callable] = {
    "batch_norm_stats": _stats,
    "batch_norm_gather_stats_with_counts": _gather_stats,
    "batch_norm_elemt": _normalise,
    "batch_norm_backward_reduce": _backward_reduce,
    "batch_norm_backward_elemt": _backward_elements,
}
