"""The calling convention of transforms: keyword inputs, joint draws, repeated draws."""

from __future__ import annotations

from typing import Any

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
                raise BadValue(
                    f"a transform has no input '{name}'{suggestion(name, INPUTS)}; "
                    f"it takes {', '.join(INPUTS)}, joint and new_roll"
                )
        if not joint:
            samples = zip(
                *[
                    value if isinstance(value, (list, tuple)) else [value]
                    for value in inputs.values()
                ],
                strict=True,
            )
            done = [
                self(**dict(zip(inputs, sample, strict=True)), new_roll=new_roll)
                for sample in samples
            ]
            return (
                done
                if len(inputs) == 1
                else tuple(list(values) for values in zip(*done, strict=True))
            )
        results = self._apply(inputs, new_roll)
        values = tuple(results[name] for name in inputs)
        return values[0] if len(values) == 1 else values

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        raise NotImplementedError


class Transform(_Transformation):
    """Applies transforms in order."""

    def __init__(self, *transforms):
        given_as_list = len(transforms) == 1 and isinstance(transforms[0], (list, tuple))
        self.transforms = list(transforms[0] if given_as_list else transforms)

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        for transform in self.transforms:
            inputs = transform._apply(inputs, new_roll)
        return inputs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.transforms))})"


class TransformBase(_Transformation):
    """Base of transforms. A subclass overrides what it changes; boxes follow from
    `transform_coords`.
    """

    _rand_params: Any = None  # of the last roll

    def roll(self) -> Any:
        """Draw the random parameters, which are passed on to the transform_* methods (a tuple
        becomes several).
        """
        return None

    def transform_image(self, *args: Any, **kwargs: Any) -> Any:
        """Return the transformed image; the first argument is the image, then what `roll` gave."""
        return args[0]

    def transform_coords(self, coords: Tensor, image_shape: tuple, *rand_params) -> Tensor:
        """Points (2, N), rows y and x, of an image of `image_shape` (H, W)."""
        return coords

    def transform_bbox(self, bbox: Tensor, image_shape: tuple, *rand_params) -> Tensor:
        """The upright hull of the box's moved corners."""
        if type(self).transform_coords is TransformBase.transform_coords:
            return bbox
        left, top, right, bottom = bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]
        corners = torch.stack(
            [torch.stack([top, top, bottom, bottom]), torch.stack([left, right, left, right])]
        )
        moved = self.transform_coords(corners, image_shape, *rand_params)
        low, high = moved.amin(1), moved.amax(1)
        return torch.stack([low[1], low[0], high[1] - low[1], high[0] - low[0]])

    def transform_bboxes(self, bboxes: dict, image_shape: tuple, *rand_params) -> dict:
        """Boxes by object id."""
        return {
            key: self.transform_bbox(bbox, image_shape, *rand_params)
            for key, bbox in bboxes.items()
        }

    def transform_mask(self, mask: np.ndarray | Tensor, *rand_params) -> np.ndarray | Tensor:
        """The transformed mask."""
        return mask

    def _apply(self, inputs: dict[str, Any], new_roll: bool) -> dict[str, Any]:
        if new_roll:
            rolled = self.roll()
            self._rand_params = (
                () if rolled is None else rolled if isinstance(rolled, tuple) else (rolled,)
            )
        elif self._rand_params is None:
            raise BadValue(
                f"{type(self).__name__}: new_roll=False needs an earlier call whose draw it repeats"
            )
        shape = _image_shape(inputs)
        return {name: self._each(name, value, shape) for name, value in inputs.items()}

    def _each(self, name: str, value: Any, shape: tuple | None) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._each(name, item, shape) for item in value]
        extra = () if name in ("image", "mask") else (shape,)
        return getattr(self, f"transform_{name}")(value, *extra, *self._rand_params)

    def __repr__(self) -> str:
        return type(self).__name__


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
