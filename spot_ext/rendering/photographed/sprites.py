"""Pixels of an actor: its look painted once a video, then warped into each frame."""

from __future__ import annotations

import cv2
import numpy as np

from spot_ext.rendering.motion_blur import line_kernel
from spot_ext.rendering.photographed.image_bank import Bank
from spot_ext.rendering.photographed.moving_objects import Actor, Look, apply

_CELL = 8  # pixels between the points at which bending is computed exactly
_PAD = 2  # transparent pixels around a sprite, so that its edge is smooth when it is warped


class Sprite:
    """The pages of an actor's look at the largest size the video needs, and halved versions of
    them.
    """

    def __init__(self, bank: Bank, actor: Actor):
        self._bank, self._actor = bank, actor
        linear = (
            actor.matrices[:, :2, :2] - actor.matrices[:, :2, 2:] * actor.matrices[:, 2:, :2]
        )  # at the middle
        scale = np.sqrt(np.abs(np.linalg.det(linear)))  # pixels per unit, by frame
        self._scales = scale
        self._largest = float(min(scale.max() * 1.1, 420))
        self._levels: dict[tuple[int, int], np.ndarray] = {}

    def layer(
        self, t: int, size: tuple[int, int], smear: np.ndarray | None = None
    ) -> tuple[slice, slice, np.ndarray] | None:
        """Rows, columns and premultiplied RGBA (h, w, 4) uint8 of what frame t of `size` sees; None
        when nothing.

        `smear` (2,) is the way the actor goes while light is gathered.
        """
        actor = self._actor
        reach = 0.0 if smear is None else float(np.abs(smear).max()) / 2 + 1
        window = self._window(t, size, reach)
        if window is None:
            return None
        left, top, right, bottom = window
        image, to_pixel = self._level(int(actor.pages[t]), float(self._scales[t]))
        matrix = actor.matrices[t]
        offset = np.array([[1, 0, left + 0.5], [0, 1, top + 0.5], [0, 0, 1]])
        width, height = right - left, bottom - top
        if len(actor.waves.push):
            maps = self._bent(t, np.linalg.inv(matrix) @ offset, to_pixel, width, height)
            made = cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        else:
            back = to_pixel @ np.linalg.inv(matrix) @ offset
            made = cv2.warpPerspective(
                image,
                back,
                (width, height),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
            )
        if smear is not None and np.hypot(*smear) >= 1.5:
            made = cv2.filter2D(made, -1, line_kernel(*smear), borderType=cv2.BORDER_CONSTANT)
        if actor.light is not None:
            gain = float(actor.light[t])
            made = cv2.transform(made, np.diag([gain, gain, gain, 1.0]))
            made[..., :3] = np.minimum(made[..., :3], made[..., 3:]) if gain > 1 else made[..., :3]
        return slice(top, bottom), slice(left, right), made

    def shadow(self, t: int, size: tuple[int, int]) -> tuple[slice, slice, np.ndarray] | None:
        """Rows, columns and factors (h, w, 3) uint8 of the light that is left under the actor."""
        actor = self._actor
        height = float(actor.body.extent[1])
        flat = np.array(
            [[1, -0.5, 0.25 * height], [0, 0.22, 0.5 * height * 0.74], [0, 0, 1]]
        )  # laid on the ground
        corners = apply((actor.matrices[t] @ flat)[None], _corners(actor.body.extent)[None])[0]
        low = np.clip(np.floor(corners.min(0)) - 3, 0, size).astype(int)
        high = np.clip(np.ceil(corners.max(0)) + 3, 0, size).astype(int)
        if (high - low < 2).any():
            return None
        image, to_pixel = self._level(int(actor.pages[t]), float(self._scales[t]) / 2)
        offset = np.array([[1, 0, low[0] + 0.5], [0, 1, low[1] + 0.5], [0, 0, 1]])
        back = to_pixel @ np.linalg.inv(actor.matrices[t] @ flat) @ offset
        dark = cv2.warpPerspective(
            cv2.extractChannel(image, 3),
            back,
            tuple(int(v) for v in high - low),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )
        dark = cv2.blur(dark, (5, 5))
        left = cv2.convertScaleAbs(dark, alpha=-actor.shadow, beta=255)
        return slice(low[1], high[1]), slice(low[0], high[0]), cv2.merge([left] * 3)

    def _window(
        self, t: int, size: tuple[int, int], reach: float
    ) -> tuple[int, int, int, int] | None:
        actor = self._actor
        corners = _corners(actor.body.extent * 1.02)
        if len(actor.waves.push):
            corners = corners * (1 + 2.2 * np.abs(actor.waves.push).sum(0) / actor.body.extent)
        corners = apply(actor.matrices[t][None], corners[None])[0]
        low = np.maximum(np.floor(corners.min(0) - reach - 1), 0).astype(int)
        high = np.minimum(np.ceil(corners.max(0) + reach + 1), size).astype(int)
        return (
            None
            if (high - low < 1).any()
            else (int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        )

    def _bent(
        self, t: int, to_unit: np.ndarray, to_pixel: np.ndarray, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Maps for `remap`: for each pixel the point of the sprite that bending brings there."""
        columns, rows = (
            width // _CELL + 3,
            height // _CELL + 3,
        )  # one cell more on each side: `resize` repeats its border
        x, y = ((np.arange(count) - 0.5) * _CELL - 0.5 for count in (columns, rows))
        grid = np.stack(np.meshgrid(x, y), -1).reshape(1, -1, 2)
        goal = apply(to_unit[None], grid)[0]
        point, waves = goal, self._actor.waves
        for _ in range(5):  # the shift is a contraction (see Waves.draw): a few rounds invert it
            point = goal - waves.shift(point, np.full(len(point), t))
        found = apply(to_pixel[None], point[None])[0].reshape(rows, columns, 2).astype(np.float32)
        full = cv2.resize(found, (columns * _CELL, rows * _CELL), interpolation=cv2.INTER_LINEAR)
        full = full[_CELL : _CELL + height, _CELL : _CELL + width]
        return full[..., 0], full[..., 1]

    def _level(self, page: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """The image not much finer than `scale` pixels per unit, and the matrix from unit
        coordinates to its pixels.
        """
        halvings = int(np.clip(np.floor(np.log2(self._largest / max(scale, 1)) + 0.25), 0, 5))
        image = self._levels.get((page, halvings))
        if image is None:
            if halvings == 0:
                image = paint(
                    self._bank, self._actor.look, page, self._actor.body.extent * self._largest
                )
            else:
                image = cv2.resize(
                    self._level(page, self._largest)[0],
                    None,
                    fx=0.5**halvings,
                    fy=0.5**halvings,
                    interpolation=cv2.INTER_AREA,
                )
            self._levels[page, halvings] = image
        finest = self._levels[page, 0]
        inner = (
            (np.array(finest.shape[1::-1]) - 2 * _PAD)
            * np.array(image.shape[1::-1])
            / finest.shape[1::-1]
        )
        sx, sy = inner / self._actor.body.extent
        middle = np.array(image.shape[1::-1]) / 2 - 0.5
        return image, np.array([[sx, 0, middle[0]], [0, sy, middle[1]], [0, 0, 1]])


def _corners(extent: np.ndarray) -> np.ndarray:
    return np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * extent


def paint(bank: Bank, look: Look, page: int, size: np.ndarray) -> np.ndarray:
    """A page of a look, premultiplied RGBA uint8 of about `size` (2,) pixels and `_PAD` transparent
    ones around.
    """
    width, height = (max(round(float(side)), 6) for side in size)
    if look.cutout >= 0:
        source = bank.cutout_page(int(bank.first_page[look.cutout]) + (0 if look.turn else page))
        shrinks = source.shape[1] > width
        image = cv2.resize(
            source, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        colour, cover = image[..., :3], image[..., 3]
    else:
        colour, cover = None, _blob(look, width, height)
    if look.texture >= 0:
        surface = _surface(
            bank.photo(look.texture), look.texture_box, page * look.turn, width, height
        )
        if colour is not None and look.blend < 1:
            light = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(np.float32)
            light = light / max(
                float(light[cover > 127].mean()) if (cover > 127).any() else 1.0, 1.0
            )
            surface = surface * (look.blend + (1 - look.blend) * light)[..., None]
        colour = np.clip(surface, 0, 255).astype(np.uint8)
    assert colour is not None
    colour = _tinted(colour, look)
    if look.roundness > 0.03:
        colour = cv2.multiply(colour, _rounded(width, height, look.roundness), scale=1 / 255)
    if look.softness > 0.3:
        cover = cv2.GaussianBlur(cover, (0, 0), look.softness)
    image = cv2.merge(
        [*cv2.split(cv2.multiply(colour, cv2.merge([cover] * 3), scale=1 / 255)), cover]
    )
    return cv2.copyMakeBorder(image, _PAD, _PAD, _PAD, _PAD, cv2.BORDER_CONSTANT)


def _tinted(colour: np.ndarray, look: Look) -> np.ndarray:
    """Turn the hue, scale saturation, gain and contrast."""
    hsv = cv2.cvtColor(colour, cv2.COLOR_RGB2HSV)
    levels = np.arange(256)
    value = np.clip(((levels - 110) * look.contrast + 110) * look.gain, 0, 255)
    tables = np.stack(
        [(levels + look.hue * 180) % 180, np.clip(levels * look.vivid, 0, 255), value], -1
    )
    return cv2.cvtColor(cv2.LUT(hsv, tables[None].astype(np.uint8)), cv2.COLOR_HSV2RGB)


def _surface(
    photo: np.ndarray, box: tuple[float, float, float, float], turn: float, width: int, height: int
) -> np.ndarray:
    """The part of the photograph in `box`, moved along by `turn` of its widths; at the photograph's
    side it goes back.
    """
    rows, columns = photo.shape[:2]
    along = (box[0] + turn * box[2]) % (2 * (1 - box[2]))
    x, y = int(min(along, 2 * (1 - box[2]) - along) * columns), int(box[1] * rows)
    w, h = max(int(box[2] * columns), 8), max(int(box[3] * rows), 8)
    return cv2.resize(
        photo[y : y + h, x : x + w],
        (width, height),
        interpolation=cv2.INTER_AREA if w > width else cv2.INTER_LINEAR,
    )


def _blob(look: Look, width: int, height: int) -> np.ndarray:
    """Coverage of a blob that fills the rectangle."""
    radii = np.array(look.radii)
    angle = np.arange(len(radii)) * 2 * np.pi / len(radii)
    points = np.stack([radii * np.cos(angle), radii * np.sin(angle)], 1)
    points = (points - points.min(0)) / np.ptp(points, axis=0) * [width, height] - 0.5
    cover = np.zeros((height, width), np.uint8)
    return cv2.fillPoly(cover, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)


def _rounded(width: int, height: int, strength: float) -> np.ndarray:
    """Light from above left on a body that bulges (h, w, 3) uint8."""
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    light = 1 - strength * np.clip(0.35 * (x**2 + y**2) + 0.25 * (0.5 * x + y), 0, 0.8)
    return cv2.merge([(np.clip(light, 0, 1) * 255).astype(np.uint8)] * 3)
