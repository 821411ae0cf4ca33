"""Normalisation of feature maps."""

from __future__ import annotations

from torch import Tensor, nn


class InstanceL2Norm(nn.Module):
    """Divides every map (C, H, W) of a batch by its L2 norm and multiplies by `scale`.

    `size_average` uses the root mean square instead, so that elements are about `scale` whatever
    the size of the map.
    """

    def __init__(self, size_average: bool = True, eps: float = 1e-5, scale: float = 1.0):
        super().__init__()
        self.size_average = size_average
        self.eps = eps
        self.scale = scale

    def forward(self, input: Tensor) -> Tensor:
        """Maps (B, C, H, W) of the same direction and norm `scale` (times the root of C*H*W)."""
        energy = input.square().flatten(1).sum(1).view(-1, *(1,) * (input.dim() - 1)) + self.eps
        elements = input[0].numel() if self.size_average else 1
        return input * (self.scale * (elements / energy).sqrt())
