"""Crops of a target as a light network sees it: at a fixed scale, shifted, in another light."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ltr.data.crops import context_side
from spot_ext.rendering.pairs.pictures import Boxed

TEMPLATE, SEARCH = 113, 193  # sides of the crops in px
TEMPLATE_FACTOR = 2  # side of the template's window relative to the target
TARGET = TEMPLATE / TEMPLATE_FACTOR  # px that the target measures in both crops
# Standard deviations of the logarithm of the scale: a template is taken from a box that is
# right, a search region from the last frame's, which is less so.
TEMPLATE_SCALE, SEARCH_SCALE = 0.04, 0.22
TEMPLATE_SHIFT = 0.04  # standard deviation, of the target's size
FAR_SHARE = 0.4  # of search crops whose shift is uniform; the others' is normal
NEAR_SHIFT = 0.35  # standard deviation of the normal one, in reaches
# The farthest shift, of the crop's side: three quarters of a target at least are in the crop.
REACH = 0.38
# Smaller targets are blurred before they are shrunk, as pictures alias below this scale.
BLUR_BELOW = 0.6
LEAST_SEEN = 0.4  # of a box that must lie in the crop for the pair to count


def cut(
    pixels: np.ndarray, center: np.ndarray, side: float, size: int, flip: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the square of `side` px around `center` at `size` px, and the 2x3 matrix to it.

    Outside the picture is its mean colour, as in the tracker.
    """
    scale = size / side
    matrix = np.diag([-scale if flip else scale, scale])
    matrix = np.column_stack([matrix, size / 2 - matrix @ center])
    if scale < BLUR_BELOW:
        kernel = 2 * max(round(0.5 / scale), 1) - 1
        pixels = cv2.blur(pixels, (kernel, kernel))
    mean = pixels[::8, ::8].reshape(-1, 3).mean(0).tolist()
    return cv2.warpAffine(pixels, matrix, (size, size), borderValue=mean), matrix


def template_view(boxed: Boxed, rng: np.random.Generator, flip: bool = False) -> np.ndarray:
    """Return a template crop, uint8 (113, 113, 3)."""
    size = boxed.box_xywh[2:]
    side = context_side(size[0], size[1], TEMPLATE_FACTOR) * math.exp(rng.normal(0, TEMPLATE_SCALE))
    shift = rng.normal(0, TEMPLATE_SHIFT * math.sqrt(size.prod()), 2)
    return cut(boxed.pixels, boxed.box_xywh[:2] + size / 2 + shift, side, TEMPLATE, flip)[0]


def search_view(
    boxed: Boxed, rng: np.random.Generator, flip: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return a search crop, uint8 (193, 193, 3), and the target's box xywh in it, not clipped."""
    size = boxed.box_xywh[2:]
    side = context_side(size[0], size[1], TEMPLATE_FACTOR) * SEARCH / TEMPLATE
    side *= math.exp(rng.normal(0, SEARCH_SCALE))
    reach = side * 0.425 - math.sqrt(size.prod()) / 4
    shift = shifts(rng) * np.clip(reach, 0, REACH * side)
    center = boxed.box_xywh[:2] + size / 2 + shift
    crop, matrix = cut(boxed.pixels, center, side, SEARCH, flip)
    corners = np.array([boxed.box_xywh[:2], boxed.box_xywh[:2] + size])
    moved = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = moved.min(0), moved.max(0)
    return crop, np.concatenate([low, high - low])


def shifts(rng: np.random.Generator) -> np.ndarray:
    """Return a shift in x and y, in reaches: mostly small, now and then far."""
    far = rng.random(2) < FAR_SHARE
    return np.where(far, rng.uniform(-1, 1, 2), rng.normal(0, NEAR_SHIFT, 2))


def clipped(box_xywh: np.ndarray) -> np.ndarray | None:
    """Return the part of a box in the search crop; None where too little of it is there."""
    low = np.maximum(box_xywh[:2], 0)
    high = np.minimum(box_xywh[:2] + box_xywh[2:], SEARCH)
    size = high - low
    if (size < 5).any() or size.prod() < LEAST_SEEN * box_xywh[2:].prod():
        return None
    return np.concatenate([low, size])


def relit(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a crop in another light, colour, sharpness or noise."""
    pixels: np.ndarray = crop.astype(np.float32)
    if rng.random() < 0.8:
        pixels = pixels * rng.uniform(0.6, 1.4) + rng.uniform(-25, 25)
    if rng.random() < 0.5:
        pixels = pixels * rng.uniform(0.85, 1.15, 3)
    if rng.random() < 0.15:
        pixels = np.repeat(pixels.mean(2, keepdims=True), 3, 2)
    if rng.random() < 0.25:
        mean = pixels.mean()
        pixels = mean + (pixels - mean) * rng.uniform(0.5, 1.2)
    if rng.random() < 0.1:
        pixels = pixels + rng.normal(0, rng.uniform(3, 12), pixels.shape)
    return _blurred(pixels.clip(0, 255).astype(np.uint8), rng)


def _blurred(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kind = rng.random()
    if kind < 0.12:
        return cv2.filter2D(crop, -1, _streak(int(rng.choice([3, 5, 7])), rng.uniform(0, math.pi)))
    if kind < 0.3:
        size = len(crop)
        small = max(8, int(size * rng.uniform(0.2, 0.7)))
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(crop, (size, size))
    if kind < 0.36:
        return cv2.GaussianBlur(crop, (5, 5), rng.uniform(0.6, 1.6))
    return crop


def _streak(size: int, angle: float) -> np.ndarray:
    """Return the kernel of a motion of `size` px."""
    kernel = np.zeros((size, size), np.float32)
    middle = size // 2
    for step in np.linspace(-middle, middle, 2 * size):
        row = round(middle + step * math.sin(angle))
        column = round(middle + step * math.cos(angle))
        kernel[row, column] = 1
    return kernel / kernel.sum()
