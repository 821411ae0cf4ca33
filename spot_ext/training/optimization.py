"""How the student learns: optimiser, learning rate over the epochs, when the backbone joins, and
steps that are not taken.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from ltr.admin.errors import BadInput
from spot_ext.training.architectures import Architecture
from spot_ext.training.config import OptimConfig

WARM_UP_STEPS, DECAY_STEPS = 5, 45  # of the 'log' schedule; all have the same number of epochs


def make_optimizer(
    net: nn.Module, architecture: Architecture, config: OptimConfig, fused: bool = False
) -> torch.optim.Optimizer:
    """Optimiser of all parameters of `net`, the backbone's in a group with its own rate.

    `fused` does a step in a few kernels, which is what a GPU wants; the same numbers within
    rounding.
    """
    fused = fused if config.fused is None else config.fused
    groups = architecture.parameter_groups(net, config.lr, config.lr_backbone)
    if config.method == "sgd":
        return torch.optim.SGD(
            groups,
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=fused,
        )
    return torch.optim.AdamW(groups, lr=config.lr, weight_decay=config.weight_decay, fused=fused)


def make_scheduler(
    optimizer: torch.optim.Optimizer, config: OptimConfig, epochs: int
) -> LRScheduler:
    """The rate of each of `epochs` epochs; see `OptimConfig.schedule`."""
    if config.schedule == "step":
        return StepLR(optimizer, config.decay_epoch, config.decay)
    return LambdaLR(optimizer, lambda epoch: _log_factor(epoch, epochs, config))


def _log_factor(epoch: int, epochs: int, config: OptimConfig) -> float:
    """What multiplies the rates in `epoch` (from 0): geometric warm-up to 1, then geometric
    decay.
    """
    steps = WARM_UP_STEPS + DECAY_STEPS
    step = min(epoch * steps // epochs, steps - 1)
    if step < WARM_UP_STEPS:
        return (config.start_lr / config.lr) ** (1 - step / WARM_UP_STEPS)
    return (config.final_lr / config.lr) ** ((step - WARM_UP_STEPS) / (DECAY_STEPS - 1))


def hold_backbone(
    net: nn.Module, architecture: Architecture, config: OptimConfig, epoch: int, norms: bool = True
) -> None:
    """Before `epoch` (from 1): hold the backbone still until it is to learn. `norms=False` lets its
    batch norms move on.

    A function of the epoch alone, so a resumed run does the same.
    """
    if config.unfreeze_epoch is not None:
        architecture.backbone(net).freeze(epoch < config.unfreeze_epoch, norms)


class StudentStep:
    """Takes the optimiser's steps, except those whose loss or gradient is not finite.

    `start`, `learn` for the loss of each part of a batch, then `finish`. More than
    `config.max_nonfinite` steps in a row that are not taken end the run with BadInput: it has
    diverged.
    """

    def __init__(self, net: nn.Module, optimizer: torch.optim.Optimizer, config: OptimConfig):
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.net, self.optimizer, self.config = net, optimizer, config
        self.in_a_row = 0

    def start(self) -> None:
        """Forget the gradients of the batch before."""
        self.optimizer.zero_grad(set_to_none=True)

    def learn(self, loss: torch.Tensor) -> None:
        """Add the gradients of `loss`."""
        loss.backward()

    def finish(self, value: float) -> bool:
        """Step with the gradients of all parts, whose losses sum up to `value`; whether it did."""
        finite = math.isfinite(value)
        if finite:
            norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
            finite = bool(norm.isfinite())  # CPU-GPU sync point
            if finite and self.config.max_grad_norm is not None:
                nn.utils.clip_grads_with_norm_(self.parameters, self.config.max_grad_norm, norm)
        self.in_a_row = 0 if finite else self.in_a_row + 1
        if self.in_a_row > self.config.max_nonfinite:
            raise BadInput(
                f"loss or gradient was not finite in {self.in_a_row} iterations in a row - the "
                "run has diverged: go "
                "back to an earlier checkpoint with a lower optim.lr, or set optim.max_grad_norm"
            )
        if finite:
            self.optimizer.step()
        return finite

    def __call__(self, loss: torch.Tensor, value: float) -> bool:
        """All of it for a batch in one part."""
        self.start()
        self.learn(loss)
        return self.finish(value)
