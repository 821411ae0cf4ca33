"""The interface that a trainer expects of an actor."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


class BaseActor:
    """Holds the network and its objective (a loss module or function); a subclass turns a batch
    into a loss.
    """

    def __init__(self, net: nn.Module, objective: nn.Module | Callable):
        self.net = net
        self.objective = objective

    def __call__(self, data: Mapping) -> tuple[Tensor, dict[str, float]]:
        """The loss of a batch, and statistics by name; `data` is not changed."""
        raise NotImplementedError

    def to(self, device: torch.device | str) -> None:
        """Move the network, and an objective that is a module, to the device."""
        for module in self._modules():
            module.to(device)

    def train(self, mode: bool = True) -> None:
        """Switch the network, and an objective that is a module, to train mode or, with False, to
        eval mode.
        """
        for module in self._modules():
            module.train(mode)

    def eval(self) -> None:
        """Switch to eval mode."""
        self.train(False)

    def _modules(self) -> list[nn.Module]:
        return [module for module in (self.net, self.objective) if isinstance(module, nn.Module)]
