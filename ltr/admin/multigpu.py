"""Networks on several GPUs: one process for each (`torchrun`, what training here uses), or all in
one process.
"""

from __future__ import annotations

import contextlib
import gc
import warnings
from typing import cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ltr.parallel.batch_norm import SharedBatchNorm
from ltr.parallel.distributed import get_world_size


class _Forwarding(nn.Module):
    """Attributes that the wrapper does not have are those of the wrapped network."""

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":  # not wrapped yet: looking it up again would never end
                raise
            return getattr(self.module, name)


class MultiGPU(_Forwarding, nn.DataParallel):
    """DataParallel through which the wrapped network's own attributes can be reached. `together` is
    faster.
    """


class SharedGradients(_Forwarding, DistributedDataParallel):
    """DistributedDataParallel through which the wrapped network's own attributes can be reached;
    see `sharing_gradients`.
    """


def is_multi_gpu(net: nn.Module) -> bool:
    """Say whether the network is wrapped for several GPUs, so that its weights belong to
    `net.module`.
    """
    return isinstance(net, (nn.DataParallel, DistributedDataParallel))


def unwrapped(net: nn.Module) -> nn.Module:
    """The network itself, without a wrapper for several GPUs."""
    return cast(nn.Module, net.module) if is_multi_gpu(net) else net


def sharing_gradients(
    net: nn.Module, wrapped: nn.Module | None = None, some_unused: bool = False
) -> nn.Module:
    """Return what to call instead of `net` so that the gradients become those of the mean loss of
    all processes.

    `net` itself in one process. `wrapped` is what this returned before: it is returned again unless
    other parameters learn now. `some_unused` says that a loss may not depend on every one of them,
    which costs a look through each graph.
    """
    if get_world_size() == 1:
        return net
    learning = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    if isinstance(wrapped, SharedGradients):
        if wrapped.learning == learning:
            return wrapped
        del wrapped
        gc.collect()
    device = next(net.parameters()).device
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # of new names, which older versions of torch do not know
        made = SharedGradients(
            net,
            [device] if device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=some_unused,
        )
    made.learning = learning  # type: ignore[assignment]  # a plain attribute of the wrapper
    return made


def no_gradient_sync(net: nn.Module) -> contextlib.AbstractContextManager:
    """Within it, what `sharing_gradients` returned gathers gradients and keeps them until the first
    batch outside.
    """
    return net.no_sync() if isinstance(net, DistributedDataParallel) else contextlib.nullcontext()


def sharing_norms(net: nn.Module, device: torch.device) -> nn.Module:
    """Let batch norms average over the batches of all processes, in place where the network is no
    norm itself.

    The same parameters stay in place under the same names. Returns `net`.
    """
    if get_world_size() == 1:
        return net
    # torch's SyncBatchNorm makes the host wait for the device in every layer; ours does not.
    return SharedBatchNorm.convert(net)
