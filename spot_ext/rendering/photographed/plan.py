"""Plan what happens in a video: camera, target, neighbours, obstacles, light. Geometry only;
`render` adds the pixels.

A plan is a function of (bank, seed, number) alone. Boxes and visibility of all frames come from it
in milliseconds.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ltr.data.seeding import generator
from spot_ext.rendering.photographed import appearance
from spot_ext.rendering.photographed.camera_effects import Lens, draw_lens
from spot_ext.rendering.photographed.image_bank import Bank
from spot_ext.rendering.photographed.motion import Camera, bump, camera, course, fold, tremor, walk
from spot_ext.rendering.photographed.moving_objects import (
    Actor,
    Body,
    Look,
    Waves,
    matrices,
    part_of,
)
from spot_ext.rendering.photographed.scenery import Setting, draw_setting

VERSION = 2  # of what a bank, a seed and a number stand for
SIZES = (
    (480, 270),
    (480, 270),
    (640, 360),
    (640, 360),
    (480, 360),
    (320, 240),
    (400, 300),
    (360, 480),
)  # width, height
PARTS, PIECES = (
    0.28,
    0.12,
)  # share of targets that are a part of a larger thing, and that are a piece of the background
ABSENT_BELOW = 0.12  # share of the target that is seen; less counts as absent


@dataclass(frozen=True)
class Truth:
    """Hold what is true in every frame."""

    # (T, 4) float32: hull inside the frame, hidden parts included; zeros when all of it is outside
    boxes_xywh: np.ndarray
    visible: np.ndarray  # (T,) bool
    seen: np.ndarray  # (T,) share of the target that is inside the frame and not hidden
    cut: np.ndarray  # (T,) bool: an edge of the frame cuts the target


class Plan:
    """The video `number` of `seed`, of `frames` frames."""

    def __init__(self, bank: Bank, seed: int, number: int, frames: int):
        self.bank, self.seed, self.number, self.frames = bank, int(seed), int(number), int(frames)
        draw = generator(seed, "scenes", number)
        self.hardness = float(draw.random())
        self.size = SIZES[int(draw.integers(len(SIZES)))]
        self.target_size = self._sizes(draw)
        path, follow = self._path(draw)
        self.camera: Camera = camera(draw, self.frames, self.size, follow, self.hardness)
        self.target = self._target(draw, path)
        self.others = self._neighbours(draw, path)
        self.others += self._obstacles(draw, path)
        self.setting: Setting = draw_setting(draw, bank, self.size, self.target)
        self.lens: Lens = draw_lens(draw, self.frames, self.size, self.hardness)

    @cached_property
    def truth(self) -> Truth:
        """Boxes and visibility of all frames."""
        every = np.arange(self.frames)
        outline, points, size = (
            self.target.outline(every),
            self.target.inner(every),
            np.array(self.size, float),
        )
        low, high = outline.min(1), outline.max(1)
        boxes = _hull_inside(np.concatenate([outline, points], 1), low, high, size)
        seen = ((points > 0) & (points < size)).all(-1)
        for actor in self.others:
            if actor.front:
                seen &= ~actor.covers(points, every)
        share = seen.mean(1)
        cut = (low < -0.5).any(1) | (high > size + 0.5).any(1)
        return Truth(
            boxes.astype(np.float32), (share >= ABSENT_BELOW) & (boxes[:, 2] > 0), share, cut
        )

    def _sizes(self, draw: np.random.Generator) -> np.ndarray:
        """(T,) root of the area of the target's rectangle: mostly a tenth to a third of the
        frame's, and changing.
        """
        whole = float(np.sqrt(np.prod(self.size)))
        low, high = (16, 0.14 * whole) if draw.random() < 0.22 else (0.12 * whole, 0.5 * whole)
        middle = np.exp(draw.uniform(np.log(low), np.log(high)))
        change = draw.choice([0.08, 0.3, 0.7]) * (0.5 + self.hardness)
        sizes = middle * np.exp(
            course(draw, self.frames, draw.uniform(15, 80), -change, change)[:, 0]
        )
        return np.clip(sizes, 11, 0.65 * whole)

    def _path(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Centres of the target in the frame (T, 2), and its course over the ground for a camera
        that follows.
        """
        size, frames = np.array(self.size, float), self.frames
        pace = self.target_size.mean() * np.exp(draw.normal(-2.7, 0.9)) * (0.5 + self.hardness)
        steps = walk(draw, frames, draw.uniform(10, 60), min(pace, 0.05 * size[0])) * [
            1,
            draw.uniform(0.25, 0.9),
        ]
        room = np.minimum(0.45 * self.target_size.mean() / size, 0.42)
        start = draw.uniform(room, 1 - room) * size
        start = 0.6 * start + 0.4 * size / 2
        steps = steps + np.sin(np.arange(frames)[:, None] * draw.uniform(0.3, 0.9)) * [
            0,
            0.03,
        ] * self.target_size[:, None] * (draw.random() < 0.4)  # the bob of a gait
        path = fold(start + steps - steps[0], room * size * 0.8, size - room * size * 0.8)
        if draw.random() < 0.5:  # most cameras are held on what matters
            path = size / 2 + (path - size / 2) * draw.uniform(0.3, 0.8)
        path = path + tremor(draw, frames, draw.exponential(0.7) * (0.3 + self.hardness))
        if (
            draw.random() < 0.10 + 0.08 * self.hardness and frames >= 20
        ):  # leaves the frame for a while, in part or whole
            when, half = draw.uniform(0.25, 0.95) * frames, draw.uniform(7, 22)
            side = int(draw.random() < 0.2)
            here = path[min(int(when), frames - 1), side]
            there = here - size[side] / 2 > 0
            reach = (size[side] - here if there else -here) + (1 if there else -1) * draw.uniform(
                -0.2, 1.1
            ) * self.target_size.mean()
            path[:, side] += bump(frames, when, half) * reach
        ground = walk(draw, frames, draw.uniform(30, 90), 0.004 * size[0]) + path - path[0]
        return path, ground * (1 + draw.exponential(1.0))

    def _actor(
        self,
        draw: np.random.Generator,
        look: Look,
        body: Body,
        path: np.ndarray,
        sizes: np.ndarray,
        front: bool,
        calm: float = 1.0,
    ) -> Actor:
        """Let a body travel along `path`, turning and bending as much as the video's hardness
        asks.
        """
        frames, hard = self.frames, (0.25 + self.hardness) * calm
        standing = look.cutout >= 0 and bool(self.bank.standing[look.cutout])
        roll = (
            course(draw, frames, draw.uniform(12, 60), -1, 1)[:, 0]
            * draw.exponential(0.10 if standing else 0.35)
            * hard
        )
        if not standing and draw.random() < 0.3:
            roll = (
                roll
                + draw.uniform(0, 2 * np.pi)
                + np.cumsum(course(draw, frames, 30, -0.12, 0.12)[:, 0]) * hard
            )
        stretch = (
            course(draw, frames, draw.uniform(12, 60), -1, 1)[:, 0] * draw.exponential(0.12) * hard
        )
        width = np.where(draw.random() < 0.5, -1.0, 1.0) * np.ones(frames)
        if draw.random() < 0.5:
            turning = (
                course(draw, frames, draw.uniform(15, 70), -1, 1)[:, 0]
                * draw.uniform(0.3, 1.1)
                * hard
            )
            yaw = draw.uniform(-0.6, 0.6) + turning
            width = width * np.maximum(np.abs(np.cos(yaw)), 0.4)
            if draw.random() < 0.25 and frames > 20:  # turns round: narrow, then mirrored
                when = draw.uniform(0.2, 0.9) * frames
                away = np.clip((np.arange(frames) - when) / draw.uniform(4, 12), -1, 1)
                width = width * np.where(away < 0, 1, -1) * np.maximum(np.abs(away), 0.35)
        tilt = course(draw, frames, draw.uniform(15, 60), -1, 1, 2) * draw.exponential(0.10) * hard
        waves = (
            Waves.draw(draw, min(draw.exponential(0.35) * hard * 1.4, 1.0))
            if draw.random() < 0.65
            else Waves()
        )
        count = len(body.masks)
        if look.turn:  # to and fro
            pages = np.clip(
                np.floor(course(draw, frames, draw.uniform(20, 90), 0, count)[:, 0]), 0, count - 1
            ).astype(int)
        else:
            pages = (
                np.floor(draw.uniform(0, count) + np.arange(frames) * draw.uniform(0.1, 0.6))
                % count
            ).astype(int)
        light = None
        if draw.random() < 0.3:
            light = np.exp(course(draw, frames, draw.uniform(8, 40), -0.35, 0.25)[:, 0])
        shadow = float(draw.uniform(0.2, 0.6)) if standing and draw.random() < 0.55 else 0.0
        return Actor(
            look,
            body,
            matrices(path, sizes, stretch, roll, width, np.clip(tilt, -0.28, 0.28)),
            pages,
            waves,
            front,
            shadow=shadow,
            light=light,
        )

    def _target(self, draw: np.random.Generator, path: np.ndarray) -> Actor:
        """Whole things are found by their edges alone; parts and pieces teach that the template
        says where a target ends.
        """
        look, body = appearance.draw_look(draw, self.bank)
        kind = draw.random()
        if kind < PIECES:
            return self._background_piece(draw, look)
        actor = self._actor(draw, look, body, path, self.target_size, False)
        if kind > 1 - PARTS:
            box = self._part(draw, body)
            body = body if box is None else part_of(body, box)
            part = np.sqrt(np.prod(np.ptp(body.outlines[0], axis=0)))
            grown = actor.matrices.copy()
            grown[:, :, :2] *= min(1 / part, 2.2)
            if box is not None:
                actor = dataclasses.replace(actor, body=body, matrices=grown, waves=Waves())
        return actor

    @staticmethod
    def _part(draw: np.random.Generator, body: Body) -> np.ndarray | None:
        """Left, top, right, bottom of a part that the thing fills, in unit coordinates; None when
        it has none.
        """
        best: np.ndarray = np.empty(0)
        most = -1.0
        side = body.masks.shape[1]
        for _ in range(12):
            w, h = draw.uniform(0.3, 0.65, 2)
            left, top = (
                draw.choice([0.0, 1.0, draw.random()]) * (1 - side) for side in (w, h)
            )  # mostly ends, as heads are
            inside = body.masks[
                0,
                int(top * side) : int((top + h) * side),
                int(left * side) : int((left + w) * side),
            ]
            if inside.mean() > most:
                most, best = inside.mean(), np.array([left, top, left + w, top + h])
        return (best - 0.5) * np.tile(body.extent, 2) if most > 0.75 * 255 else None

    def _background_piece(self, draw: np.random.Generator, look: Look) -> Actor:
        """A target that is not drawn: a rectangle of the canvas."""
        view = self.camera.matrices()
        middle = (np.linalg.inv(view[0]) @ [*(np.array(self.size) * draw.uniform(0.3, 0.7, 2)), 1])[
            :2
        ]
        side = np.clip(self.target_size[0] * 0.8, 14, 160)
        aspect = np.exp(draw.normal() * 0.3)
        place = np.array([[side, 0, middle[0]], [0, side, middle[1]], [0, 0, 1.0]])
        extent = np.array([aspect**0.5, aspect**-0.5])
        edge = np.linspace(-0.5, 0.5, 9)
        ring = (
            np.concatenate(
                [np.stack([edge, np.full(9, s)], 1) for s in (-0.5, 0.5)]
                + [np.stack([np.full(9, s), edge], 1) for s in (-0.5, 0.5)]
            )
            * extent
        )
        grid = np.stack(np.meshgrid(edge, edge), -1).reshape(-1, 2) * extent
        body = Body(extent, ring[None], grid[None], np.full((1, 8, 8), 255, np.uint8))
        return Actor(
            look, body, view @ place, np.zeros(self.frames, int), Waves(), False, shown=False
        )

    def _neighbours(self, draw: np.random.Generator, path: np.ndarray) -> list[Actor]:
        """Look-alikes and other things that move near the target, behind it or before it."""
        actors = []
        alike = draw.random() < 0.35 + 0.3 * self.hardness
        for _ in range(min(int(draw.poisson(0.6 + 1.6 * self.hardness)), 5)):
            if alike and draw.random() < 0.75:
                look, body = appearance.similar(draw, self.target.look), self.target.body
            else:
                look, body = appearance.draw_look(draw, self.bank)
            sizes = self.target_size * np.exp(draw.normal() * 0.25)
            spread = self.target_size.mean()
            offset = course(draw, self.frames, draw.uniform(15, 70), -1, 1, 2) * [4.5, 2.2] * spread
            if draw.random() < 0.5:  # comes along
                other = path + offset + np.sign(draw.normal(size=2)) * spread * [0.9, 0.2]
            else:
                other = path.mean(0) + offset * 1.5
            before = np.abs(other - path).max(1) < 0.7 * (sizes + self.target_size) / 2
            front = bool(draw.random() < 0.35 and not before[0] and before.mean() < 0.25)
            actors.append(self._actor(draw, look, body, other, sizes, front))
        return actors

    def _obstacles(self, draw: np.random.Generator, path: np.ndarray) -> list[Actor]:
        """Things in front of which the target passes, hiding it in part, at times wholly."""
        actors = []
        every = np.arange(self.frames)
        for _ in range(int(draw.binomial(3, 0.12 + 0.38 * self.hardness))):
            look, body = appearance.draw_look(
                draw, self.bank, {"photo": 0.45, "dressed": 0.1, "drawn": 0.05, "blob": 0.4}
            )
            when = int(draw.uniform(0.15, 1.0) * (self.frames - 1))
            target = self.target_size[when]
            sizes = np.full(self.frames, target * np.exp(draw.normal(0.05, 0.45)))
            lasts = draw.uniform(5, 26)
            heading = draw.normal(size=2) * [1, 0.25]
            speed = heading / np.hypot(*heading) * (target + sizes[0]) / lasts
            place = path[when] + draw.normal(size=2) * 0.25 * target
            fixed = self.camera.matrices(draw.uniform(1, 1.3))
            still = np.linalg.inv(fixed[when]) @ [*place, 1]
            static = np.einsum("tij,j->ti", fixed, still)[:, :2]
            near = np.abs(static - path).max(1) < (target + sizes[0]) / 2
            course_xy = (
                static
                if near.mean() < 0.3 and not near[0]
                else place + (every - when)[:, None] * speed
            )
            actor = self._actor(draw, look, body, course_xy, sizes, True, calm=0.4)
            hidden = actor.covers(self.target.inner(every), every).mean(1)
            if hidden[0] < 0.1 and (hidden > 0.85).mean() < 0.25:
                actors.append(actor)
        return actors


def _hull_inside(
    points: np.ndarray, low: np.ndarray, high: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Boxes (T, 4) around those of a target's points (T, N, 2) that are inside the frame, up to the
    edges that cut it.

    `low` and `high` (T, 2) bound all of its outline. Zeros where nothing is inside.
    """
    inside = np.asarray(((points >= 0) & (points <= size)).all(-1))[..., None]
    first = np.where(low < 0, 0, np.where(inside, points, np.inf).min(1))
    last = np.where(high > size, size, np.where(inside, points, -np.inf).max(1))
    boxes = np.concatenate([first, last - first], 1)
    is_outside = np.logical_not(inside.any(axis=(1, 2)))
    boxes[is_outside | (last - first < 0.5).any(1)] = 0
    return boxes
