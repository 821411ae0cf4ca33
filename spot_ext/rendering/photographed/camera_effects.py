"""Apply what camera and codec make of the light: exposure, colour, shade, blur, noise, resolution,
compression.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg

from ltr.data.seeding import generator
from spot_ext.rendering.photographed.motion import course

_NOISE_SIDE = 1024
_LEVELS = (1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 13.0)  # grey levels of noise


@dataclass(frozen=True)
class Lens:
    """The camera of a video; arrays hold one value a frame."""

    gain: np.ndarray  # (T, 3) factor of each colour
    gamma: np.ndarray  # (T,)
    lift: np.ndarray  # (T,) haze: grey levels added to black
    grey: bool
    saturation: float
    shade: np.ndarray | None  # (h, w) float32 factors over the frame, coarse, 1: none
    shade_path: np.ndarray  # (T, 2) how far the shade has moved, in its own cells
    shutter: float  # share of the frame time in which light is gathered
    blur: np.ndarray  # (T,) pixels
    squeeze: float  # resolution that is left, 1: all
    noise: int  # index of `_LEVELS`, -1: none
    noise_seed: int
    quality: np.ndarray  # (T,) of JPEG, 0: not compressed


def draw_lens(
    draw: np.random.Generator, frames: int, size: tuple[int, int], hardness: float
) -> Lens:
    """A camera, worse in harder videos."""
    gain = np.exp(
        draw.normal() * 0.12
        + course(draw, frames, draw.uniform(10, 60), -1, 1)[:, 0]
        * draw.exponential(0.08)
        * (0.4 + hardness)
    )
    if draw.random() < 0.12:  # a lamp, or the sun behind a cloud
        gain = gain * np.where(
            np.arange(frames) > draw.uniform(0.15, 0.9) * frames, draw.choice([0.5, 0.65, 1.4]), 1
        )
    tint = np.exp(draw.normal(size=3) * draw.choice([0.02, 0.06, 0.15]))
    blur = np.full(frames, draw.exponential(0.35))
    if draw.random() < 0.15:
        blur = blur + np.clip(course(draw, frames, 25, -1.5, 2.2)[:, 0], 0, None) * (
            0.4 + hardness
        )  # focus is sought
    quality = np.zeros(frames, int)
    if draw.random() < 0.6:
        base = draw.uniform(18, 90)
        quality = np.clip(
            base + draw.normal(size=frames) * 3 + 8 * (np.arange(frames) % 12 == 0), 10, 95
        ).astype(int)
    dim = (10, 14)
    shade = None
    if draw.random() < 0.35:
        coarse = cv2.GaussianBlur(
            draw.random(dim, dtype=np.float32), (0, 0), draw.uniform(0.6, 1.6)
        )
        coarse = (coarse - coarse.min()) / max(float(np.ptp(coarse)), 1e-6)
        shade = 1 - draw.uniform(0.15, 0.6) * np.clip(
            draw.uniform(1.5, 4) * (coarse - 0.4), 0, 1
        ).astype(np.float32)
    return Lens(
        gain=(gain[:, None] * tint).astype(np.float32),
        gamma=np.full(frames, np.exp(draw.normal() * 0.15)),
        lift=np.full(frames, max(draw.normal() * 18, 0)),
        grey=bool(draw.random() < 0.08),
        saturation=float(np.clip(draw.normal(0.95, 0.2), 0.2, 1.5)),
        shade=shade,
        shade_path=np.cumsum(draw.normal(size=2) * 0.03 + np.zeros((frames, 2)), 0),
        shutter=float(draw.uniform(0.1, 0.75)),
        blur=blur,
        squeeze=float(draw.uniform(0.35, 0.9)) if draw.random() < 0.3 else 1.0,
        noise=int(np.clip(draw.exponential(1.4) - 0.3, -1, len(_LEVELS) - 1))
        if draw.random() < 0.75
        else -1,
        noise_seed=int(draw.integers(2**31)),
        quality=quality,
    )


def expose(lens: Lens, image: np.ndarray, t: int) -> np.ndarray:
    """The picture (H, W, 3) uint8 as frame t of the video shows it."""
    height, width = image.shape[:2]
    if lens.shade is not None:
        image = cv2.multiply(image, _shade(lens, t, width, height), scale=1 / 255)
    if lens.squeeze < 1:
        small = max(int(width * lens.squeeze), 16), max(int(height * lens.squeeze), 16)
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if lens.blur[t] > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), float(lens.blur[t]))
    if lens.grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        image = cv2.LUT(image, _curve(lens.gain[t].mean().repeat(3), lens.gamma[t], lens.lift[t]))
    else:
        if lens.saturation != 1:
            image = cv2.transform(image, _saturation(lens.saturation))
        image = cv2.LUT(image, _curve(lens.gain[t], lens.gamma[t], lens.lift[t]))
    if lens.noise >= 0:
        y, x = generator(lens.noise_seed, t).integers(
            0, (_NOISE_SIDE - height, _NOISE_SIDE - width)
        )
        image = cv2.add(
            image, _noise(lens.noise, lens.grey)[y : y + height, x : x + width], dtype=cv2.CV_8U
        )
    if lens.quality[t]:
        image = simplejpeg.decode_jpeg(
            simplejpeg.encode_jpeg(
                np.ascontiguousarray(image),
                int(lens.quality[t]),
                colorsubsampling="420",
                fastdct=True,
            )
        )
    return image


def _curve(gain: np.ndarray, gamma: float, lift: float) -> np.ndarray:
    """Table (256, 1, 3) of the response: a line with a soft shoulder, so that highlights do not
    clip hard.
    """
    level = np.linspace(0, 1, 256)[:, None] * gain
    level = np.where(level < 0.85, level, 0.85 + 0.15 * np.tanh((level - 0.85) / 0.15))
    level = (level**gamma) * (1 - lift / 255) + lift / 255
    return np.clip(level * 255, 0, 255).astype(np.uint8)[:, None]


def _saturation(factor: float) -> np.ndarray:
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.eye(3, dtype=np.float32) * factor + (1 - factor) * weights


def _shade(lens: Lens, t: int, width: int, height: int) -> np.ndarray:
    assert lens.shade is not None
    rows, columns = lens.shade.shape
    dx, dy = lens.shade_path[t]
    matrix = np.array([[columns / 24, 0, dx + 1], [0, rows / 16, dy + 1]])
    moved = cv2.warpAffine(
        lens.shade * 255,
        matrix,
        (24, 16),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )
    wide = cv2.resize(moved, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return cv2.merge([wide] * 3)


@functools.lru_cache(maxsize=2 * len(_LEVELS))
def _noise(level: int, grey: bool) -> np.ndarray:
    """A sheet of noise (side, side, 3) int16 that all videos cut from; neighbouring pixels are a
    little alike.
    """
    draw = generator(0, "sheet", int(grey))
    sheet: np.ndarray = draw.standard_normal(
        (_NOISE_SIDE, _NOISE_SIDE, 1 if grey else 3), np.float32
    )
    if not grey:
        sheet = 0.75 * sheet.mean(2, keepdims=True) * 3**0.5 + 0.55 * sheet
    sheet = cv2.GaussianBlur(np.repeat(sheet, 3, 2) if grey else sheet, (0, 0), 0.45)
    return np.round(sheet * (_LEVELS[level] / sheet.std())).astype(np.int16)
