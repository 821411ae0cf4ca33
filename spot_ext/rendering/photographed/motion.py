"""Smooth random courses over the frames of a video: where things are, how large, how turned, what
the camera does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline


def course(
    draw: np.random.Generator, frames: int, period: float, low: float, high: float, dims: int = 1
) -> np.ndarray:
    """A smooth curve (frames, dims) within `low..high` that turns about every `period` frames;
    starts anywhere.
    """
    knots = max(3, int(np.ceil(frames / period)) + 2)
    times = np.linspace(-period * draw.random(), frames + period, knots)
    times[1:-1] += draw.uniform(-0.3, 0.3, knots - 2) * (times[1] - times[0])
    values = draw.uniform(low, high, (knots, dims))
    return np.clip(_spline(times, values, frames), low, high)


def _spline(times: np.ndarray, values: np.ndarray, frames: int) -> np.ndarray:
    """Return values (frames, D) of the Catmull-Rom spline through `values` (K, D) at the knots."""
    slopes = np.empty_like(values)
    slopes[1:-1] = (values[2:] - values[:-2]) / (times[2:] - times[:-2])[:, None]
    slopes[0], slopes[-1] = slopes[1], slopes[-2]
    return CubicHermiteSpline(times, values, slopes)(np.arange(frames))


def walk(
    draw: np.random.Generator, frames: int, period: float, step: float, dims: int = 2
) -> np.ndarray:
    """A curve (frames, dims) from 0 that moves about `step` a frame, changing speed and direction
    every `period` frames.
    """
    return np.cumsum(course(draw, frames, period, -1.6 * step, 1.6 * step, dims), 0)


def tremor(draw: np.random.Generator, frames: int, strength: float, dims: int = 2) -> np.ndarray:
    """Shake of a hand-held camera (frames, dims): neighbouring frames are alike, sometimes there is
    a jolt.
    """
    noise = draw.normal(0, strength, (frames, dims)) * np.where(
        draw.random((frames, 1)) < 0.04, 3.0, 1.0
    )
    for t in range(1, frames):
        noise[t] += 0.55 * noise[t - 1]
    return noise


def fold(path: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Reflect a path (T, 2) at the sides of a box, and round off where it turned."""
    reach = np.maximum(high - low, 1e-6)
    phase = np.mod((path - low) / reach, 2)
    inside = np.pad(1 - np.abs(1 - phase), ((4, 4), (0, 0)), mode="edge")
    weights = np.array([1, 3, 6, 8, 9, 8, 6, 3, 1]) / 45
    return low + reach * sum(weight * inside[i : i + len(path)] for i, weight in enumerate(weights))


def bump(frames: int, centre: float, half: float) -> np.ndarray:
    """(frames,) 0, rising to 1 around `centre` with a plateau, and 0 again `half` frames away."""
    away = np.abs(np.arange(frames) - centre) / half
    return np.clip(0.5 + 0.9 * np.cos(np.pi * np.clip(away, 0, 1)), 0, 1)


@dataclass(frozen=True)
class Camera:
    """Say which part of the background canvas is seen; canvas coordinates start in the canvas'
    middle.
    """

    centres: np.ndarray  # (T, 2)
    zoom: np.ndarray  # (T,) frame pixels per canvas pixel
    roll: np.ndarray  # (T,) radians
    size: tuple[int, int]  # width, height of the frame

    def matrices(self, parallax: float = 1.0) -> np.ndarray:
        """Canvas to frame pixels (T, 3, 3); `parallax` above 1 for what is nearer than the
        background.
        """
        cos, sin = self.zoom * np.cos(self.roll), self.zoom * np.sin(self.roll)
        turn = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
        matrices = np.zeros((len(self.zoom), 3, 3))
        matrices[:, :2, :2] = turn
        matrices[:, :2, 2] = np.array(self.size) / 2 - np.einsum(
            "tij,tj->ti", turn, self.centres * parallax
        )
        matrices[:, 2, 2] = 1
        return matrices


def camera(
    draw: np.random.Generator,
    frames: int,
    size: tuple[int, int],
    follow: np.ndarray,
    hardness: float,
) -> Camera:
    """A still, panning, following, hand-held or zooming camera. `follow` (T, 2) is a course it may
    go along with.
    """
    width = size[0]
    kind = draw.choice(["still", "pan", "follow", "free"], p=[0.22, 0.22, 0.36, 0.2])
    centres = np.zeros((frames, 2))
    if kind == "pan":
        centres = walk(draw, frames, draw.uniform(25, 90), width * draw.uniform(0.0005, 0.006)) * [
            1,
            draw.uniform(0, 0.6),
        ]
    elif kind == "follow":
        centres = follow * draw.uniform(0.5, 1.0)
    elif kind == "free":
        centres = follow * draw.uniform(0, 0.6) + walk(
            draw, frames, draw.uniform(12, 40), width * draw.uniform(0.002, 0.008)
        )
    if kind != "still" or draw.random() < 0.3:
        centres = centres + tremor(
            draw, frames, draw.exponential(0.0016 * width * (0.4 + hardness))
        )
    zoom = np.ones(frames)
    if draw.random() < 0.35:
        zoom = np.exp(course(draw, frames, draw.uniform(20, 90), 0, draw.uniform(0.05, 0.6))[:, 0])
    roll = np.zeros(frames)
    if kind != "still" and draw.random() < 0.4:
        roll = course(draw, frames, draw.uniform(15, 60), -1, 1)[:, 0] * draw.exponential(0.03)
    return Camera(centres, zoom, roll, size)
