"""Distance from a point as soft one-hot maps, on which a layer can learn any radial function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class DistanceMap(nn.Module):
    """`num_bins` maps of the distance from a centre, each a tent around `bin_displacement` times
    its number.

    At every place the maps sum to 1; the last one stays 1 beyond its peak.
    """

    def __init__(self, num_bins: int, bin_displacement: float = 1.0):
        super().__init__()
        self.num_bins = num_bins
        self.bin_displacement = bin_displacement

    def forward(self, center: Tensor, output_sz: Sequence[int]) -> Tensor:
        """Maps (N, num_bins, h, w) for centres (N, 2) or (N, 1, 2) given as (y, x) cells,
        `output_sz` = (h, w).
        """
        center = center.reshape(-1, 2)
        like: dict[str, Any] = {"dtype": center.dtype, "device": center.device}
        dy = torch.arange(int(output_sz[0]), **like)[None, :, None] - center[:, 0, None, None]
        dx = torch.arange(int(output_sz[1]), **like)[None, None, :] - center[:, 1, None, None]
        distance = (dy.square() + dx.square()).sqrt()[:, None] / self.bin_displacement
        beyond = distance - torch.arange(self.num_bins, **like).view(1, -1, 1, 1)
        tents = (1 - beyond[:, :-1].abs()).clamp(min=0)
        return torch.cat((tents, (1 + beyond[:, -1:]).clamp(0, 1)), 1)
