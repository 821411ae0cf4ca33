"""Training on several GPUs of one machine in one process."""

from torch import nn


class MultiGPU(nn.DataParallel):
    """DataParallel through which the wrapped network's own attributes can be reached."""

    def __getattr__(self, name: str):
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":  # not wrapped yet: looking it up again would never end
                raise
            return getattr(self.module, name)


def is_multi_gpu(net: nn.Module) -> bool:
    """Whether the network is wrapped for several GPUs, so that its weights belong to `net.module`."""
    return isinstance(net, nn.DataParallel)


def unwrapped(net: nn.Module) -> nn.Module:
    """The network itself, without a wrapper for several GPUs."""
    return net.module if is_multi_gpu(net) else net
