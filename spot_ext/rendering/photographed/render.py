"""Pixels of a video: the canvas and the sprites once, then any frame in some milliseconds."""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from spot_ext.rendering.motion_blur import VISIBLE_MOTION, line_kernel
from spot_ext.rendering.photographed.camera_effects import expose
from spot_ext.rendering.photographed.moving_objects import Actor
from spot_ext.rendering.photographed.plan import Plan
from spot_ext.rendering.photographed.scenery import backdrop
from spot_ext.rendering.photographed.sprites import Sprite

Layer = tuple[slice, slice, np.ndarray]


class Video:
    """Renders the frames of a plan, in any order; equal plans give equal pixels."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._views = plan.camera.matrices()
        self._actors = [(actor, Sprite(plan.bank, actor)) for actor in plan.others]
        self._target = Sprite(plan.bank, plan.target)

    def frame(self, t: int) -> np.ndarray:
        """Frame t, (H, W, 3) uint8 RGB."""
        plan = self.plan
        image = self._background(t)
        for actor, sprite in self._actors:
            if not actor.front:
                self._put(image, actor, sprite, t)
        if plan.target.shown:
            self._put(image, plan.target, self._target, t)
        for actor, sprite in self._actors:
            if actor.front:
                self._put(image, actor, sprite, t)
        return expose(plan.lens, image, t)

    def masks(self, t: int) -> tuple[np.ndarray, np.ndarray]:
        """Coverage of the whole target, hidden parts included, and of what is seen of it, (H, W)
        uint8; without blur.
        """
        size = self.plan.size
        whole = np.zeros(size[::-1], np.uint8)
        if (layer := self._target.layer(t, size)) is not None:
            whole[layer[0], layer[1]] = layer[2][..., 3]
        seen = whole.copy()
        for actor, sprite in self._actors:
            if actor.front and (layer := sprite.layer(t, size)) is not None:
                part = seen[layer[0], layer[1]]
                part[...] = cv2.multiply(part, 255 - layer[2][..., 3], scale=1 / 255)
        return whole, seen

    @cached_property
    def _canvas(self) -> np.ndarray:
        """The background with all that stands on it."""
        setting = self.plan.setting
        canvas = backdrop(setting, self.plan.bank)
        canvas = _toned(canvas, setting.gain, setting.contrast, setting.hue, setting.vivid)
        for actor in setting.clutter:
            sprite = Sprite(self.plan.bank, actor)
            if actor.shadow and (layer := sprite.shadow(0, setting.size)) is not None:
                _darken(canvas, layer)
            if (layer := sprite.layer(0, setting.size)) is not None:
                _blend(canvas, layer)
        if setting.defocus > 0.4:
            canvas = cv2.GaussianBlur(canvas, (0, 0), setting.defocus)
        return canvas

    def _background(self, t: int) -> np.ndarray:
        width, height = self.plan.size
        canvas = self._canvas
        to_canvas = (
            np.array(
                [[1, 0, canvas.shape[1] / 2 - 0.5], [0, 1, canvas.shape[0] / 2 - 0.5], [0, 0, 1]]
            )
            @ np.linalg.inv(self._views[t])
            @ np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        )
        to_canvas = _folded(to_canvas, canvas.shape[1], canvas.shape[0])
        view = cv2.warpAffine(
            canvas,
            to_canvas[:2],
            (width, height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        smear = self._smear(self._views, t, np.array([0.0, 0.0]))
        return (
            cv2.filter2D(view, -1, line_kernel(*smear))
            if np.hypot(*smear) >= VISIBLE_MOTION
            else view
        )

    def _smear(self, matrices: np.ndarray, t: int, point: np.ndarray) -> np.ndarray:
        """Way of a point during the exposure of frame t, in pixels; at most 60."""
        before, after = matrices[max(t - 1, 0)], matrices[min(t + 1, len(matrices) - 1)]
        span = max(min(t + 1, len(matrices) - 1) - max(t - 1, 0), 1)
        ends = [matrix @ [*point, 1] for matrix in (before, after)]
        way = (ends[1][:2] / ends[1][2] - ends[0][:2] / ends[0][2]) / span * self.plan.lens.shutter
        return way * min(1.0, 60 / max(float(np.hypot(*way)), 1e-6))

    def _put(self, image: np.ndarray, actor: Actor, sprite: Sprite, t: int) -> None:
        if actor.shadow and (layer := sprite.shadow(t, self.plan.size)) is not None:
            _darken(image, layer)
        layer = sprite.layer(
            t, self.plan.size, self._smear(actor.matrices, t, np.array([0.0, 0.0]))
        )
        if layer is not None:
            _blend(image, layer)


def _folded(to_canvas: np.ndarray, width: int, height: int) -> np.ndarray:
    """Bring a view that has gone far off back by whole periods of the mirrored canvas."""
    moved = to_canvas.copy()
    moved[0, 2] -= np.floor(moved[0, 2] / (2 * width)) * 2 * width
    moved[1, 2] -= np.floor(moved[1, 2] / (2 * height)) * 2 * height
    return moved


def _blend(image: np.ndarray, layer: Layer) -> None:
    rows, columns, made = layer
    under = image[rows, columns]
    rest = cv2.merge([cv2.bitwise_not(cv2.extractChannel(made, 3))] * 3)
    image[rows, columns] = cv2.add(cv2.multiply(under, rest, scale=1 / 255), made[..., :3])


def _darken(image: np.ndarray, layer: Layer) -> None:
    rows, columns, factors = layer
    image[rows, columns] = cv2.multiply(image[rows, columns], factors, scale=1 / 255)


def _toned(image: np.ndarray, gain: float, contrast: float, hue: float, vivid: float) -> np.ndarray:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    levels = np.arange(256)
    value = np.clip(((levels - 110) * contrast + 110) * gain, 0, 255)
    tables = np.stack([(levels + hue * 180) % 180, np.clip(levels * vivid, 0, 255), value], -1)
    return cv2.cvtColor(cv2.LUT(hsv, tables[None].astype(np.uint8)), cv2.COLOR_HSV2RGB)
