"""Batch norms over the batches of several processes on CPUs, where torch's SyncBatchNorm does not
run.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ltr.parallel.distributed import get_world_size, total


class _Total(torch.autograd.Function):
    """`total` with a gradient: what all processes' losses say about the sum."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        return total(values)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return total(gradient)


class SharedBatchNorm(_BatchNorm):
    """Batch norm whose mean and variance, while it trains, are those of the rows of all processes.
    Any number of dimensions.
    """

    def forward(self, values: Tensor) -> Tensor:
        """`values` (B, C, ...) normalised; processes may have different B."""
        if not self.training or get_world_size() == 1:
            return super().forward(values)
        given, values = values.dtype, values.to(torch.promote_types(values.dtype, torch.float32))
        dims = [0, *range(2, values.dim())]
        view = (1, -1, *[1] * (values.dim() - 2))
        rows = values.new_full((1,), values.numel() // values.shape[1])
        sums, count = _Total.apply(torch.cat([values.sum(dims), rows])).split([values.shape[1], 1])
        count = count.detach()
        mean = sums / count
        centred = values - mean.view(view)
        variance = (
            _Total.apply(centred.square().sum(dims)) / count
        )  # of deviations: sums of squares would cancel
        if self.track_running_stats:
            self._track(mean.detach(), variance.detach() * count / (count - 1))
        scale = torch.rsqrt(variance + self.eps)
        if not self.affine:
            return (centred * scale.view(view)).to(given)
        return (centred * (scale * self.weight).view(view) + self.bias.view(view)).to(given)

    def _check_input_dim(self, values: Tensor) -> None:
        if values.dim() < 2:
            raise ValueError(
                f"batch norm takes values (B, C, ...), these are {tuple(values.shape)}"
            )

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)

    @classmethod
    def convert(cls, net: nn.Module) -> nn.Module:
        """`net` with all of its batch norms replaced by ones of this kind that have the same
        parameters and buffers.
        """
        if isinstance(net, _BatchNorm) and not isinstance(net, cls):
            shared = cls(
                net.num_features, net.eps, net.momentum, net.affine, net.track_running_stats
            )
            shared._parameters, shared._buffers, shared.training = (
                net._parameters,
                net._buffers,
                net.training,
            )
            return shared
        for name, child in net.named_children():
            setattr(net, name, cls.convert(child))
        return net
