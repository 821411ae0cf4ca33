"""The student's learning: optimiser, learning rate over the epochs, when the backbone joins, and
steps that are not taken.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, StepLR

from ltr.admin.errors import BadInput
from ltr.parallel.upload import read_numbers
from spot_ext.training.architectures import Architecture
from spot_ext.training.config import OptimConfig

# Steps of the 'log' schedule; all of them have the same number of epochs.
WARM_UP_STEPS = 5
DECAY_STEPS = 45

# Name of the gradients' norm among the numbers that are read together.
_NORM = "norm of all gradients"


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
    """Return what multiplies the rates in `epoch` (from 0): geometric warm-up to 1, then geometric
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

    `start`, add gradients, then `finish`. More than `config.max_nonfinite` steps in a row that are
    not taken end the run with BadInput: it has diverged.
    """

    def __init__(self, net: nn.Module, optimizer: torch.optim.Optimizer, config: OptimConfig):
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.net = net
        self.optimizer = optimizer
        self.config = config
        self.nonfinite_in_a_row = 0

    def start(self) -> None:
        """Forget the gradients of the batch before."""
        self.optimizer.zero_grad(set_to_none=True)

    def finish(self, statistics: Mapping[str, Tensor]) -> dict[str, float] | None:
        """Step with the gradients there are; return the statistics as numbers, or None when
        'Loss/total' or the norm of the gradients is not finite and no step was taken.

        The host waits for the device once.
        """
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        numbers = read_numbers({**statistics, _NORM: norm.to(statistics["Loss/total"])})
        norm_value = numbers.pop(_NORM)
        if not (math.isfinite(numbers["Loss/total"]) and math.isfinite(norm_value)):
            self._count_nonfinite()
            return None
        self.nonfinite_in_a_row = 0
        if self.config.max_grad_norm is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.config.max_grad_norm, norm)
        self.optimizer.step()
        return numbers

    def state_dict(self) -> dict[str, int]:
        """Return what a run that goes on within an epoch needs."""
        return {"nonfinite": self.nonfinite_in_a_row}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore what `state_dict` returned."""
        self.nonfinite_in_a_row = state["nonfinite"]

    def _count_nonfinite(self) -> None:
        self.nonfinite_in_a_row += 1
        if self.nonfinite_in_a_row > self.config.max_nonfinite:
            raise BadInput(
                f"loss or gradient was not finite in {self.nonfinite_in_a_row} iterations in a row "
                "- the run has diverged: go back to an earlier checkpoint with a lower optim.lr, "
                "or set optim.max_grad_norm"
            )
