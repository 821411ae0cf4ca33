"""Low-rank adaptation of linear layers (Hu et al., "LoRA", ICLR 2022, section 4): the weights stay
as they are, and a product of two thin matrices beside them learns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue

__all__ = ["LoRALinear", "add_lora", "hold_base_weights", "merge_lora"]


class LoRALinear(nn.Linear):
    """A linear layer `W x + b + B A x`, of which `A` and `B` learn.

    `rank` is the number of rows of `A`: raising it lets the layer change in more directions and
    costs `rank * (inputs + outputs)` parameters. `B` starts at zero, so the layer computes at first
    what it computed without. Names of the weights are those of `nn.Linear`, besides `lora_a` and
    `lora_b`.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, rank: int):
        super().__init__(in_features, out_features, bias)
        self.lora_a = nn.Parameter(torch.empty(rank, in_features))
        self.lora_b = nn.Parameter(torch.zeros(out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, input: Tensor) -> Tensor:
        """Map the last dimension."""
        change = F.linear(F.linear(input, self.lora_a), self.lora_b)
        return super().forward(input) + change

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return a plain layer that computes the same."""
        has_bias = self.bias is not None
        layer = nn.Linear(self.in_features, self.out_features, has_bias, self.weight.device)
        layer.weight.copy_(self.weight + self.lora_b @ self.lora_a)
        if has_bias:
            layer.bias.copy_(self.bias)
        return layer.train(self.training)


def add_lora(net: nn.Module, rank: int, targets: Sequence[str]) -> None:
    """Give every linear layer of `net` whose own name is among `targets` a low-rank change, in
    place. BadValue when a target is not there.
    """
    if rank < 1:
        raise BadValue(f"lora_rank is {rank}; give at least 1, or 0 for a network without LoRA")
    found = set()
    for owner in list(net.modules()):
        for name, layer in owner.named_children():
            if name not in targets or type(layer) is not nn.Linear:
                continue
            found.add(name)
            has_bias = layer.bias is not None
            adapted = LoRALinear(layer.in_features, layer.out_features, has_bias, rank)
            adapted.load_state_dict(layer.state_dict(), strict=False)
            setattr(owner, name, adapted)
    missing = sorted(set(targets) - found)
    if missing:
        linear = {
            name.rpartition(".")[2]
            for name, layer in net.named_modules()
            if isinstance(layer, nn.Linear)
        }
        raise BadValue(
            f"lora_targets names '{missing[0]}', but {type(net).__name__} has no linear layer of "
            f"that name; choose among {', '.join(sorted(linear))}"
        )


def hold_base_weights(net: nn.Module) -> None:
    """Let nothing of `net` learn but its low-rank changes."""
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name.rpartition(".")[2] in ("lora_a", "lora_b"))


def merge_lora(net: nn.Module) -> None:
    """Replace adapted layers by plain ones that compute the same, in place."""
    for owner in list(net.modules()):
        for name, layer in owner.named_children():
            if isinstance(layer, LoRALinear):
                setattr(owner, name, layer.merged())
