"""Pixel values as features."""

from __future__ import annotations

from torch import Tensor

from pytracking.features.featurebase import FeatureBase


class RGB(FeatureBase):
    """The three colours, -0.5 to 0.5."""

    def dim(self) -> int:
        return 3

    def stride(self) -> int:
        return self.pool_stride

    def extract(self, im: Tensor) -> Tensor:
        return im / 255 - 0.5


class Grayscale(FeatureBase):
    """The mean of the colours, -0.5 to 0.5."""

    def dim(self) -> int:
        return 1

    def stride(self) -> int:
        return self.pool_stride

    def extract(self, im: Tensor) -> Tensor:
        return (im / 255 - 0.5).mean(1, keepdim=True)
