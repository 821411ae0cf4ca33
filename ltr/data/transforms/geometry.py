"""Transforms that move pixels, and with them masks, coordinates and boxes."""

from __future__ import annotations

import math
import random

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.data.transforms.base import TransformBase


class RandomHorizontalFlip(TransformBase):
    """Mirror left and right with `probability`; x becomes (width - 1) - x."""

    def __init__(self, probability: float = 0.5):
        self.probability = probability

    def roll(self) -> bool:
        return random.random() < self.probability

    def transform_image(self, image: np.ndarray | Tensor, do_flip: bool) -> np.ndarray | Tensor:
        if not do_flip:
            return image
        return image.flip(-1) if isinstance(image, Tensor) else np.fliplr(image).copy()

    def transform_coords(self, coords: Tensor, image_shape: tuple, do_flip: bool) -> Tensor:
        if not do_flip:
            return coords
        if image_shape is None:
            raise BadValue(
                "RandomHorizontalFlip needs the image or mask that coordinates or boxes belong to"
            )
        return torch.stack([coords[0], (image_shape[1] - 1) - coords[1]])

    def transform_mask(self, mask: np.ndarray | Tensor, do_flip: bool) -> np.ndarray | Tensor:
        return self.transform_image(mask, do_flip)


class RandomAffine(TransformBase):
    """A random affine map of array images (linear) and masks (nearest), and of their coordinates.

    Mirrored with probability `p_flip`; turned by up to `max_rotation` degrees; sheared by up to
    `max_shear`; x and y scaled by `exp(U(-max_scale, max_scale))`, y once more by
    `exp(U(-max_ar_factor, max_ar_factor))`. The fixed point is the image's centre, moved by up to
    `scale_center` of its size. `pad_amount` px are added on every side. Outside the image lies
    black, or the nearest border pixel for `border_mode` 'replicate'. Coordinates are clamped to the
    result.
    """

    _BORDERS = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}  # noqa: RUF012

    def __init__(
        self,
        p_flip: float = 0.0,
        max_rotation: float = 0.0,
        max_shear: float = 0.0,
        max_scale: float = 0.0,
        max_ar_factor: float = 0.0,
        border_mode: str = "constant",
        pad_amount: int = 0,
        scale_center: float = 0.0,
    ):
        if border_mode not in self._BORDERS:
            raise BadValue(
                f"RandomAffine: border_mode '{border_mode}' is not known; choose 'constant' or "
                "'replicate'"
            )
        self.p_flip = p_flip
        self.max_rotation = max_rotation
        self.max_shear = max_shear
        self.max_scale = max_scale
        self.max_ar_factor = max_ar_factor
        self.border_mode = border_mode
        self.pad_amount = int(pad_amount)
        self.scale_center = scale_center

    def roll(
        self,
    ) -> tuple[bool, float, tuple[float, float], tuple[float, float], tuple[float, float]]:
        """Draw whether to flip, angle in degrees, shear, scale, and displacement of the centre,
        each (x, y).
        """
        do_flip = random.random() < self.p_flip
        angle = random.uniform(-self.max_rotation, self.max_rotation)
        shear = _two_of(self.max_shear)
        scale = math.exp(random.uniform(-self.max_scale, self.max_scale))
        stretch = math.exp(random.uniform(-self.max_ar_factor, self.max_ar_factor))
        center = _two_of(self.scale_center)
        return do_flip, angle, shear, (scale, scale * stretch), center

    def matrix(
        self,
        image_shape: tuple,
        do_flip: bool,
        angle: float,
        shear: tuple[float, float],
        scale: tuple[float, float],
        center: tuple[float, float],
    ) -> np.ndarray:
        """(2, 3): pixel (x, y) of an image of `image_shape` (H, W) to pixel of the result."""
        height, width = image_shape[:2]
        flip = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) if do_flip else np.eye(3)
        fixed = (width - 1) / 2 + center[0] * width, (height - 1) / 2 + center[1] * height
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = np.array([[cos, sin], [-sin, cos]])
        linear = np.eye(3)
        linear[:2, :2] = turn @ np.array([[1, shear[0]], [shear[1], 1]]) @ np.diag(scale)
        return (
            _shift(*fixed)
            @ _shift(self.pad_amount, self.pad_amount)
            @ linear
            @ _shift(-fixed[0], -fixed[1])
            @ flip
        )[:2]

    def transform_image(self, image: np.ndarray, *rand_params) -> np.ndarray:
        return self._warp(image, cv2.INTER_LINEAR, self._BORDERS[self.border_mode], rand_params)

    def transform_mask(self, mask: np.ndarray | Tensor, *rand_params) -> np.ndarray | Tensor:
        if isinstance(mask, Tensor):
            return torch.from_numpy(self.transform_mask(mask.numpy(), *rand_params))
        return self._warp(mask, cv2.INTER_NEAREST, self._BORDERS[self.border_mode], rand_params)

    def transform_coords(self, coords: Tensor, image_shape: tuple, *rand_params) -> Tensor:
        if image_shape is None:
            raise BadValue(
                "RandomAffine needs the image or mask that coordinates or boxes belong to"
            )
        matrix = torch.from_numpy(self.matrix(image_shape, *rand_params)).to(coords)
        x, y = matrix[:, :2] @ coords.flip(0) + matrix[:, 2:]
        height, width = (size + 2 * self.pad_amount for size in image_shape[:2])
        return torch.stack([y.clamp(0, height), x.clamp(0, width)])

    def _warp(
        self, image: np.ndarray, interpolation: int, border: int, rand_params: tuple
    ) -> np.ndarray:
        if isinstance(image, Tensor):
            raise NotImplementedError("RandomAffine works on arrays; place it before ToTensor")
        size = image.shape[1] + 2 * self.pad_amount, image.shape[0] + 2 * self.pad_amount
        return cv2.warpAffine(
            image,
            self.matrix(image.shape, *rand_params),
            size,
            flags=interpolation,
            borderMode=border,
        )


def _two_of(most: float) -> tuple[float, float]:
    """Draw two numbers between -most and most."""
    return random.uniform(-most, most), random.uniform(-most, most)


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1, y], [0, 0, 1]])
