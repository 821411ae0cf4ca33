"""Foreground that hides the target for a while: poles, trunks, fences, twigs with leaves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spot_ext.rendering.drawn.motion import Journey
from spot_ext.rendering.drawn.paint import Layer
from spot_ext.rendering.drawn.textures import noise, palette, ramp

LONGEST = 24  # frames in which an obstacle may touch the target
KINDS = ("pole", "trunk", "fence", "leaves", "leaves")


@dataclass(frozen=True)
class Obstacle:
    """A picture with coverage that passes in front of everything."""

    kind: str
    colour: np.ndarray  # (H, W, 3) float32 RGB, already multiplied by the coverage
    alpha: np.ndarray  # (H, W) float32
    center_xy: np.ndarray  # (T, 2) where its middle is in each frame

    def layer(self, t: int, size: tuple[int, int]) -> Layer | None:
        """Its picture in frame `t` of a video of `size` (width, height); None while it is
        outside.
        """
        h, w = self.alpha.shape
        left, top = self.center_xy[t] - (w / 2, h / 2)
        if left >= size[0] or top >= size[1] or left + w <= 0 or top + h <= 0:
            return None
        x, y = int(np.floor(left)), int(np.floor(top))
        move = np.array([[1, 0, left - x], [0, 1, top - y]])
        planes = cv2.warpAffine(np.dstack([self.colour, self.alpha]), move, (w + 1, h + 1))
        return Layer(x, y, planes[..., :3], planes[..., 3])


def obstacle(
    draw: np.random.Generator, journey: Journey, size: tuple[int, int], difficulty: float
) -> Obstacle | None:
    """Draw an obstacle that meets the target at a random time and hides more of it the harder the
    video is.

    It is past after at most `LONGEST` frames and never in the way when the video begins; None when
    chance gives none like that.
    """
    frames = len(journey.size)
    kind = str(draw.choice(KINDS))
    for _ in range(8):
        when = int(draw.uniform(0.12, 0.95) * frames)
        target = float(journey.size[when])
        wide = max(target * draw.uniform(0.25, 0.5 + 0.7 * difficulty), 5.0)
        center = _passing(draw, journey, when, wide + target)
        reach = wide / 2 if kind in ("pole", "trunk") else target * 0.9
        met = np.abs(center[:, 0] - journey.screen[:, 0]) < reach + journey.size / 2
        if kind == "leaves":
            met &= np.abs(center[:, 1] - journey.screen[:, 1]) < reach + journey.size / 2
        if not met[:5].any() and met.sum() <= LONGEST:
            colour, alpha = _PICTURES[kind](draw, wide, target, size[1])
            # Nearer than the focus, so blurred.
            colour, alpha = (
                cv2.GaussianBlur(colour, (0, 0), 0.8),
                cv2.GaussianBlur(alpha, (0, 0), 0.8),
            )
            if kind in ("pole", "trunk", "fence"):
                center[:, 1] = size[1] / 2
            else:
                center[:, 1] += draw.normal() * target * 0.15
            return Obstacle(kind, colour, alpha, center)
    return None


def _passing(draw: np.random.Generator, journey: Journey, when: int, width: float) -> np.ndarray:
    """(T, 2) path that meets the target in frame `when` and crosses `width` pixels of it within
    some 8 to 18 frames.
    """
    near = draw.uniform(1.0, 1.5)  # what is near moves faster through the frame
    moved = -(journey.camera - journey.camera[when]) * journey.zoom[:, None] * near
    relative = np.gradient(moved[:, 0])[when] - journey.velocity()[when, 0]
    wanted = width / draw.uniform(8, 18)
    own = np.sign(relative or 1) * wanted - relative if abs(relative) < wanted else 0.0
    return (
        journey.screen[when]
        + moved
        + np.stack([own * (np.arange(len(moved)) - when), np.zeros(len(moved))], 1)
    )


def _pole(
    draw: np.random.Generator, wide: float, target: float, height: int
) -> tuple[np.ndarray, np.ndarray]:
    w = int(wide) + 4
    across = np.abs(np.arange(w) - (w - 1) / 2)
    alpha = np.repeat(np.clip(wide / 2 - across + 0.5, 0, 1)[None].astype(np.float32), height, 0)
    tone = palette(draw, draw.random(), 0.03, 3, draw.uniform(0, 0.6))
    round_light = 1 - 0.6 * (across / (w / 2)) ** 2
    colour = ramp(noise(draw, height, w, 40, 4), tone) * round_light[None, :, None].astype(
        np.float32
    )
    return colour * alpha[..., None], alpha


def _trunk(
    draw: np.random.Generator, wide: float, target: float, height: int
) -> tuple[np.ndarray, np.ndarray]:
    w = int(wide * 1.5) + 4
    edge = noise(draw, height, 2, 60, 3)
    across = np.abs(np.arange(w)[None] - (w - 1) / 2 - (edge[:, :1] - 0.5) * wide * 0.3)
    alpha = np.clip(wide / 2 * (0.85 + 0.3 * edge[:, 1:]) - across + 0.5, 0, 1).astype(np.float32)
    bark = palette(draw, draw.uniform(0.03, 0.12), 0.02, 4, 0.4) * 0.7
    round_light = (1 - 0.5 * (across / (w / 2)) ** 2).astype(np.float32)
    colour = (
        ramp(noise(draw, height, w, max(wide, 12), 5, stretch=0.25), bark) * round_light[..., None]
    )
    return colour * alpha[..., None], alpha


def _fence(
    draw: np.random.Generator, wide: float, target: float, height: int
) -> tuple[np.ndarray, np.ndarray]:
    gap = target * draw.uniform(0.35, 0.7)
    slat = gap * draw.uniform(0.3, 0.6)
    w = int(gap * draw.integers(3, 6)) + 2
    across = np.abs((np.arange(w) % gap) - gap / 2)
    bars = np.clip(slat / 2 - across + 0.5, 0, 1).astype(np.float32)
    alpha = np.repeat(bars[None], height, 0)
    for y in np.arange(draw.uniform(10, 40), height, target * draw.uniform(0.9, 1.4)):
        alpha[int(y) : int(y + slat * 0.7)] = 1
    tone = palette(draw, draw.choice([0.06, 0.1, 0.3, 0.6]), 0.02, 3, 0.25)
    colour = ramp(noise(draw, height, w, 30, 4, stretch=0.3), tone)
    return colour * alpha[..., None], alpha


def _leaves(
    draw: np.random.Generator, wide: float, target: float, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """A twig that hangs into the view, with leaves around its middle."""
    side = int(target * draw.uniform(1.2, 2.0)) + 12
    tall = 2 * height
    colour, alpha = np.zeros((tall, side, 3), np.float32), np.zeros((tall, side), np.float32)
    tones = palette(draw, draw.uniform(0.13, 0.33), 0.03, 5, 0.5)
    reach = side * 0.38

    def ellipse(x: float, y: float, axes: tuple[int, int], turn: float, tone: np.ndarray) -> None:
        for image, value in ((colour, tuple(float(v) for v in tone)), (alpha, 1.0)):
            cv2.ellipse(image, (int(x), int(y)), axes, turn, 0, 360, value, -1, cv2.LINE_8)

    rows = np.arange(0, tall / 2 + reach, 3)
    twig = side / 2 + np.sin(rows / height * draw.uniform(3, 7) + draw.uniform(0, 6)) * side * 0.08
    bark = np.array([88, 70, 52]) * draw.uniform(0.5, 1.1)
    for x, y in zip(twig, rows, strict=True):
        ellipse(x, y, (max(int(side / 50), 1), 3), 0, bark)
    long = max(side * draw.uniform(0.09, 0.16), 4)
    for _ in range(int(draw.integers(18, 46))):
        near = draw.random() < 0.75
        y = tall / 2 + draw.uniform(-1, 1) * reach if near else draw.uniform(0, tall / 2)
        x = np.interp(y, rows, twig) + draw.normal() * reach * (0.45 if near else 0.15)
        tone = tones[draw.integers(len(tones))] * draw.uniform(0.7, 1.1)
        axes = (int(long * draw.uniform(0.7, 1.2)) + 1, int(long * 0.45) + 1)
        ellipse(np.clip(x, long, side - long), y, axes, draw.uniform(0, 180), tone)
    return colour, alpha


_PICTURES = {"pole": _pole, "trunk": _trunk, "fence": _fence, "leaves": _leaves}
