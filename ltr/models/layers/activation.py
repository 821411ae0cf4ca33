"""Activations with a parameter that is given per call, their derivatives, and a softmax that may
leave mass over.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MLU(nn.Module):
    """Nearly linear above zero, and below it an exponential that ends at -`min_val` (ECO's and
    ATOM's last activation).
    """

    def __init__(self, min_val: float, inplace: bool = False):
        super().__init__()
        self.min_val = min_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Element-wise."""
        return F.elu(
            F.leaky_relu(input, 1 / self.min_val, inplace=self.inplace),
            self.min_val,
            inplace=self.inplace,
        )


class LeakyReluPar(nn.Module):
    """Slope 1 above zero and `a` below; `a` may be a tensor that is broadcast and learned."""

    def forward(self, x: Tensor, a: Tensor | float) -> Tensor:
        """Element-wise."""
        return (1 - a) / 2 * x.abs() + (1 + a) / 2 * x


class LeakyReluParDeriv(nn.Module):
    """Derivative of `LeakyReluPar` by x; the mean of both slopes at zero."""

    def forward(self, x: Tensor, a: Tensor | float) -> Tensor:
        """Element-wise."""
        return (1 - a) / 2 * x.detach().sign() + (1 + a) / 2


class BentIdentPar(nn.Module):
    """A smooth `LeakyReluPar`; `b` is the width of the bend."""

    def __init__(self, b: float = 1.0):
        super().__init__()
        self.b = b

    def forward(self, x: Tensor, a: Tensor | float) -> Tensor:
        """Element-wise."""
        return (1 - a) / 2 * ((x.square() + 4 * self.b**2).sqrt() - 2 * self.b) + (1 + a) / 2 * x


class BentIdentParDeriv(nn.Module):
    """Derivative of `BentIdentPar` by x."""

    def __init__(self, b: float = 1.0):
        super().__init__()
        self.b = b

    def forward(self, x: Tensor, a: Tensor | float) -> Tensor:
        """Element-wise."""
        return (1 - a) / 2 * (x / (x.square() + 4 * self.b**2).sqrt()) + (1 + a) / 2


def softmax_reg(x: Tensor, dim: int, reg: float | Tensor | None = None) -> Tensor:
    """Softmax along `dim` with one more, invisible, entry of logit `reg`: the result may sum to
    less than 1.
    """
    if reg is None:
        return x.softmax(dim)
    size = x.shape[dim]
    extra = torch.as_tensor(reg, dtype=x.dtype, device=x.device).expand_as(x.narrow(dim, 0, 1))
    return torch.cat((x, extra), dim).softmax(dim).narrow(dim, 0, size)
