"""Transforms of pixel values: they move nothing, so boxes and coordinates pass through."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.data.transforms.base import TransformBase


class ToTensor(TransformBase):
    """(H, W, C) or (H, W) array to (C, H, W) tensor; uint8 is scaled to 0..1. Masks become tensors,
    unscaled.
    """

    def transform_image(self, image: np.ndarray | Tensor) -> Tensor:
        if isinstance(image, Tensor):
            return image
        tensor = _channels_first(image)
        return tensor.float().div(255) if tensor.dtype == torch.uint8 else tensor

    def transform_mask(self, mask: np.ndarray | Tensor) -> Tensor:
        return torch.from_numpy(mask) if isinstance(mask, np.ndarray) else mask


class ToTensorAndJitter(TransformBase):
    """`ToTensor` with brightness multiplied by U(max(0, 1 - jitter), 1 + jitter), clamped.

    `normalize` scales to 0..1; without it values stay in 0..255.
    """

    def __init__(self, brightness_jitter: float = 0.0, normalize: bool = True):
        self.brightness_jitter = brightness_jitter
        self.normalize = normalize

    def roll(self) -> float:
        return np.random.uniform(max(0, 1 - self.brightness_jitter), 1 + self.brightness_jitter)

    def transform_image(self, image: np.ndarray | Tensor, brightness_factor: float) -> Tensor:
        tensor = _channels_first(image) if isinstance(image, np.ndarray) else image
        if self.normalize:
            return tensor.float().mul(brightness_factor / 255.0).clamp(0.0, 1.0)
        return tensor.float().mul(brightness_factor).clamp(0.0, 255.0)

    def transform_mask(self, mask: np.ndarray | Tensor, brightness_factor: float) -> Tensor:
        return torch.from_numpy(mask) if isinstance(mask, np.ndarray) else mask


class Normalize(TransformBase):
    """Subtract `mean` and divide by `std`, per channel of a tensor image. `inplace` overwrites the
    image.
    """

    def __init__(self, mean: Iterable[float], std: Iterable[float], inplace: bool = False):
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.inplace = inplace

    def transform_image(self, image: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(values, dtype=image.dtype, device=image.device).view(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return image.sub_(mean).div_(std) if self.inplace else image.sub(mean).div_(std)


class ToGrayscale(TransformBase):
    """With `probability`, the luminance of an (H, W, 3) RGB array in all three channels."""

    def __init__(self, probability: float = 0.5):
        self.probability = probability

    def roll(self) -> bool:
        return random.random() < self.probability

    def transform_image(self, image: np.ndarray, do_grayscale: bool) -> np.ndarray:
        if not do_grayscale:
            return image
        if isinstance(image, Tensor):
            raise NotImplementedError("ToGrayscale works on arrays; place it before ToTensor")
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


class ToBGR(TransformBase):
    """Swap red and blue of an (H, W, 3) array."""

    def transform_image(self, image: np.ndarray) -> np.ndarray:
        if isinstance(image, Tensor):
            raise NotImplementedError("ToBGR works on arrays; place it before ToTensor")
        return np.ascontiguousarray(image[..., ::-1])


class Blur(TransformBase):
    """Gaussian blur of a tensor (C, H, W), or (N, C, H, W), by `sigma` px: one number, or one for
    rows and one for columns.

    The kernel reaches `ceil(2 sigma)` px; border pixels repeat outside the image.
    """

    def __init__(self, sigma: float | Sequence[float]):
        self.sigma = (
            (float(sigma),) * 2
            if isinstance(sigma, (int, float))
            else tuple(float(s) for s in sigma)
        )

    def transform_image(self, image: Tensor) -> Tensor:
        return self._blurred(image)

    def _blurred(self, image: Tensor) -> Tensor:
        if not isinstance(image, Tensor):
            raise NotImplementedError(
                f"{type(self).__name__} works on tensors; place it after ToTensor"
            )
        planes = image.reshape(-1, 1, *image.shape[-2:])
        for axis, sigma in enumerate(self.sigma):
            if sigma > 0:
                reach = math.ceil(2 * sigma)
                weights = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2))
                kernel = (
                    (weights / weights.sum())
                    .to(planes)
                    .view(1, 1, *((-1, 1) if axis == 0 else (1, -1)))
                )
                pad = (0, 0, reach, reach) if axis == 0 else (reach, reach, 0, 0)
                planes = F.conv2d(F.pad(planes, pad, mode="replicate"), kernel)
        return planes.reshape(image.shape)


class RandomBlur(Blur):
    """`Blur` with `probability`, when `enabled`.

    In pytracking this transform changes nothing, and published recipes that contain it were trained
    so; it draws its number and leaves the image alone unless `enabled`.
    """

    def __init__(
        self, sigma: float | Sequence[float], probability: float = 0.1, enabled: bool = False
    ):
        super().__init__(sigma)
        self.probability = probability
        self.enabled = enabled

    def roll(self) -> bool:
        return random.random() < self.probability

    def transform_image(  # type: ignore[override]  # it is rolled, its parent is not
        self, image: Tensor, do_blur: bool
    ) -> Tensor:
        return self._blurred(image) if do_blur and self.enabled else image


def _channels_first(image: np.ndarray) -> Tensor:
    array = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
