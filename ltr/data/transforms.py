"""Augmentation of images together with the boxes and masks in them.

    transform = Transform(ToGrayscale(probability=0.05), RandomHorizontalFlip())
    image, box = transform(image=image, bbox=box)

Inputs are keywords: `image`, `coords` (2, N) with rows y and x, `bbox` (4,) xywh, `mask` (H, W), `bboxes` (dict of
boxes), each a single item or a list. `joint=True` gives all of them, also all items of lists, the same random draw;
`joint=False` pairs the lists and gives each pair a draw of its own. `new_roll=False` repeats the previous draw. One
input comes back as it is, several as a tuple in the order given.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion

INPUTS = ("image", "coords", "bbox", "mask", "bboxes")


class _Transformation:
    """The calling convention, common to single transforms and chains of them."""

    def __call__(self, *, joint: bool = True, new_roll: bool = True, **inputs: Any) -> Any:
        for name in inputs:
            if name not in INPUTS:
                raise BadValue(f"a transform has no input '{name}'{suggestion(name, INPUTS)}; "
                               f"it takes {', '.join(INPUTS)}, joint and new_roll")
        if not joint:
            samples = zip(*[value if isinstance(value, (list, tuple)) else [value] for value in inputs.values()],
                          strict=True)
            done = [self(**dict(zip(inputs, sample, strict=True)), new_roll=new_roll) for sample in samples]
            return done if len(inputs) == 1 else tuple(list(values) for values in zip(*done, strict=True))
        results = self._apply(inputs, new_roll)
        values = tuple(results[name] for name in inputs)
        return values[0] if len(values) == 1 else values

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        raise NotImplementedError


class Transform(_Transformation):
    """Applies transforms in order."""

    def __init__(self, *transforms):
        if len(transforms) == 1 and isinstance(transforms[0], (list, tuple)):
            transforms = transforms[0]
        self.transforms = list(transforms)

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        for transform in self.transforms:
            inputs = transform._apply(inputs, new_roll)
        return inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.transforms))})"


class TransformBase(_Transformation):
    """Base of transforms. A subclass overrides what it changes; boxes follow from `transform_coords`."""

    _rand_params: Any = None  # of the last roll

    def roll(self) -> Any:
        """Draw the random parameters, which are passed on to the transform_* methods (a tuple becomes several)."""
        return None

    def transform_image(self, image: np.ndarray | Tensor, *rand_params) -> np.ndarray | Tensor:
        """The transformed image."""
        return image

    def transform_coords(self, coords: Tensor, image_shape: tuple, *rand_params) -> Tensor:
        """Points (2, N), rows y and x, of an image of `image_shape` (H, W)."""
        return coords

    def transform_bbox(self, bbox: Tensor, image_shape: tuple, *rand_params) -> Tensor:
        """The upright hull of the box's moved corners."""
        if type(self).transform_coords is TransformBase.transform_coords:
            return bbox
        left, top, right, bottom = bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]
        corners = torch.stack([torch.stack([top, top, bottom, bottom]), torch.stack([left, right, left, right])])
        moved = self.transform_coords(corners, image_shape, *rand_params)
        low, high = moved.amin(1), moved.amax(1)
        return torch.stack([low[1], low[0], high[1] - low[1], high[0] - low[0]])

    def transform_bboxes(self, bboxes: dict, image_shape: tuple, *rand_params) -> dict:
        """Boxes by object id."""
        return {key: self.transform_bbox(bbox, image_shape, *rand_params) for key, bbox in bboxes.items()}

    def transform_mask(self, mask: np.ndarray | Tensor, *rand_params) -> np.ndarray | Tensor:
        """The transformed mask."""
        return mask

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        if new_roll:
            rolled = self.roll()
            self._rand_params = () if rolled is None else rolled if isinstance(rolled, tuple) else (rolled,)
        elif self._rand_params is None:
            raise BadValue(f"{type(self).__name__}: new_roll=False needs an earlier call whose draw it repeats")
        shape = _image_shape(inputs)
        return {name: self._each(name, value, shape) for name, value in inputs.items()}

    def _each(self, name: str, value: Any, shape: tuple | None) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._each(name, item, shape) for item in value]
        extra = () if name in ("image", "mask") else (shape,)
        return getattr(self, f"transform_{name}")(value, *extra, *self._rand_params)

    def __repr__(self) -> str:
        return type(self).__name__


class ToTensor(TransformBase):
    """(H, W, C) or (H, W) array to (C, H, W) tensor; uint8 is scaled to 0..1. Masks become tensors, unscaled."""

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
    """Subtract `mean` and divide by `std`, per channel of a tensor image. `inplace` overwrites the image."""

    def __init__(self, mean: Iterable[float], std: Iterable[float], inplace: bool = False):
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.inplace = inplace

    def transform_image(self, image: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, dtype=image.dtype, device=image.device).view(-1, 1, 1)
                     for values in (self.mean, self.std))
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
            raise BadValue("RandomHorizontalFlip needs the image or mask that coordinates or boxes belong to")
        return torch.stack([coords[0], (image_shape[1] - 1) - coords[1]])

    def transform_mask(self, mask: np.ndarray | Tensor, do_flip: bool) -> np.ndarray | Tensor:
        return self.transform_image(mask, do_flip)


def _image_shape(inputs: dict[str, Any]) -> tuple | None:
    """(H, W) of the image, else of the mask; of the first in a list."""
    for name in ("image", "mask"):
        value = inputs.get(name)
        while isinstance(value, (list, tuple)) and value:
            value = value[0]
        if isinstance(value, Tensor):
            return tuple(value.shape[-2:])
        if isinstance(value, np.ndarray):
            return value.shape[:2]
    return None


def _channels_first(image: np.ndarray) -> Tensor:
    array = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))
