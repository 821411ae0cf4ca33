"""Maps of different resolutions brought together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def interpolate(x: Tensor, sz: Sequence[int] | int | None) -> Tensor:
    """Maps (B, C, H, W) resized bilinearly to `sz` (h, w); unchanged for None."""
    if sz is None:
        return x
    size = (sz, sz) if isinstance(sz, int) else tuple(int(side) for side in sz)
    return (
        x
        if tuple(x.shape[-2:]) == size
        else F.interpolate(x, size, mode="bilinear", align_corners=False)
    )


class InterpCat(nn.Module):
    """All maps at the resolution of the first, one after the other along channels."""

    def forward(self, input: Sequence[Tensor] | Mapping[str, Tensor]) -> Tensor:
        """(B, sum of channels, h, w)."""
        maps = list(input.values()) if isinstance(input, Mapping) else list(input)
        return torch.cat([interpolate(one, maps[0].shape[-2:]) for one in maps], 1)
