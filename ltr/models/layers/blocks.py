"""Convolution or linear layer with normalisation and activation."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn


def conv_block(
    in_planes: int,
    out_planes: int,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 1,
    dilation: int = 1,
    bias: bool = True,
    batch_norm: bool = True,
    relu: bool = True,
    padding_mode: str = "zeros",
) -> nn.Sequential:
    """Convolution, then batch norm and ReLU unless turned off."""
    layers: list[nn.Module] = [
        nn.Conv2d(
            in_planes,
            out_planes,
            kernel_size,
            stride,
            padding,
            dilation,
            bias=bias,
            padding_mode=cast(Any, padding_mode),
        )
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(out_planes))
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class LinearBlock(nn.Module):
    """A linear layer on whole maps (B, `in_planes`, `input_sz`, `input_sz`), then batch norm and
    ReLU unless turned off.
    """

    def __init__(
        self,
        in_planes: int,
        out_planes: int,
        input_sz: int,
        bias: bool = True,
        batch_norm: bool = True,
        relu: bool = True,
    ):
        super().__init__()
        self.linear = nn.Linear(in_planes * input_sz * input_sz, out_planes, bias=bias)
        self.bn = nn.BatchNorm2d(out_planes) if batch_norm else None
        self.relu = nn.ReLU(inplace=True) if relu else None

    def forward(self, x: Tensor) -> Tensor:
        """Return one vector per map: (B, out_planes)."""
        x = self.linear(x.flatten(1))
        if self.bn is not None:
            x = self.bn(x[..., None, None]).flatten(1)
        return x if self.relu is None else self.relu(x)
