"""Large background pictures that the camera moves over. RGB uint8.

Those seen from the side begin their ground at a given row; fields, water and courts are seen from
above.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from spot_ext.rendering.drawn.strokes import (
    ellipse,
    foliage,
    greens,
    line,
    polygon,
    rectangle,
    rgb,
    standing,
    tree,
)
from spot_ext.rendering.drawn.textures import cells, hsv, noise, palette, pattern, ramp
from spot_ext.rendering.drawn.things import FAMILIES


def _sky(draw: np.random.Generator, height: int, width: int) -> np.ndarray:
    hue, value = draw.uniform(0.53, 0.64), draw.uniform(0.6, 1.0)
    clouds = noise(draw, height, width, height / 2, 5, stretch=2.5)
    top, low = hsv(hue, draw.uniform(0.2, 0.6), value), hsv(hue, 0.12, min(value + 0.1, 1))
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    mix = np.clip(2.2 * clouds - 1, 0, 0.8)[..., None]
    return ((top * (1 - down) + low * down) * (1 - mix) + 245 * value * mix).astype(np.uint8)


def _house(
    image: np.ndarray, draw: np.random.Generator, x: int, ground: int, wide: int, tall: int
) -> None:
    """A facade with rows of windows."""
    hue = draw.choice([0.04, 0.08, 0.12, 0.6]) + 0.03 * draw.normal()
    colours = palette(draw, hue, 0.03, 3, draw.uniform(0.1, 0.5))
    left, right = max(x, 0), min(x + wide, image.shape[1])
    if right <= left:
        return
    image[ground - tall : ground, left:right] = ramp(
        0.35 + 0.4 * noise(draw, tall, right - left, 20, 4), colours
    )
    step, storey, pane = draw.integers(16, 30), draw.integers(20, 36), draw.uniform(0.4, 0.7)
    for wx in range(x + 8, x + wide - step + 4, step):
        for wy in range(ground - tall + 10, ground - storey, storey):
            glass = (
                hsv(0.12, 0.4, 0.9)
                if draw.random() < 0.2
                else hsv(0.6, 0.2, draw.uniform(0.1, 0.45))
            )
            rectangle(image, wx - 1, wy - 1, step * pane + 2, storey * 0.6 + 2, colours[-1] * 0.9)
            rectangle(image, wx, wy, step * pane, storey * 0.6, glass)


def _street(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    image = np.empty((height, width, 3), np.uint8)
    image[:ground] = _sky(draw, ground, width)
    x = -int(draw.integers(60))
    while x < width:
        wide = int(draw.integers(70, 170))
        _house(image, draw, x, ground, wide, int(ground * draw.uniform(0.5, 0.97)))
        x += wide + int(draw.integers(0, 2) * draw.integers(10, 50))
    pave = int((height - ground) * 0.18)
    stone, tar = palette(draw, 0.1, 0.02, 3, 0.08), palette(draw, 0.6, 0.02, 3, 0.06) * 0.8
    image[ground : ground + pave] = ramp(0.3 + 0.5 * noise(draw, pave, width, 12, 3), stone)
    road = noise(draw, height - ground - pave, width, 60, 6, stretch=3)
    image[ground + pave :] = ramp(0.25 + 0.3 * road, tar)
    rectangle(image, 0, ground + pave - 3, width, 4, np.array([170, 168, 160]))
    for lane in np.arange(ground + pave + draw.uniform(40, 70), height, draw.uniform(60, 100)):
        for dash in range(int(draw.integers(40)), width, 70):
            rectangle(image, dash, lane, 34, 4, np.array([205, 205, 195]) * draw.uniform(0.8, 1))
    for _ in range(draw.integers(3, 7)):
        tree(image, draw, draw.uniform(0, width), ground + pave * 0.5, draw.uniform(60, 150))
    for _ in range(draw.integers(3, 8)):
        y = ground + draw.uniform(0.2, 0.8) * pave
        standing(
            image, draw, ("car", "car", "walker"), draw.uniform(0, width), y, draw.uniform(40, 80)
        )
    return image


def _meadow(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    image = np.empty((height, width, 3), np.uint8)
    image[:ground] = _sky(draw, ground, width)
    hue = draw.uniform(0.12, 0.3)
    for level in range(3):
        ridge = ground * (0.55 + 0.2 * level) - 50 * noise(draw, 1, width, 1, 1, stretch=160)[0]
        hill = np.concatenate(
            [np.stack([np.arange(width), ridge], 1), [[width, height], [0, height]]]
        )
        polygon(image, hill, hsv(hue + 0.06 * (2 - level), 0.35, 0.45 + 0.1 * (2 - level)))
    deep = height - ground
    blades = noise(draw, deep, width, 7, 2, stretch=0.4)
    grass = 0.6 * noise(draw, deep, width, 120, 6, stretch=1.8) + 0.4 * blades
    image[ground:] = ramp(grass, palette(draw, hue, 0.03, 5, 0.55))
    for _ in range(draw.integers(8, 18)):
        x, y = draw.uniform(0, width), ground + draw.random() ** 1.5 * deep
        near = 0.4 + (y - ground) / deep
        if draw.random() < 0.4:
            tree(image, draw, x, y, 110 * near)
        else:
            foliage(
                image,
                draw,
                x,
                y,
                26 * near,
                palette(draw, hue + draw.normal() * 0.05, 0.04, 4, 0.6),
            )
    for k in range(int(draw.integers(60, 160))):  # flowers and stones
        radius, tone = (
            int(draw.integers(1, 4)),
            hsv(draw.random(), 0.5 * (k % 2), draw.uniform(0.6, 1)),
        )
        ellipse(
            image, draw.uniform(0, width), draw.uniform(ground + 10, height), radius, radius, tone
        )
    if draw.random() < 0.5:  # a fence
        y = ground + draw.uniform(5, 60)
        for x in range(0, width, 26):
            line(image, (x, y), (x + 1, y - 24), np.array([96, 82, 66]), 3)
        for rail in (8, 18):
            line(image, (0, y - rail), (width, y - rail - 2), np.array([120, 102, 82]), 2)
    return image


def _fields(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    owner = cells(draw, height, width, int(draw.integers(14, 34)))[0]
    rough, y, x = noise(draw, height, width, 30, 4), *np.mgrid[0:height, 0:width].astype(np.float32)
    soil = np.empty((height, width, 3), np.float32)
    for k in range(owner.max() + 1):
        inside = owner == k
        angle, wave = draw.uniform(0, np.pi), draw.uniform(0.25, 0.9)
        rows = np.sin((np.cos(angle) * x[inside] + np.sin(angle) * y[inside]) * wave)
        tone = hsv(draw.uniform(0.07, 0.36), draw.uniform(0.2, 0.6), draw.uniform(0.3, 0.75))
        soil[inside] = tone * (0.7 + 0.45 * rough[inside] + draw.uniform(0, 0.14) * rows)[:, None]
    image = np.clip(soil, 0, 255).astype(np.uint8)

    def anywhere() -> np.ndarray:
        return draw.random(2) * (width, height)

    for _ in range(draw.integers(2, 4)):  # roads
        steps = draw.normal(size=(9, 2)) * 40 + draw.normal(size=2) * 120
        points = (anywhere() + np.cumsum(steps, axis=0)).astype(np.int32)
        for tone, wide in (
            (hsv(0.1, 0.1, 0.55), int(draw.integers(9, 22))),
            (hsv(0.1, 0.05, 0.8), 1),
        ):
            cv2.polylines(image, [points], False, rgb(tone), wide, cv2.LINE_AA)
    for _ in range(draw.integers(20, 50)):  # trees and their shadows
        spot, radius = anywhere(), draw.uniform(6, 22)
        ellipse(
            image,
            spot[0] + radius * 0.5,
            spot[1] + radius * 0.4,
            radius,
            radius * 0.7,
            np.array([38, 44, 32]),
            30,
        )
        foliage(image, draw, spot[0], spot[1], radius, greens(draw))
    for _ in range(draw.integers(4, 12)):  # roofs
        spot, side = anywhere(), draw.uniform(18, 46)
        box = cv2.boxPoints(
            ((float(spot[0]), float(spot[1])), (side, side * 0.6), draw.uniform(0, 180))
        )
        tile = hsv(draw.choice([0.02, 0.6]), draw.uniform(0.1, 0.6), draw.uniform(0.4, 0.8))
        polygon(image, box + 4, np.array([40, 40, 40]))
        polygon(image, box, tile)
        polygon(
            image,
            np.stack([box[0], box[1], (box[1] + box[2]) / 2, (box[0] + box[3]) / 2]),
            tile * 0.7,
        )
    return image


def _water(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    waves = noise(draw, height, width, 70, 6, stretch=draw.uniform(2, 6))
    colours = palette(draw, draw.uniform(0.46, 0.62), 0.03, 5, draw.uniform(0.3, 0.8))
    glint = np.clip(noise(draw, height, width, 12, 3, stretch=4) - 0.68, 0, 1)
    image = np.clip(ramp(waves, colours) + 220 * glint[..., None], 0, 255).astype(np.uint8)
    for _ in range(draw.integers(10, 26)):
        x, y, radius = draw.uniform(0, width), draw.uniform(0, height), draw.uniform(5, 34)
        ellipse(image, x, y + radius * 0.4, radius * 1.3, radius * 0.5, colours[-1], line=2)
        if draw.random() < 0.5:
            angle, reach = (
                np.linspace(0, 2 * np.pi, 11, endpoint=False),
                radius * draw.uniform(0.7, 1.1, 11),
            )
            rock = np.stack([reach * np.cos(angle), 0.7 * reach * np.sin(angle)], 1)
            polygon(image, rock + np.array([x, y]), hsv(0.09, 0.15, 0.3))
            polygon(image, rock * 0.7 + np.array([x, y - radius * 0.06]), hsv(0.09, 0.12, 0.5))
        else:
            foliage(image, draw, x, y, radius * 0.8, greens(draw))
    return image


def _shelf(
    image: np.ndarray, draw: np.random.Generator, x: float, ground: int, wide: float, tall: float
) -> None:
    """Rows of books."""
    for row in range(int(ground - tall) + 4, ground - 24, 30):
        book = x + 4
        while book < x + wide - 9:
            thick, high = draw.uniform(4, 10), draw.uniform(16, 25)
            tone = hsv(draw.random(), draw.uniform(0.2, 0.9), draw.uniform(0.3, 0.9))
            rectangle(image, book, row + 26 - high, thick, high, tone)
            book += thick


def _room(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    wall = palette(draw, draw.random(), 0.04, 3, draw.uniform(0.1, 0.5))
    kind = str(draw.choice(["stripes", "spots", "checks", "noise"]))
    tile = pattern(draw, kind, wall * 0.4 + wall.mean(0) * 0.6, 96, 96, wrap=True).astype(np.uint8)
    image = np.tile(tile, (height // 96 + 1, width // 96 + 1, 1))[:height, :width].copy()
    wood = palette(draw, draw.uniform(0.04, 0.1), 0.02, 4, 0.5)
    y = ground
    while y < height:
        plank = min(int(draw.integers(14, 30)), height - y)
        grain = noise(draw, plank, width, 10, 3, stretch=12) - 0.5
        image[y : y + plank] = ramp(0.45 + draw.uniform(-0.12, 0.12) + 0.4 * grain, wood)
        image[y] = wood[0]
        y += plank
    rectangle(image, 0, ground - 9, width, 9, wood[-1] * 0.8)
    x = draw.uniform(0, 80)
    while x < width:
        wide = draw.uniform(50, 130)
        tall = draw.uniform(60, max(ground * 0.6, 70))
        furniture = draw.integers(3)
        if furniture == 0:
            rectangle(image, x, ground - tall, wide, tall, wood[1])
            _shelf(image, draw, x, ground, wide, tall)
        elif furniture == 1:  # a picture
            top = int(draw.uniform(15, max(ground - tall - 25, 20)))
            rectangle(image, x, top, wide, tall * 0.7, wood[0])
            canvas = image[top + 4 : top + int(tall * 0.7) - 4, int(x) + 4 : int(x + wide) - 4]
            if min(canvas.shape[:2]) > 4:
                motif = str(draw.choice(["patches", "noise", "rings"]))
                canvas[:] = pattern(draw, motif, palette(draw, draw.random()), *canvas.shape[:2])
        else:  # a cupboard
            tone, high = (
                hsv(draw.random(), draw.uniform(0.1, 0.5), draw.uniform(0.4, 0.9)),
                tall * 0.7,
            )
            rectangle(image, x, ground - high + 12, wide, high, tone * 0.6)
            for door in (x + 3, x + wide / 2 + 1):
                rectangle(image, door, ground - high + 15, wide / 2 - 4, high - 8, tone)
        x += wide + draw.uniform(10, 90)
    for _ in range(draw.integers(3, 9)):
        foot_x, foot_y = draw.uniform(0, width), draw.uniform(ground, height)
        standing(image, draw, ("ball", "crate", "jelly"), foot_x, foot_y, draw.uniform(20, 60))
    return image


def _woods(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    hue = draw.uniform(0.1, 0.3)
    image = ramp(noise(draw, height, width, 60, 6), palette(draw, hue, 0.04, 5, 0.6) * 0.6).astype(
        np.uint8
    )
    for x in np.sort(draw.uniform(0, width, int(width / 60))).astype(int):
        thick, tone = (
            int(draw.uniform(8, 34)),
            hsv(draw.uniform(0.04, 0.12), 0.35, draw.uniform(0.15, 0.5)),
        )
        base = min(ground + thick, height)
        bark = ramp(
            noise(draw, base, thick, 40, 4, stretch=0.15), np.stack([tone * 0.5, tone, tone * 1.4])
        )
        bark *= (1 - 0.55 * np.linspace(-1, 1, thick) ** 2)[None, :, None]
        image[:base, x : x + thick] = np.clip(bark, 0, 255)[:, : width - x]
    floor, deep = palette(draw, draw.uniform(0.05, 0.2), 0.03, 4, 0.5), height - ground
    edge = noise(draw, deep, width, 40, 3) > np.linspace(0.7, -0.2, deep)[:, None]
    image[ground:][edge] = ramp(noise(draw, deep, width, 16, 4, stretch=2), floor)[edge]
    for _ in range(int(width / 28)):
        y = draw.uniform(0, ground * 0.5) if draw.random() < 0.5 else draw.uniform(ground, height)
        leaves = palette(draw, hue + draw.normal() * 0.03, 0.03, 4, 0.6) * draw.uniform(0.6, 1)
        foliage(image, draw, draw.uniform(0, width), y, draw.uniform(12, 44), leaves)
    return image


def _court(draw: np.random.Generator, height: int, width: int, ground: int) -> np.ndarray:
    colours = palette(
        draw, draw.choice([0.03, 0.1, 0.3, 0.55, 0.6]), 0.03, 4, draw.uniform(0.1, 0.6)
    )
    floor = ramp(0.4 + 0.3 * noise(draw, height, width, 150, 7), colours)
    kind = draw.integers(3)
    if kind == 0:  # paving stones
        owner = cells(draw, height, width, int(height * width / draw.uniform(700, 2500)))[0]
        floor *= draw.uniform(0.7, 1.15, owner.max() + 1)[owner][..., None]
        floor[
            cv2.morphologyEx(owner.astype(np.float32), cv2.MORPH_GRADIENT, np.ones((2, 2))) > 0
        ] *= 0.5
    elif kind == 1:  # bricks
        wide, high = int(draw.integers(24, 50)), int(draw.integers(12, 26))
        row = np.arange(height)[:, None] // high
        along = np.arange(width)[None, :] + (row % 2) * wide // 2
        floor *= draw.uniform(0.75, 1.1, 4096)[(row * 131 + along // wide * 17) % 4096][..., None]
        floor[(np.arange(height)[:, None] % high < 2) | (along % wide < 2)] *= 0.6
    image = np.clip(floor, 0, 255).astype(np.uint8)
    if kind == 2:  # lines of a playing field
        white = hsv(draw.random(), 0.1, 0.95)
        for _ in range(draw.integers(4, 8)):
            x, y, radius = draw.uniform(0, width), draw.uniform(0, height), draw.uniform(30, 110)
            start, end = ((x, 0), (x, height)) if draw.random() < 0.5 else ((0, y), (width, y))
            line(image, start, end, white, 3)
            ellipse(image, x, y, radius, radius, white, line=3)
    leaf = palette(draw, draw.uniform(0.02, 0.3), 0.06, 4, 0.7)
    for _ in range(int(draw.integers(80, 400))):
        x, y = draw.uniform(0, width), draw.uniform(0, height)
        ellipse(
            image, x, y, int(draw.integers(2, 6)), 2, leaf[draw.integers(4)], draw.uniform(0, 180)
        )
    for _ in range(draw.integers(5, 14)):
        standing(
            image,
            draw,
            tuple(FAMILIES),
            draw.uniform(0, width),
            draw.uniform(0, height),
            draw.uniform(24, 70),
        )
    return image


BACKDROPS: dict[str, Callable[[np.random.Generator, int, int, int], np.ndarray]] = {
    "street": _street,
    "meadow": _meadow,
    "fields": _fields,
    "water": _water,
    "room": _room,
    "woods": _woods,
    "court": _court,
}


def backdrop(
    draw: np.random.Generator, kind: str, height: int, width: int, ground: int
) -> np.ndarray:
    """Draw a background of one of the `BACKDROPS`, uint8 RGB (height, width, 3), with uneven light
    on it.

    `ground` is the row where the ground begins in those seen from the side; the others have none.
    """
    image = BACKDROPS[kind](draw, height, width, int(np.clip(ground, 0.2 * height, 0.85 * height)))
    light = 0.75 + 0.4 * noise(draw, height, width, max(height, width) / 2, 3)
    grain = 1 + 0.12 * (noise(draw, height, width, 4, 2) - 0.5)
    return np.clip(image * (light * grain)[..., None], 0, 255).astype(np.uint8)
