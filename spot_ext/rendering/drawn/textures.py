"""Procedural surfaces: noise, stripes, spots and patches in a family of colours. All images are
RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

PATTERNS = ("noise", "stripes", "spots", "patches", "checks", "rings")
SKIN_SIDE = (
    256  # pixels around a target; half of them are seen at once, the rest is on the far side
)


def noise(
    draw: np.random.Generator,
    height: int,
    width: int,
    cell: float,
    octaves: int = 4,
    wrap: bool = False,
    stretch: float = 1.0,
) -> np.ndarray:
    """Multi-octave value noise, float32 (height, width) filling 0..1.

    `cell` is the size in pixels of the largest bumps, `stretch` how many times wider than high they
    are. With `wrap` the right edge continues on the left one and the bottom on the top (cells are
    rounded to fit).
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        size = max(cell / 2**octave, 1.0)
        rows, columns = max(round(height / size), 1), max(round(width / (size * stretch)), 1)
        cells = draw.random((rows, columns), dtype=np.float32)
        grid = cv2.copyMakeBorder(
            cells, 2, 2, 2, 2, cv2.BORDER_WRAP if wrap else cv2.BORDER_REFLECT
        )
        # The map puts the seam of the bordered grid exactly on the image's edge, so that wrapped
        # noise has none.
        sx, sy = columns / width, rows / height
        matrix = np.array([[sx, 0, 1.5 + sx / 2], [0, sy, 1.5 + sy / 2]])
        smooth = cv2.INTER_CUBIC if size > 4 else cv2.INTER_LINEAR
        total += (
            cv2.warpAffine(
                grid,
                matrix,
                (width, height),
                flags=smooth | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            * 0.55**octave
        )
    low, high = float(total.min()), float(total.max())
    return (total - low) / max(high - low, 1e-6)


def cells(
    draw: np.random.Generator, height: int, width: int, count: int, wrap: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells of `count` random points: index of the cell (int32), distance to its point in
    pixels (float32).
    """
    margin = max(height, width) // 4 if wrap else 0
    seeds: np.ndarray = np.full((height, width), 255, np.uint8)
    seeds[draw.integers(height, size=count), draw.integers(width, size=count)] = 0
    owner = np.zeros((height, width), np.int32)
    owner[seeds == 0] = np.arange(int((seeds == 0).sum()))
    if margin:
        seeds = cv2.copyMakeBorder(seeds, margin, margin, margin, margin, cv2.BORDER_WRAP)
        owner = np.pad(owner, margin, mode="wrap")
    distance, labels = cv2.distanceTransformWithLabels(
        seeds, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(labels.max()) + 1, np.int32)
    table[labels[seeds == 0]] = owner[seeds == 0]
    inside = np.s_[margin : margin + height, margin : margin + width]
    return table[labels[inside]], distance[inside]


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB float32 (3,) in 0..255 of a colour with hue (wraps), saturation and value in 0..1."""
    pixel = np.array(
        [[[hue % 1 * 360, np.clip(saturation, 0, 1), np.clip(value, 0, 1)]]], np.float32
    )
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] * 255


def palette(
    draw: np.random.Generator, hue: float, spread: float = 0.08, count: int = 4, vivid: float = 0.6
) -> np.ndarray:
    """RGB float32 (count, 3): colours around `hue`, from dark to light, about `vivid` saturated."""
    values = np.linspace(draw.uniform(0.12, 0.35), draw.uniform(0.75, 1.0), count)
    return np.stack(
        [
            hsv(hue + draw.normal() * spread, vivid * draw.uniform(0.5, 1.4), value)
            for value in values
        ]
    )


def ramp(levels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Map `levels` (H, W) in 0..1 through the colours (N, 3), blending between neighbours; float32
    (H, W, 3).
    """
    table = np.stack(
        [
            np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, len(colours)), colours[:, c])
            for c in range(3)
        ],
        axis=1,
    ).astype(np.float32)
    return table[(np.clip(levels, 0, 1) * 255).astype(np.uint8)]


def pattern(
    draw: np.random.Generator,
    kind: str,
    colours: np.ndarray,
    height: int,
    width: int,
    wrap: bool = False,
) -> np.ndarray:
    """Draw one of `PATTERNS` in the given colours, RGB float32 (height, width, 3) in 0..255,
    roughened by fine noise.
    """
    rough = noise(draw, height, width, width / 5, 4, wrap)
    order = draw.permutation(len(colours))
    if kind == "noise":
        image = ramp(
            noise(draw, height, width, width / draw.uniform(2, 6), 4, wrap), colours[order]
        )
    elif kind in ("stripes", "checks", "rings"):
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        bands, bend = draw.integers(3, 9), draw.uniform(0.3, 1.6)
        across, along = 2 * np.pi * x / width, 2 * np.pi * y / height
        if kind == "stripes":  # whole turns in both directions, so that it wraps
            wave = np.sin(bands * across + draw.integers(-3, 4) * along + bend * 4 * rough)
        elif kind == "checks":
            wave = np.sign(np.sin(bands * across + bend * rough)) * np.sign(
                np.sin(bands * along + bend * rough)
            )
        else:
            wave = np.sin(bands * (np.cos(across) + np.cos(along)) + 3 * bend * rough)
        image = ramp(0.5 + 0.5 * np.tanh(2.5 * wave), colours[order])
    elif kind == "spots":
        owner, distance = cells(draw, height, width, int(draw.integers(25, 80)), wrap)
        radius = draw.uniform(0.02, 0.06, owner.max() + 1)[owner] * width
        spot = np.clip((radius - distance) / 1.5 + 0.5, 0, 1)[..., None]
        tone = colours[draw.integers(0, len(colours), owner.max() + 1)][owner]
        image = colours[order[0]] * (0.75 + 0.4 * rough[..., None]) * (1 - spot) + tone * spot
    elif kind == "patches":
        owner, distance = cells(draw, height, width, int(draw.integers(8, 40)), wrap)
        image = colours[draw.integers(0, len(colours), owner.max() + 1)][owner]
        image = image * (1.08 - 0.35 * np.clip(distance / (width / 5), 0, 1))[..., None]
    else:
        raise ValueError(f"unknown pattern '{kind}', choose one of {', '.join(PATTERNS)}")
    return np.clip(image * (0.72 + 0.5 * rough[..., None]), 0, 255).astype(np.float32)


@dataclass(frozen=True)
class Skin:
    """A surface that wraps around an object, in halved sizes, so that a small object is drawn
    without flicker.
    """

    levels: tuple[np.ndarray, ...]  # uint8 RGB squares, each half as wide as the one before

    @classmethod
    def of(cls, image: np.ndarray) -> Skin:
        """The skin with this image (side, side, 3) as its finest level."""
        levels = [np.clip(image, 0, 255).astype(np.uint8)]
        while levels[-1].shape[0] > 16:
            levels.append(
                cv2.resize(levels[-1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            )
        return cls(tuple(levels))

    def level(self, pixels: float) -> np.ndarray:
        """The level in which the visible half is closest to, and not much under, `pixels` wide."""
        halvings = np.log2(self.levels[0].shape[0] / 2 / max(pixels, 1.0))
        return self.levels[int(np.clip(np.floor(halvings + 0.3), 0, len(self.levels) - 1))]


def skin(
    draw: np.random.Generator,
    colours: np.ndarray,
    other: np.ndarray,
    kinds: tuple[str, str],
    side: int = SKIN_SIDE,
) -> Skin:
    """A skin whose two sides differ: pattern `kinds[0]` in `colours` blends into `kinds[1]` in
    `other` half-way round.

    A tracked object that turns therefore ends with an appearance that its first frame did not show.
    """
    front = pattern(draw, kinds[0], colours, side, side, wrap=True)
    back = pattern(draw, kinds[1], other, side, side, wrap=True)
    around = np.cos(2 * np.pi * np.arange(side, dtype=np.float32) / side)[None, :]
    mix = around + 1.2 * (noise(draw, side, side, side / 4, 3, wrap=True) - 0.5)
    mix = np.clip(0.5 + 2.5 * mix, 0, 1)[..., None]
    return Skin.of(front * mix + back * (1 - mix))
