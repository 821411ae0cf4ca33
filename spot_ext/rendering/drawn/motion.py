"""Smooth random curves, and the path of target and camera through a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator


def curve(
    draw: np.random.Generator, frames: int, knots: int, low: float, high: float
) -> np.ndarray:
    """A smooth curve (frames,) that turns at random values within low..high and never leaves that
    range.
    """
    knots = max(knots, 2)
    return PchipInterpolator(np.linspace(0, frames - 1, knots), draw.uniform(low, high, knots))(
        np.arange(frames)
    )


def drift(draw: np.random.Generator, frames: int, total: float) -> np.ndarray:
    """A curve (frames,) from 0 to `total`, at an uneven pace that may also turn back for a
    while.
    """
    pace = np.cumsum(draw.uniform(-0.3, 1.5, 8))
    pace = np.concatenate([[0], pace])
    span = pace[-1] if abs(pace[-1]) > 0.5 else 0.5
    return PchipInterpolator(np.linspace(0, frames - 1, 9), pace / span * total)(np.arange(frames))


@dataclass(frozen=True)
class Journey:
    """Hold where camera and target are in each of the T frames."""

    world: np.ndarray  # (T, 2) target centre in background pixels
    camera: np.ndarray  # (T, 2) background point at the frame's centre
    zoom: np.ndarray  # (T,) frame pixels per background pixel
    screen: np.ndarray  # (T, 2) target centre in frame pixels
    size: np.ndarray  # (T,) longer side of the target in frame pixels

    def velocity(self) -> np.ndarray:
        """(T, 2) motion of the target in the frame, pixels per frame."""
        return np.gradient(self.screen, axis=0)

    def pan(self) -> np.ndarray:
        """(T, 2) motion of the background in the frame, pixels per frame."""
        return -np.gradient(self.camera, axis=0) * self.zoom[:, None]


def journey(
    draw: np.random.Generator,
    frames: int,
    size: tuple[int, int],
    sizes: tuple[float, float],
    difficulty: float,
    upright: bool,
) -> Journey:
    """Draw the path of a target through the world and of the camera that follows it.

    `size` is the frame's, `sizes` the smallest and largest target in pixels. Things that stay
    `upright` move mostly sideways. The target's centre stays inside the frame, near an edge at
    times; `difficulty` (0..1) raises speed, fast moves, the camera's shake and the change of size.
    """
    times = np.arange(frames)
    base = draw.uniform(0.8, 2.2) * (0.7 + difficulty)
    pace = base * np.exp(curve(draw, frames, frames // 10 + 2, -1.2, 0.6))
    for _ in range(draw.poisson(2.5 * difficulty)):  # darts: a few frames of fast motion
        pace = pace * (
            1 + draw.uniform(1, 4) * np.exp(-0.5 * ((times - draw.uniform(0, frames)) / 1.6) ** 2)
        )
    heading = draw.choice([0, np.pi]) + curve(draw, frames, frames // 9 + 2, -1.9, 1.9)
    step = (
        np.stack([np.cos(heading), np.sin(heading) * (0.3 if upright else 1.0)], 1) * pace[:, None]
    )
    world = np.cumsum(step, axis=0)

    lag = draw.uniform(
        0.03, 0.25
    )  # share of the distance to the target that the camera makes up in a frame
    aim = np.stack(
        [curve(draw, frames, frames // 20 + 2, -0.34, 0.34) * size[k] for k in range(2)], 1
    )
    camera = np.empty_like(world)
    camera[0] = world[0]
    for t in range(1, frames):
        camera[t] = camera[t - 1] + lag * (world[t] - camera[t - 1])
    camera = camera - aim + 0.9 * difficulty**2 * draw.normal(size=(frames, 2))
    zoom = np.exp(curve(draw, frames, 4, -0.22 * difficulty, 0.25 * difficulty))

    length = np.exp(curve(draw, frames, 4, np.log(sizes[0]), np.log(sizes[1])))
    anchor = length.mean() ** (1 - (0.25 + 0.6 * difficulty))  # easy videos change size less
    length = np.clip(anchor * length ** (0.25 + 0.6 * difficulty), *sizes)

    middle = np.asarray(size) / 2
    reach = middle - np.minimum(0.2 * length[:, None], 0.3 * middle)
    offset = (world - camera) * zoom[:, None]
    screen = middle + reach * np.tanh(offset / reach)
    camera = (
        world - (screen - middle) / zoom[:, None]
    )  # whoever holds the camera keeps the target in view
    return Journey(world, camera, zoom, screen, length)


def crossing(
    draw: np.random.Generator, journey: Journey, width: int, closeness: float, upright: bool
) -> np.ndarray:
    """(T, 2) path of a neighbour that passes the target once or twice, `closeness` target sizes
    away at the nearest.

    An `upright` neighbour passes sideways; `width` is the frame's.
    """
    frames, knots = len(journey.size), int(draw.integers(4, 6))
    angle = draw.normal() * 0.12 if upright else draw.uniform(0, 2 * np.pi)
    reach = np.linspace(-1, 1, knots) * draw.choice([-1, 1]) + draw.normal(size=knots) * 0.25
    along = (
        CubicSpline(np.linspace(0, frames - 1, knots), reach)(np.arange(frames))
        * draw.uniform(0.45, 0.8)
        * width
    )
    aside = closeness * journey.size * draw.choice([-1, 1]) * (0.5 if upright else 1.0)
    c, s = np.cos(angle), np.sin(angle)
    return journey.screen + np.stack([c * along - s * aside, 0.6 * s * along + c * aside], 1)
