"""Augmentations of a tracker's first sample: callables on a patch (1, C, H, W) tensor or (H, W, C)
array.

Each is one fixed transformation, so that all samples of a set can be told apart; `RandomAffine`
draws anew per call.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.errors import BadValue
from pytracking.features.preprocessing import numpy_to_torch, torch_to_numpy

Image = Tensor | np.ndarray


class Transform:
    """Base: transforms, then moves the content by `shift` (rows, columns) and cuts the middle to
    `output_sz` (h, w).

    Without an output size the result keeps the size of the image. What lies outside repeats the
    border, or is zero in masks.
    """

    def __init__(
        self, output_sz: Sequence[int] | Tensor | None = None, shift: Sequence[int] | None = None
    ):
        self.output_sz = None if output_sz is None else tuple(int(size) for size in output_sz)
        self.shift = (0, 0) if shift is None else tuple(int(step) for step in shift)

    def __call__(self, image: Image, is_mask: bool = False) -> Image:
        """The transformed image, of the type it came in."""
        if isinstance(image, np.ndarray):
            changed = torch_to_numpy(self._transformed(numpy_to_torch(image), is_mask))
            if image.dtype == np.uint8:
                changed = np.rint(changed).clip(0, 255)
            changed = changed.astype(image.dtype)
            return changed[..., 0] if image.ndim == 2 else changed
        return self._transformed(image, is_mask)

    def _transformed(self, image: Tensor, is_mask: bool) -> Tensor:
        return self.crop_to_output(self.transform(image, is_mask), is_mask)

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        """The transformation proper, on (1, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} must define transform(image, is_mask)")

    def crop_to_output(self, image: Tensor, is_mask: bool = False) -> Tensor:
        """Moves and cuts, or pads, as the class says."""
        size = image.shape[-2:]
        wanted = size if self.output_sz is None else self.output_sz
        margin = [want - have for want, have in zip(wanted, size, strict=True)]
        if not any(margin) and not any(self.shift):
            return image
        before = [math.floor(m / 2) + step for m, step in zip(margin, self.shift, strict=True)]
        index = [torch.arange(want) - lead for want, lead in zip(wanted, before, strict=True)]
        rows, columns = (
            i.clamp(0, limit - 1).to(image.device) for i, limit in zip(index, size, strict=True)
        )
        cut = image[..., rows, :][..., columns]
        if is_mask:
            seen = [(i >= 0) & (i < limit) for i, limit in zip(index, size, strict=True)]
            cut = cut * (seen[0][:, None] & seen[1]).to(cut)
        return cut


class Identity(Transform):
    """Only moves and cuts."""

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return image


class FlipHorizontal(Transform):
    """Left and right exchanged."""

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return image.flip(3)


class FlipVertical(Transform):
    """Top and bottom exchanged."""

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return image.flip(2)


class Translation(Transform):
    """Content moved by `translation` (rows, columns) pixels, besides `shift`."""

    def __init__(self, translation: Sequence[int], output_sz=None, shift=None):
        super().__init__(output_sz, shift)
        self.shift = tuple(int(a) + b for a, b in zip(translation, self.shift, strict=True))

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return image


class Scale(Transform):
    """Show `scale_factor` times as much: sides are divided by it, so that 2 shrinks the target to
    half.

    A side grows by one where its margin to the image would be uneven, which keeps the content in
    the middle. Without `output_sz` the result has the scaled size.
    """

    def __init__(self, scale_factor: float, output_sz=None, shift=None):
        super().__init__(output_sz, shift)
        self.scale_factor = scale_factor

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        height, width = image.shape[-2:]
        scaled_height = self._scaled_side(height)
        scaled_width = self._scaled_side(width)
        if min(scaled_height, scaled_width) < 1:
            raise BadValue(
                f"Scale({self.scale_factor}) leaves nothing of an image of {height}x{width} "
                "pixels; give a smaller factor"
            )
        return _resized(image, (scaled_height, scaled_width), is_mask)

    def _scaled_side(self, side: int) -> int:
        scaled = round(side / self.scale_factor)
        return scaled + (side - scaled) % 2


class Affine(Transform):
    """The affine map (2, 3) of pixel coordinates (x, y), as OpenCV's `warpAffine` takes it."""

    def __init__(self, transform_matrix: np.ndarray, output_sz=None, shift=None):
        super().__init__(output_sz, shift)
        self.transform_matrix = np.asarray(transform_matrix, dtype=np.float64)

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return warp(image, self.transform_matrix, is_mask)


class Rotate(Transform):
    """Turned by `angle_deg` degrees about the middle, counter-clockwise for positive angles."""

    def __init__(self, angle_deg: float, output_sz=None, shift=None):
        super().__init__(output_sz, shift)
        self.angle_deg = angle_deg

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        return warp(image, _rotation(image.shape[-2:], self.angle_deg), is_mask)


class Blur(Transform):
    """Gaussian blur with standard deviation `sigma` (one number, or (y, x)) in pixels; masks
    stay.
    """

    def __init__(self, sigma: float | Sequence[float], output_sz=None, shift=None):
        super().__init__(output_sz, shift)
        self.sigma = (sigma, sigma) if isinstance(sigma, (int, float)) else tuple(sigma)

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        if is_mask:
            return image
        for dim, sigma in zip((2, 3), self.sigma, strict=True):
            if sigma <= 0:
                continue
            reach = math.ceil(2 * sigma)
            x = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
            weight = torch.exp(-0.5 * (x / sigma).square())
            shape = (1, 1, -1, 1) if dim == 2 else (1, 1, 1, -1)
            kernel = (
                (weight / weight.sum())
                .view(shape)
                .expand(image.shape[1], 1, -1, -1 if dim == 3 else 1)
            )
            padding = (reach, 0) if dim == 2 else (0, reach)
            image = F.conv2d(image, kernel.contiguous(), padding=padding, groups=image.shape[1])
        return image


class RandomAffine(Transform):
    """A random flip, turn, shear and scale about the middle, drawn from Python's `random` for every
    call.

    Args:
        p_flip: probability of a horizontal flip.
        max_rotation: degrees to either side.
        max_shear: factor to either side.
        max_scale: the scale is exp(U(-max_scale, max_scale)).
        max_ar_factor: the height is scaled by exp(U(-max_ar_factor, max_ar_factor)) besides.
        border_mode: 'constant' (black) or 'replicate' outside the image.

    """

    def __init__(
        self,
        p_flip: float = 0.0,
        max_rotation: float = 0.0,
        max_shear: float = 0.0,
        max_scale: float = 0.0,
        max_ar_factor: float = 0.0,
        border_mode: str = "constant",
        output_sz=None,
        shift=None,
    ):
        super().__init__(output_sz, shift)
        borders = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE}
        if border_mode not in borders:
            raise BadValue(
                f"RandomAffine: border_mode '{border_mode}' is not known; choose constant or "
                "replicate"
            )
        self.p_flip = p_flip
        self.max_rotation = max_rotation
        self.max_shear = max_shear
        self.max_scale = max_scale
        self.max_ar_factor = max_ar_factor
        self.border_flag = borders[border_mode]

    def roll(self) -> tuple[bool, float, tuple[float, float], tuple[float, float]]:
        """Draw flip, angle, shears (x, y) and scale factors (x, y)."""

        def around_zero(limit: float) -> float:
            return random.uniform(-limit, limit)

        scale = math.exp(around_zero(self.max_scale))
        shears = around_zero(self.max_shear), around_zero(self.max_shear)
        return (
            random.random() < self.p_flip,
            around_zero(self.max_rotation),
            shears,
            (scale, scale * math.exp(around_zero(self.max_ar_factor))),
        )

    def transform(self, image: Tensor, is_mask: bool) -> Tensor:
        flip, angle, (shear_x, shear_y), (scale_x, scale_y) = self.roll()
        height, width = image.shape[-2:]
        to_middle = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
        shape = np.array(
            [[-scale_x if flip else scale_x, shear_x, 0], [shear_y, scale_y, 0], [0, 0, 1]]
        )
        turn = np.vstack([_rotation((1, 1), angle), [0, 0, 1]])
        matrix = np.linalg.inv(to_middle) @ turn @ shape @ to_middle
        return warp(image, matrix[:2], is_mask, self.border_flag)


def warp(image: Tensor, matrix: np.ndarray, is_mask: bool, border: int | None = None) -> Tensor:
    """`image` (1, C, H, W) under the affine map `matrix` (2, 3) of pixel coordinates; on its device
    again.

    Bilinear with repeated border; masks take the nearest pixel and are zero outside. Goes through
    OpenCV on the CPU.
    """
    height, width = image.shape[-2:]
    if border is None or is_mask:
        border = cv2.BORDER_CONSTANT if is_mask else cv2.BORDER_REPLICATE
    flag = cv2.INTER_NEAREST if is_mask else cv2.INTER_LINEAR
    channels = [
        cv2.warpAffine(
            np.ascontiguousarray(channel), matrix, (width, height), flags=flag, borderMode=border
        )
        for channel in image[0].detach().float().cpu().numpy()
    ]
    return torch.from_numpy(np.stack(channels))[None].to(image)


def _rotation(size: Sequence[int], angle_deg: float) -> np.ndarray:
    height, width = size
    return cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle_deg, 1)


def _resized(image: Tensor, size: Sequence[int], is_mask: bool) -> Tensor:
    if is_mask:
        return F.interpolate(image, size, mode="nearest")
    return F.interpolate(image, size, mode="bilinear", align_corners=False)
