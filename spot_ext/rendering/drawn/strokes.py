"""Draw the elements of background pictures: filled outlines, foliage, trees and things that stand
about.

All draw into a uint8 RGB image (H, W, 3) and take coordinates in its pixels, inside or outside of
it.
"""

from __future__ import annotations

import cv2
import numpy as np

from spot_ext.rendering.drawn.paint import Pose, paint
from spot_ext.rendering.drawn.textures import hsv, palette
from spot_ext.rendering.drawn.things import thing, wardrobe


def rgb(colour: np.ndarray) -> tuple[int, int, int]:
    """The colour as OpenCV takes it."""
    red, green, blue = (int(value) for value in np.clip(colour, 0, 255))
    return red, green, blue


def rectangle(
    image: np.ndarray, x: float, y: float, w: float, h: float, colour: np.ndarray
) -> None:
    """Fill a rectangle."""
    cv2.rectangle(image, (int(x), int(y)), (int(x + w) - 1, int(y + h) - 1), rgb(colour), -1)


def ellipse(
    image: np.ndarray,
    x: float,
    y: float,
    rx: float,
    ry: float,
    colour: np.ndarray,
    turn: float = 0,
    line: int = -1,
) -> None:
    """Fill an ellipse turned by `turn` degrees, or draw its outline `line` pixels wide."""
    cv2.ellipse(
        image, (int(x), int(y)), (int(rx), int(ry)), turn, 0, 360, rgb(colour), line, cv2.LINE_AA
    )


def polygon(image: np.ndarray, points_xy: np.ndarray, colour: np.ndarray) -> None:
    """Fill a polygon (N, 2)."""
    cv2.fillPoly(image, [np.asarray(points_xy).astype(np.int32)], rgb(colour), cv2.LINE_AA)


def line(
    image: np.ndarray,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: np.ndarray,
    wide: float,
) -> None:
    """Draw a straight line."""
    first = (int(start[0]), int(start[1]))
    last = (int(end[0]), int(end[1]))
    cv2.line(image, first, last, rgb(colour), max(int(wide), 1), cv2.LINE_AA)


def greens(draw: np.random.Generator) -> np.ndarray:
    """Colours (4, 3) of leaves, from dark to light."""
    return palette(draw, draw.uniform(0.17, 0.31), 0.02, 4, 0.5)


def foliage(
    image: np.ndarray,
    draw: np.random.Generator,
    x: float,
    y: float,
    radius: float,
    colours: np.ndarray,
) -> None:
    """A crown or bush: leaves from dark and low to light and high."""
    count = int(np.clip(radius * radius / 4, 30, 320))
    angle, distance = draw.uniform(0, 2 * np.pi, count), np.sqrt(draw.random(count)) * radius
    tone = np.arange(count) / count
    across, down = np.cos(angle) * distance, np.sin(angle) * distance * 0.85 - tone * radius * 0.25
    for k in range(count):
        leaf = radius**0.5 * draw.uniform(0.4, 1.0)
        colour = colours[int(tone[k] * len(colours))] * draw.uniform(0.75, 1.15)
        ellipse(
            image,
            x + across[k],
            y + down[k],
            leaf + 1,
            leaf * 0.6 + 1,
            colour,
            draw.uniform(0, 180),
        )


def tree(
    image: np.ndarray, draw: np.random.Generator, x: float, ground: float, size: float
) -> None:
    """A trunk that stands on row `ground`, with a crown."""
    bark = hsv(draw.uniform(0.04, 0.1), 0.4, draw.uniform(0.2, 0.4))
    line(
        image,
        (x, ground),
        (x + draw.normal() * size * 0.05, ground - size * 0.7),
        bark,
        max(size * 0.09, 2),
    )
    foliage(image, draw, x, ground - size * 0.75, size * draw.uniform(0.3, 0.42), greens(draw))


def standing(
    image: np.ndarray,
    draw: np.random.Generator,
    families: tuple[str, ...],
    x: float,
    y: float,
    size: float,
) -> None:
    """A thing of one of the families that belongs to the scene and never moves, centred at (x,
    y).
    """
    made = thing(
        draw, str(draw.choice(families)), wardrobe(draw, side=64), int(draw.choice([-1, 1]))
    )
    layer = paint(made, Pose(x, y, size, gait=draw.uniform(0, 6), yaw=draw.uniform(0, 6)))
    if meet := layer.overlap(image):
        under, part = image[meet[0]], meet[1]
        under[:] = np.clip(
            under * (1 - layer.alpha[part][..., None]) + layer.colour[part] * 0.9, 0, 255
        )
