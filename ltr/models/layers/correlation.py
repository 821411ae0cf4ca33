"""Correlation of each place of one feature map with the places near it in another (Dosovitskiy et
al., "FlowNet", ICCV 2015, section 3), as KYS uses it.

The names, arguments and shapes are those of the package spatial-correlation-sampler, which compiles
C++ and CUDA code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltr.admin.errors import BadValue

__all__ = ["SpatialCorrelationSampler", "spatial_correlation_sample"]

Pair = int | Sequence[int]


class SpatialCorrelationSampler(nn.Module):
    """Correlate two maps; see `spatial_correlation_sample`."""

    def __init__(
        self,
        kernel_size: Pair = 1,
        patch_size: Pair = 1,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        dilation_patch: Pair = 1,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.patch_size = patch_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.dilation_patch = dilation_patch

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Return the correlation (B, patch rows, patch columns, h, w) of maps (B, C, H, W)."""
        return spatial_correlation_sample(
            input1,
            input2,
            self.kernel_size,
            self.patch_size,
            self.stride,
            self.padding,
            self.dilation,
            self.dilation_patch,
        )


def spatial_correlation_sample(
    input1: Tensor,
    input2: Tensor,
    kernel_size: Pair = 1,
    patch_size: Pair = 1,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    dilation_patch: Pair = 1,
) -> Tensor:
    """Return, for each place of `input1` (B, C, H, W), its products with the places of `input2`
    around the same place: (B, patch rows, patch columns, h, w).

    A product is summed over channels and over a window of `kernel_size`, with `dilation`; the maps
    are padded by zeros. The places of `input2` are the `patch_size` nearest ones, `dilation_patch`
    apart. `stride` and `padding` act as in a convolution with that window. Nothing is normalised.
    """
    if input1.shape != input2.shape or input1.dim() != 4:
        raise BadValue(
            "spatial_correlation_sample takes two maps (B, C, H, W) of one shape, not "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}"
        )
    kernel, patch, stride, padding, dilation, gap = (
        _pair(value)
        for value in (kernel_size, patch_size, stride, padding, dilation, dilation_patch)
    )
    height, width = input1.shape[-2:]
    reach_y = patch[0] // 2 * gap[0]
    reach_x = patch[1] // 2 * gap[1]
    surrounded = F.pad(input2, (reach_x, reach_x, reach_y, reach_y))
    window = input1.new_ones(1, 1, *kernel)
    maps = []
    for row in range(patch[0]):
        for column in range(patch[1]):
            moved = surrounded[..., row * gap[0] :, column * gap[1] :][..., :height, :width]
            product = (input1 * moved).sum(1, keepdim=True)
            maps.append(F.conv2d(product, window, None, stride, padding, dilation))
    return torch.stack(maps, 1).view(len(input1), *patch, *maps[0].shape[-2:])


def _pair(value: Pair) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, second = value
    return int(first), int(second)
