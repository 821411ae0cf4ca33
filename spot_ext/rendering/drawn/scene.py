"""Draw one video: a target that moves over a background among neighbours and obstacles, seen by an
imperfect camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from ltr.data.seeding import generator
from spot_ext.rendering.drawn.backdrops import BACKDROPS, backdrop
from spot_ext.rendering.drawn.motion import crossing, curve, drift, journey
from spot_ext.rendering.drawn.obstacles import LONGEST, Obstacle, obstacle
from spot_ext.rendering.drawn.paint import Layer, Pose, paint
from spot_ext.rendering.drawn.things import FAMILIES, Thing, thing, wardrobe
from spot_ext.rendering.motion_blur import VISIBLE_MOTION, line_kernel

SHUTTER = 0.4  # share of the time between two frames in which light is gathered: what motion smears
TARGET_SIZES = (28.0, 110.0)  # pixels: geometric mean of the sides
LOOK_UP = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
PLACES = {  # where a target of each family may be seen
    "ball": ("street", "meadow", "room", "court", "water"),
    "beast": ("street", "meadow", "room", "woods", "court"),
    "bird": ("street", "meadow", "fields", "water", "woods", "court"),
    "car": ("street", "street", "meadow", "court"),
    "crate": tuple(BACKDROPS),
    "fish": ("water", "water", "fields"),
    "jelly": tuple(BACKDROPS),
    "walker": ("street", "meadow", "room", "woods", "court"),
}


@dataclass(frozen=True)
class FrameTruth:
    """Hold what is true about a rendered frame."""

    # (4,) exact hull of the target inside the frame, hidden parts included
    box_xywh: np.ndarray
    # share of the target that is inside the frame and not hidden
    visible: float
    # an edge of the frame cuts the target
    cut: bool


@dataclass(frozen=True)
class Frame:
    """Hold a rendered frame, the target's mask and what is true about it."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    # (H, W) float32: share of each pixel that the whole target covers, hidden parts included
    mask: np.ndarray
    truth: FrameTruth


@dataclass(frozen=True)
class Actor:
    """A thing with its pose in every frame."""

    thing: Thing
    poses: tuple[Pose, ...]
    in_front: bool = False  # of the target


def _act(
    draw: np.random.Generator,
    made: Thing,
    path: np.ndarray,
    size: np.ndarray,
    difficulty: float,
    in_front: bool = False,
) -> Actor:
    """Let `made` travel along `path` (T, 2): how it turns, deforms and shows other sides of itself
    on the way.
    """
    frames = len(size)
    roll = curve(draw, frames, 5, -0.15, 0.15)
    if made.tumbles:
        roll = draw.uniform(0, 2 * np.pi) + drift(
            draw, frames, draw.normal() * 3 * (0.3 + difficulty)
        )
    squeeze = curve(draw, frames, 5, 1 - 0.5 * (0.3 + 0.7 * difficulty), 1)
    turn = draw.choice([-1, 1]) * draw.uniform(1.0, 2.0) * (0.6 + difficulty)
    yaw, pitch = (
        drift(draw, frames, turn),
        drift(draw, frames, draw.normal() * (1.0 if made.tumbles else 0.2)),
    )
    gait = draw.uniform(0, 6) + np.cumsum(curve(draw, frames, 6, 0.1, 0.55))
    poses = tuple(
        Pose(path[t, 0], path[t, 1], size[t], roll[t], squeeze[t], yaw[t], pitch[t], gait[t])
        for t in range(frames)
    )
    return Actor(made, poses, in_front)


class Scene:
    """The video `(seed, split, index)`; iterate `frames()`. Equal arguments give equal pixels.

    `difficulty` is 0..1: more of everything that makes tracking hard (speed, turning, look-alikes,
    occlusion, light, blur, noise).
    """

    def __init__(
        self,
        seed: int,
        split: str,
        index: int,
        size: tuple[int, int],
        frame_count: int,
        difficulty: float,
    ):
        turn, place = divmod(index, len(FAMILIES))  # every family comes once in so many videos
        self.family = str(
            generator(seed, "toy families", split, turn).permutation(list(FAMILIES))[place]
        )
        draw = generator(seed, "toy", split, index)
        self.width, self.height = size
        self.frame_count, self.difficulty = frame_count, difficulty
        self.place = str(draw.choice(PLACES[self.family]))
        hue, vivid = draw.random(), draw.uniform(0.15, 0.9)
        facing = int(draw.choice([-1, 1]))
        target = thing(draw, self.family, wardrobe(draw, hue, vivid), facing)
        slender = (
            target.extent().prod() ** 0.5 / target.extent().max()
        )  # slender things are drawn longer
        largest = min(TARGET_SIZES[1] / slender, 0.6 * min(size))
        sizes = (
            min(TARGET_SIZES[0] / slender, 0.8 * largest),
            largest,
        )  # small frames have room for small targets only
        self.journey = journey(draw, frame_count, size, sizes, difficulty, not target.tumbles)
        self.target = _act(draw, target, self.journey.screen, self.journey.size, difficulty)
        self.others = self._neighbours(draw, hue, vivid)
        self.obstacles = self._obstacles(draw)
        self.world, self.origin = self._background(draw)
        self._light(draw)

    def _neighbours(self, draw: np.random.Generator, hue: float, vivid: float) -> tuple[Actor, ...]:
        """Things of the target's family, more alike the harder the video, that pass close by."""
        actors = []
        for _ in range(draw.binomial(3, 0.25 + 0.5 * self.difficulty)):
            alike = draw.random() < 0.3 + 0.6 * self.difficulty
            away = draw.normal() * 0.02 if alike else draw.random()
            family = (
                self.family
                if alike
                else str(draw.choice([f for f in FAMILIES if self.place in PLACES[f]]))
            )
            made = thing(
                draw, family, wardrobe(draw, hue + away, vivid, side=128), int(draw.choice([-1, 1]))
            )
            path = crossing(
                draw, self.journey, self.width, draw.uniform(0.4, 1.2), not made.tumbles
            )
            size = self.journey.size * draw.uniform(0.75, 1.2)
            near = np.abs(path - self.journey.screen).max(1) < 0.5 * (size + self.journey.size)
            in_front = draw.random() < 0.4 and not near[:5].any() and near.sum() <= LONGEST
            actors.append(_act(draw, made, path, size, self.difficulty, bool(in_front)))
        return tuple(actors)

    def _obstacles(self, draw: np.random.Generator) -> tuple[Obstacle, ...]:
        count = draw.binomial(3, 0.2 + 0.5 * self.difficulty)
        drawn = [
            obstacle(draw, self.journey, (self.width, self.height), self.difficulty)
            for _ in range(count)
        ]
        return tuple(hurdle for hurdle in drawn if hurdle)

    def _background(self, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The part of the world that the camera sees at some time, and the world point of its first
        pixel.
        """
        reach = np.array([self.width, self.height]) / 2 / self.journey.zoom[:, None] + 4
        low = np.floor((self.journey.camera - reach).min(0)).astype(int)
        high = np.ceil((self.journey.camera + reach).max(0)).astype(int)
        width, height = high - low
        feet = self.journey.world[:, 1].mean() + 0.5 * self.journey.size.mean() - low[1]
        ground = (
            feet - draw.uniform(5, 60)
            if self.target.thing.on_ground
            else draw.uniform(0.3, 0.8) * height
        )
        return backdrop(draw, self.place, int(height), int(width), int(ground)), low

    def _light(self, draw: np.random.Generator) -> None:
        count, hard = self.frame_count, self.difficulty
        gain = 1.1 + curve(draw, count, 5, -0.35 * hard - 0.05, 0.25 * hard + 0.05)
        if draw.random() < 0.35 * hard:  # a lamp or the sun comes or goes
            gain = gain * np.where(
                np.arange(count) > draw.uniform(0.2, 0.8) * count, draw.choice([0.55, 0.7, 1.35]), 1
            )
        tint = 1 + np.stack([curve(draw, count, 3, -0.08, 0.08) for _ in range(3)], 1) * hard
        self.gain = (gain[:, None] * tint).astype(np.float32)
        self.sun = (float(draw.uniform(-1, 1)), float(draw.uniform(-1, -0.2)))
        coarse = draw.random((8, 40), dtype=np.float32)
        self.shade = cv2.GaussianBlur(coarse, (0, 0), 1.0)
        self.shade = (self.shade - self.shade.min()) / (self.shade.max() - self.shade.min())
        self.shade_depth = float(draw.uniform(0.1, 0.6) * (draw.random() < 0.3 + 0.5 * hard))
        self.shade_pace = float(draw.uniform(-0.25, 0.25))
        self.softness = float(draw.uniform(0.35, 0.55 + 0.45 * hard))
        grain = draw.standard_normal((self.height + 64, self.width + 64, 4), np.float32)
        self.grain = (0.9 * grain[..., :1] + 0.5 * grain[..., 1:]) * np.float32(
            draw.uniform(0.7, 2 + 3 * hard)
        )
        self.grain_at = draw.integers(0, 64, (count, 2))

    def frames(self) -> Iterator[Frame]:
        """Render the frames in order."""
        velocity, pan = self.journey.velocity() * SHUTTER, self.journey.pan() * SHUTTER
        for t in range(self.frame_count):
            yield self._frame(t, velocity[t], pan[t])

    def _frame(self, t: int, velocity: np.ndarray, pan: np.ndarray) -> Frame:
        canvas = self._backdrop(t, pan)
        target = paint(self.target.thing, self.target.poses[t], self.sun)
        for actor in self.others:
            if not actor.in_front:
                self._put(canvas, actor, t)
        if self.target.thing.on_ground:
            _shadow(canvas, target)
        _blend(canvas, target.blurred(*velocity))
        box, meet = target.hull(self.width, self.height), target.overlap(canvas)
        if box is None or meet is None:
            raise RuntimeError(f"toy video: the target left the frame at {self.target.poses[t]}")
        mask = np.zeros(canvas.shape[:2], np.float32)
        mask[meet[0]] = target.alpha[meet[1]]
        seen = mask.copy()
        for actor in self.others:
            if actor.in_front:
                _hide(seen, self._put(canvas, actor, t))
        for hurdle in self.obstacles:
            if layer := hurdle.layer(t, (self.width, self.height)):
                _blend(canvas, layer)
                _hide(seen, layer)
        whole = float(target.alpha.sum())
        cut = bool(mask.sum() < whole - 0.5)
        truth = FrameTruth(box, float(seen.sum()) / whole, cut)
        return Frame(self._expose(canvas, t), mask, truth)

    def _backdrop(self, t: int, pan: np.ndarray) -> np.ndarray:
        zoom, camera = self.journey.zoom[t], self.journey.camera[t]
        corner = (
            camera - np.array([self.width, self.height]) / 2 / zoom - self.origin - 0.5 + 0.5 / zoom
        )
        matrix = np.array([[1 / zoom, 0, corner[0]], [0, 1 / zoom, corner[1]]])
        view = cv2.warpAffine(
            self.world,
            matrix,
            (self.width, self.height),
            flags=LOOK_UP,
            borderMode=cv2.BORDER_REFLECT,
        )
        if np.hypot(*pan) >= VISIBLE_MOTION:
            view = cv2.filter2D(view, -1, line_kernel(*pan))
        return view.astype(np.float32)

    def _put(self, canvas: np.ndarray, actor: Actor, t: int) -> Layer | None:
        """Draw a neighbour unless it is far outside the frame."""
        pose, before = actor.poses[t], actor.poses[max(t - 1, 0)]
        if not (
            -pose.size < pose.x < self.width + pose.size
            and -pose.size < pose.y < self.height + pose.size
        ):
            return None
        layer = paint(actor.thing, pose, self.sun)
        if actor.thing.on_ground:
            _shadow(canvas, layer)
        _blend(canvas, layer.blurred((pose.x - before.x) * SHUTTER, (pose.y - before.y) * SHUTTER))
        return layer

    def _expose(self, canvas: np.ndarray, t: int) -> np.ndarray:
        """Apply what the sensor makes of the light: shade, gain, softness, noise."""
        canvas = cv2.transform(canvas, np.diag(self.gain[t]))
        if self.shade_depth:
            shift = np.array(
                [[8 / self.width, 0, 16 + self.shade_pace * t], [0, 6 / self.height, 1]]
            )
            shade = cv2.warpAffine(
                self.shade,
                shift,
                (self.width, self.height),
                flags=LOOK_UP,
                borderMode=cv2.BORDER_REFLECT,
            )
            light = 1 - self.shade_depth * np.clip(3 * shade - 1, 0, 1)
            canvas = np.multiply(canvas, np.asarray(cv2.merge([light] * 3)), out=canvas)
        canvas = cv2.GaussianBlur(canvas, (0, 0), self.softness)
        y, x = self.grain_at[t]
        return cv2.add(
            canvas, self.grain[y : y + self.height, x : x + self.width], dtype=cv2.CV_8U
        )  # rounds, clips


def _blend(canvas: np.ndarray, layer: Layer) -> None:
    if meet := layer.overlap(canvas):
        canvas[meet[0]] *= cv2.merge(
            [1 - layer.alpha[meet[1]]] * 3
        )  # much faster than broadcasting
        canvas[meet[0]] += layer.colour[meet[1]]


def _hide(seen: np.ndarray, layer: Layer | None) -> None:
    """Take away from the mask what the layer is in front of."""
    if layer and (meet := layer.overlap(seen)):
        seen[meet[0]] *= 1 - layer.alpha[meet[1]]


def _shadow(canvas: np.ndarray, layer: Layer) -> None:
    """Darken the ground under a thing."""
    h, w = layer.alpha.shape
    spread = cv2.GaussianBlur(
        cv2.resize(layer.alpha, (w, max(h // 5, 2)), interpolation=cv2.INTER_AREA), (0, 0), 2
    )
    black = np.zeros((*spread.shape, 3), np.float32)
    _blend(
        canvas, Layer(layer.x + w // 12, layer.y + h - len(spread) * 2 // 3, black, 0.5 * spread)
    )
