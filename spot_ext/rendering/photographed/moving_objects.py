"""Describe what moves in a video: geometry only. Positions are unit coordinates (a cut-out's
rectangle has area 1) or frame pixels.

Frame coordinates are continuous: pixel k covers k..k+1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spot_ext.rendering.photographed.image_bank import Bank

BLOB_POINTS = 96


@dataclass(frozen=True)
class Look:
    """Say which pixels an actor shows; negative numbers mean none."""

    cutout: int  # in the bank
    texture: int  # photograph whose surface replaces the cut-out's own colours, or fills a blob
    texture_box: tuple[
        float, float, float, float
    ]  # left, top, width, height in shares of that photograph
    blend: float  # 1: the texture alone, less: the cut-out's light and shade shines through
    hue: float  # turn of the hue, 0..1
    vivid: float  # factor of the saturation
    gain: float
    contrast: float
    roundness: float  # shading of a rounded body, 0: flat
    softness: float  # pixels of blur of the coverage's edge
    # how far the texture moves on from page to page, in widths: it turns and shows other sides
    turn: float = 0.0
    radii: tuple[float, ...] = ()  # outline of a blob: distance from its middle by angle


@dataclass(frozen=True)
class Body:
    """Outline and coverage of each page of an actor's look."""

    extent: np.ndarray  # (2,) width and height in unit coordinates, product 1
    outlines: np.ndarray  # (P, N, 2) unit coordinates
    inner: np.ndarray  # (P, M, 2) points spread over what is covered
    masks: np.ndarray  # (P, m, m) uint8 coverage over the extent


@dataclass(frozen=True)
class Waves:
    """Bending: point p goes to `p + sum(push * sin(p . across + pace * t + phase))`, never folding
    over itself.
    """

    push: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))  # (K, 2)
    across: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))  # (K, 2)
    pace: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (K,)
    phase: np.ndarray = field(default_factory=lambda: np.zeros(0))  # (K,)

    @staticmethod
    def draw(draw: np.random.Generator, strength: float) -> Waves:
        """Two or three waves; `strength` up to 1 bends as far as is invertible."""
        count = int(draw.integers(2, 4))
        angle = draw.uniform(0, 2 * np.pi, (2, count))
        number = draw.uniform(2.0, 6.0, count)
        steep = (
            strength * draw.uniform(0.3, 1.0, count) * 0.6 / count
        )  # push times number: how much neighbours separate
        return Waves(
            (steep / number)[:, None] * np.stack([np.cos(angle[0]), np.sin(angle[0])], 1),
            number[:, None] * np.stack([np.cos(angle[1]), np.sin(angle[1])], 1),
            draw.uniform(0.03, 0.5, count),
            draw.uniform(0, 2 * np.pi, count),
        )

    def shift(self, points: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Displacement (..., 2) of points (..., 2) at the times t (...)."""
        wave = np.sin(points @ self.across.T + np.multiply.outer(t, self.pace) + self.phase)
        return wave @ self.push


@dataclass(frozen=True)
class Actor:
    """A thing in every frame."""

    look: Look
    body: Body
    matrices: np.ndarray  # (T, 3, 3) unit coordinates to frame pixels
    pages: np.ndarray  # (T,) page shown
    waves: Waves
    front: bool  # before the target
    shown: bool = True  # False: a piece of the background itself is the target
    shadow: float = 0.0  # darkness of its shadow on the ground
    light: np.ndarray | None = None  # (T,) gain of its own, None: 1

    def screen(self, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Unit points (F, N, 2) in frames (F,) as frame pixels (F, N, 2)."""
        if len(self.waves.push):
            points = points + self.waves.shift(
                points, np.broadcast_to(frames[:, None], points.shape[:2])
            )
        return apply(self.matrices[frames], points)

    def outline(self, frames: np.ndarray) -> np.ndarray:
        """(F, N, 2) frame pixels."""
        return self.screen(self.body.outlines[self.pages[frames]], frames)

    def inner(self, frames: np.ndarray) -> np.ndarray:
        """(F, M, 2) frame pixels."""
        return self.screen(self.body.inner[self.pages[frames]], frames)

    def covers(self, points: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Bool (F, N): the actor hides these frame pixels (F, N, 2)."""
        unit = apply(np.linalg.inv(self.matrices[frames]), points)
        for _ in range(2 if len(self.waves.push) else 0):
            unit = apply(np.linalg.inv(self.matrices[frames]), points) - self.waves.shift(
                unit, np.broadcast_to(frames[:, None], unit.shape[:2])
            )
        masks = self.body.masks
        cell = np.floor((unit / self.body.extent + 0.5) * masks.shape[1]).astype(int)
        inside = ((cell >= 0) & (cell < masks.shape[1])).all(-1)
        cell = np.clip(cell, 0, masks.shape[1] - 1)
        return inside & (masks[self.pages[frames][:, None], cell[..., 1], cell[..., 0]] > 127)


def apply(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Projective maps (F, 3, 3) of points (F, N, 2)."""
    mapped = points @ matrices[:, :, :2].transpose(0, 2, 1) + matrices[:, None, :, 2]
    return mapped[..., :2] / mapped[..., 2:]


def cutout_body(bank: Bank, number: int) -> Body:
    """The body of a cut-out of the bank."""
    pages = slice(bank.first_page[number], bank.first_page[number + 1])
    extent = bank.sizes[number] / np.sqrt(bank.sizes[number].prod())
    return _body(extent, (bank.outlines[pages] - 0.5) * extent, bank.masks[pages])


def blob_body(radii: np.ndarray, aspect: float) -> Body:
    """A closed outline given by its distance from the middle at equal angles."""
    angle = np.arange(len(radii)) * 2 * np.pi / len(radii)
    points = np.stack([radii * np.cos(angle), radii * np.sin(angle)], 1)
    low, high = points.min(0), points.max(0)
    extent = np.array([aspect**0.5, aspect**-0.5])
    points = ((points - low) / (high - low) - 0.5) * extent
    grid = _grid(48) - 0.5
    slots = (
        (np.arctan2(*(grid * (high - low) + (low + high) / 2).T[::-1]) % (2 * np.pi))
        / (2 * np.pi)
        * len(radii)
    )
    reach = np.interp(slots, np.arange(len(radii) + 1), np.append(radii, radii[0]))
    covered = np.hypot(*(grid * (high - low) + (low + high) / 2).T) < reach
    return _body(extent, points[None], (covered.reshape(1, 48, 48) * 255).astype(np.uint8))


def part_of(body: Body, box: np.ndarray) -> Body:
    """Return the body with the outline and inner points of a part only; `box` is left, top, right,
    bottom in unit coordinates.

    The pixels stay those of the whole: a head that is followed, on a body that is not.
    """
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    ring = middle + half * np.stack([np.cos(angle), np.sin(angle)], 1)
    grid = middle + half * 1.4 * (_grid(8) - 0.5)
    pages = len(body.masks)
    return Body(
        body.extent,
        np.broadcast_to(ring, (pages, *ring.shape)),
        np.broadcast_to(grid, (pages, *grid.shape)),
        body.masks,
    )


def _body(extent: np.ndarray, outlines: np.ndarray, masks: np.ndarray, count: int = 150) -> Body:
    side = masks.shape[1]
    inner = []
    for mask in masks:
        covered = np.flatnonzero(mask.ravel() > 127)
        covered = (
            covered[np.linspace(0, len(covered) - 1, count).astype(int)]
            if len(covered)
            else np.array([side**2 // 2])
        )
        inner.append(np.stack([covered % side, covered // side], 1) + 0.5)
    inner = [np.resize(points, (count, 2)) for points in inner]
    return Body(extent, outlines.astype(np.float64), (np.stack(inner) / side - 0.5) * extent, masks)


def _grid(side: int) -> np.ndarray:
    """(side * side, 2) x, y of cell middles in 0..1."""
    middle = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)


def matrices(
    path: np.ndarray,
    size: np.ndarray,
    stretch: np.ndarray,
    roll: np.ndarray,
    width: np.ndarray,
    tilt: np.ndarray,
) -> np.ndarray:
    """Poses (T, 3, 3): centres (T, 2), root of the area (T,), log of the stretch in width, roll,
    factor of the width (foreshortening, negative when mirrored), perspective (T, 2).
    """
    frames = len(path)
    cos, sin = np.cos(roll), np.sin(roll)
    sx, sy = size * np.exp(stretch / 2) * width, size * np.exp(-stretch / 2)
    made = np.zeros((frames, 3, 3))
    made[:, 0, 0], made[:, 0, 1], made[:, 0, 2] = cos * sx, -sin * sy, path[:, 0]
    made[:, 1, 0], made[:, 1, 1], made[:, 1, 2] = sin * sx, cos * sy, path[:, 1]
    bend = np.broadcast_to(np.eye(3), (frames, 3, 3)).copy()
    bend[:, 2, :2] = tilt
    made[:, 2, 2] = 1
    return made @ bend
