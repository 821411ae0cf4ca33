"""OSTrack's head: a map of centres, of sizes, and of what the grid rounds away.

Source: OSTrack (Ye et al., ECCV 2022, section 3.3), after CenterNet (Zhou et al., 2019).
"""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, nn

__all__ = ["CenterHead"]

# Scores and sizes stay this far from 0 and 1, so that the logarithms of the loss are finite.
CLAMP = 1e-4
# The initial score of every position (Lin et al., "Focal loss", ICCV 2017, section 3.3): without
# it the loss of so many background positions outweighs all else at first.
INITIAL_SCORE = 0.1
# The branches by the ends of their names, with their channels.
BRANCHES = {"ctr": 1, "offset": 2, "size": 2}


class CenterHead(nn.Module):
    """Three branches of convolutions on a map: is the target's centre here, where exactly, and how
    large is the target. `width` is that of the first convolution; each of the next has half.
    """

    def __init__(self, in_channels: int, width: int = 256):
        super().__init__()
        for name, outputs in BRANCHES.items():
            channels = in_channels
            for number in range(4):
                planes = width >> number
                layer = nn.Sequential(
                    nn.Conv2d(channels, planes, 3, padding=1),
                    nn.BatchNorm2d(planes),
                    nn.ReLU(inplace=True),
                )
                self.add_module(f"conv{number + 1}_{name}", layer)
                channels = planes
            self.add_module(f"conv5_{name}", nn.Conv2d(channels, outputs, 1))
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        last = cast(nn.Conv2d, self.get_submodule("conv5_ctr"))
        nn.init.constant_(cast(Tensor, last.bias), math.log(INITIAL_SCORE / (1 - INITIAL_SCORE)))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the maps of scores (B, 1, h, w), offsets (B, 2, h, w) in cells and sizes (B, 2, h,
        w) as shares of the crop, of features (B, C, h, w).
        """
        maps = []
        for name in BRANCHES:
            branch = features
            for number in range(1, 6):
                branch = self.get_submodule(f"conv{number}_{name}")(branch)
            maps.append(branch)
        score, offset, size = maps
        return (
            score.sigmoid().clamp(CLAMP, 1 - CLAMP),
            offset,
            size.sigmoid().clamp(CLAMP, 1 - CLAMP),
        )
