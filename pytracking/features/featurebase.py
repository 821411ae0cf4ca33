"""The base of a tracker's features: channels, stride, and pooling and normalisation after
extraction.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.tensorlist import TensorList


class FeatureBase:
    """A feature. Sub-classes define `dim`, `stride` and `extract`.

    Args:
        fparams: parameters of the tracker's own for this feature (`FeatureParams`).
        pool_stride: average pooling after extraction.
        output_size: size (number or (h, w)) to which the map is resized instead.
        normalize_power: p of the norm that every map is divided by; 2 gives maps of unit energy per
            element.
        use_for_color, use_for_gray: on which videos the feature is used.

    """

    def __init__(
        self,
        fparams: Any = None,
        pool_stride: int | None = None,
        output_size=None,
        normalize_power: float | None = None,
        use_for_color: bool = True,
        use_for_gray: bool = True,
    ):
        self.fparams = fparams
        self.pool_stride = 1 if pool_stride is None else pool_stride
        self.output_size = output_size
        self.normalize_power = normalize_power
        self.use_for_color = use_for_color
        self.use_for_gray = use_for_gray

    def initialize(self) -> None:
        """Load what extraction needs. Called once, before the first frame."""

    def free_memory(self) -> None:
        """Give up what `initialize` loaded."""

    # A feature of several maps answers with a TensorList where others give one value.
    def dim(self) -> Any:
        """Return the number of channels."""
        raise NotImplementedError(f"{type(self).__name__} must define dim()")

    def stride(self) -> Any:
        """Return the image pixels per element of the map, pooling included."""
        raise NotImplementedError(f"{type(self).__name__} must define stride()")

    def extract(self, im: Tensor) -> Any:
        """Return the raw map (B, C, h, w) of images (B, 3, H, W) with grey levels 0 to 255."""
        raise NotImplementedError(f"{type(self).__name__} must define extract(im)")

    def size(self, im_sz):
        """Size of the map for an image size (number, or tensor (h, w))."""
        if self.output_size is not None:
            return self.output_size
        return im_sz // self.stride()

    def get_feature(self, im: Tensor) -> Any:
        """Return the finished map of images (B, C, H, W); an empty tensor when the feature is not
        for this kind of video.
        """
        if not self._is_used(im):
            return torch.zeros(0)
        return finished(self.extract(im), self.output_size, self.pool_stride, self.normalize_power)

    def _is_used(self, im: Tensor) -> bool:
        color = im.shape[1] == 3
        return self.use_for_color if color else self.use_for_gray


class FeatureOwner:
    """Consists of `features`, and loads them and gives them up with itself."""

    features: list[FeatureBase]

    def initialize(self) -> None:
        """Load what the features need."""
        for feature in self.features:
            feature.initialize()

    def free_memory(self) -> None:
        """Give up what the features loaded."""
        for feature in self.features:
            feature.free_memory()


class MultiFeatureBase(FeatureBase):
    """Several maps from one extraction, e.g. layers of a network: every method gives a TensorList.

    `fparams`, `pool_stride`, `output_size` and `normalize_power` are one value for all maps or a
    list.
    """

    def size(self, im_sz):
        """Sizes of the maps."""
        sizes = self._per_map(self.output_size)
        return TensorList(
            im_sz // stride if size is None else size
            for stride, size in zip(self.stride(), sizes, strict=True)
        )

    def get_feature(self, im: Tensor) -> TensorList:
        """The finished maps of images (B, C, H, W); empty when the feature is not for this kind of
        video.
        """
        if not self._is_used(im):
            return TensorList()
        maps = self.extract(im)
        pool = (
            self.pool_stride
            if isinstance(self.pool_stride, (list, tuple))
            else [self.pool_stride] * len(maps)
        )
        options = zip(
            maps,
            self._per_map(self.output_size),
            pool,
            self._per_map(self.normalize_power),
            strict=True,
        )
        return TensorList(finished(*of_map) for of_map in options)

    def _per_map(self, value) -> list:
        return list(value) if isinstance(value, (list, tuple)) else [value] * len(self.dim())


def finished(
    feature: Tensor, output_size, pool_stride: int | None, normalize_power: float | None
) -> Tensor:
    """The map resized or pooled, then normalised."""
    if output_size is not None:
        height, width = (
            (output_size, output_size) if isinstance(output_size, (int, float)) else output_size
        )
        feature = F.adaptive_avg_pool2d(feature, (int(height), int(width)))
    elif pool_stride is not None and pool_stride != 1:
        feature = F.avg_pool2d(feature, pool_stride, pool_stride)
    if normalize_power is not None:
        mean = feature.abs().pow(normalize_power).mean((1, 2, 3), keepdim=True)
        feature = feature / (mean + 1e-10).pow(1 / normalize_power)
    return feature
