"""Target regions as the VOT challenges describe them: rectangle, polygon, mask.

A region is a `Rectangle`, a `Polygon`, or a mask, an array (H, W) uint8 of 0 and 1 that starts at
the image's corner.
"""

from __future__ import annotations

import collections
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, in_short

Rectangle = collections.namedtuple("Rectangle", ["x", "y", "width", "height"])
Point = collections.namedtuple("Point", ["x", "y"])
Polygon = collections.namedtuple("Polygon", ["points"])
Region = Rectangle | Polygon | np.ndarray

NO_TARGET = Rectangle(0.0, 0.0, 0.0, 0.0)  # what is reported as box while the target is absent


def parse_region(text: str) -> Rectangle | Polygon:
    """Return the region that a line of numbers stands for, separated by commas or spaces: x, y,
    width, height, or x and y of each corner.
    """
    try:
        numbers = [float(part) for part in text.replace(",", " ").split()]
    except ValueError:
        numbers = []
    if len(numbers) == 4:
        return Rectangle(*numbers)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return Polygon([Point(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)])
    raise BadValue(
        f"VOT region '{in_short(text.strip())}': give 4 numbers x, y, width, height, "
        "or the x and y of at least 3 corners"
    )


def encode_region(region: Region) -> str:
    """Write a rectangle or polygon as comma separated numbers, which `parse_region` reads."""
    return ",".join(f"{number:.10g}" for number in region_numbers(region))


def region_numbers(region: Region) -> list[float]:
    """Return x, y, width, height of a rectangle, or the x and y of each corner of a polygon.

    Raises:
        BadValue: the region is a mask.

    """
    if isinstance(region, Polygon):
        return [float(number) for point in region.points for number in point]
    if isinstance(region, Rectangle):
        return [float(number) for number in region]
    raise BadValue(
        f"VOT region: {type(region).__name__} cannot be written as numbers, use Rectangle or "
        "Polygon"
    )


def convert_region(region: Region, to: str) -> Rectangle | Polygon:
    """`region` as 'rectangle' (the hull of a polygon's corners) or 'polygon' (the four corners of a
    rectangle).
    """
    if to not in ("rectangle", "polygon"):
        raise BadValue(f"VOT region: unknown kind '{to}', use 'rectangle' or 'polygon'")
    if isinstance(region, Rectangle):
        if to == "rectangle":
            return region
        left, top, right, bottom = (
            region.x,
            region.y,
            region.x + region.width,
            region.y + region.height,
        )
        return Polygon(
            [Point(left, top), Point(right, top), Point(right, bottom), Point(left, bottom)]
        )
    if not isinstance(region, Polygon):
        raise BadValue(
            f"VOT region: {type(region).__name__} cannot be converted, use Rectangle or Polygon"
        )
    if to == "polygon":
        return region
    xs, ys = zip(*region.points, strict=True)
    return Rectangle(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def make_full_size(x: np.ndarray, output_sz: tuple[int, int]) -> np.ndarray:
    """Mask `x` (H, W) with zeros added, or what is too much cut off, right and below, so that it is
    `output_sz` = (w, h).
    """
    width, height = output_sz
    full = np.zeros((height, width), dtype=x.dtype)
    part = x[:height, :width]
    full[: part.shape[0], : part.shape[1]] = part
    return full


def mask_to_box(mask: np.ndarray) -> list[float] | None:
    """The smallest box [x, y, w, h] that holds all pixels of `mask` (H, W) that are not 0; None
    when there is none.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    (top, bottom), (left, right) = rows[[0, -1]], columns[[0, -1]]
    return [float(left), float(top), float(right - left + 1), float(bottom - top + 1)]


def from_trax(region: Any) -> Rectangle | Polygon | np.ndarray:
    """A region of the trax package as one of ours; a mask starts at the image's corner and ends
    where the target does.
    """
    if region.type == "rectangle":
        return Rectangle(*region.bounds())
    if region.type == "polygon":
        return Polygon([Point(*corner) for corner in region])
    if region.type == "mask":
        return region.array(normalize=True)
    raise BadValue(
        f"TraX: the client sent a region of kind '{region.type}' to start from, send rectangle, "
        "polygon or mask"
    )


def to_trax(region: Rectangle | Polygon | np.ndarray) -> Any:
    """Return one of our regions as a region of the trax package."""
    import trax.region

    if isinstance(region, Rectangle):
        return trax.region.Rectangle.create(*(float(number) for number in region))
    if isinstance(region, Polygon):
        return trax.region.Polygon.create([(float(x), float(y)) for x, y in region.points])
    if isinstance(region, np.ndarray) and region.ndim == 2:
        return trax.region.Mask.create(
            np.ascontiguousarray(region, dtype=np.uint8)
        )  # trax copies raw memory
    raise BadValue(
        f"VOT region: {type(region).__name__} is none, report a Rectangle, a Polygon or a mask "
        "(H, W)"
    )
