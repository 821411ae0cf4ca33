"""Draw a thing at a pose: colour, exact coverage and the hull of its mask."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spot_ext.rendering.drawn.things import Part, Thing
from spot_ext.rendering.motion_blur import VISIBLE_MOTION, line_kernel

FINE = 4  # mask samples per pixel and direction: boxes are exact to a quarter of a pixel


@dataclass(frozen=True)
class Pose:
    """Say where a thing is in the frame and how it is turned."""

    x: float  # centre in pixels; pixel k covers k..k+1
    y: float
    size: float  # pixels that object units -1..1 span
    roll: float = 0.0  # radians in the image plane
    squeeze: float = 1.0  # foreshortening: width over full width
    yaw: float = 0.0  # radians that its skin has turned about the upright axis
    pitch: float = 0.0  # the same about the horizontal one
    gait: float = 0.0  # phase of its limbs, wheels and bending

    def matrix(self) -> np.ndarray:
        """Object units to frame pixels, (2, 3)."""
        c, s, r = np.cos(self.roll), np.sin(self.roll), self.size / 2
        return np.array(
            [[r * c * self.squeeze, -r * s, self.x], [r * s * self.squeeze, r * c, self.y]]
        )


@dataclass(frozen=True)
class Layer:
    """A drawn thing: a rectangle of the frame's plane that may reach over the frame's edges."""

    x: int
    y: int
    colour: np.ndarray  # (H, W, 3) float32 RGB in 0..255, already multiplied by the coverage
    alpha: np.ndarray  # (H, W) float32: share of each pixel that the thing covers
    fine: np.ndarray | None = None  # (FINE * H, FINE * W) uint8: the mask that alpha is the mean of

    def hull(self, width: float, height: float) -> np.ndarray | None:
        """Exact box [x, y, w, h] of the part of `fine` inside a frame of this size; None when none
        of it is inside.
        """
        if self.fine is None:
            raise ValueError("a blurred layer has no exact hull")
        left, top = max(-self.x, 0) * FINE, max(-self.y, 0) * FINE
        right, bottom = (width - self.x) * FINE, (height - self.y) * FINE
        if right <= left or bottom <= top:
            return None
        x, y, w, h = cv2.boundingRect(self.fine[top:bottom, left:right])
        if w == 0:
            return None
        return np.array([(x + left) / FINE + self.x, (y + top) / FINE + self.y, w / FINE, h / FINE])

    def overlap(self, canvas: np.ndarray) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
        """Return where canvas (H, W, ...) and layer meet, as indices of either; None when they do
        not.
        """
        h, w = self.alpha.shape
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + w, canvas.shape[1]), min(self.y + h, canvas.shape[0])
        if right <= left or bottom <= top:
            return None
        return np.s_[top:bottom, left:right], np.s_[
            top - self.y : bottom - self.y, left - self.x : right - self.x
        ]

    def blurred(self, dx: float, dy: float) -> Layer:
        """The layer smeared along a motion of (dx, dy) pixels around where it is now."""
        length = float(np.hypot(dx, dy))
        if length < VISIBLE_MOTION:
            return self
        kernel, pad = line_kernel(dx, dy), int(np.ceil(length / 2)) + 1
        planes = cv2.copyMakeBorder(
            np.dstack([self.colour, self.alpha]), pad, pad, pad, pad, cv2.BORDER_CONSTANT
        )
        planes = cv2.filter2D(planes, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        return Layer(self.x - pad, self.y - pad, planes[..., :3], planes[..., 3])


def outlines(thing: Thing, pose: Pose) -> list[np.ndarray]:
    """Outline of each part in frame pixels, (N, 2) float."""
    place = pose.matrix()
    drawn = []
    for part in thing.parts:
        turn = part.turn(pose.gait)
        points = part.contour_xy @ turn[:, :2].T + turn[:, 2]
        if thing.wobble:
            bend_x = np.sin(2.1 * points[:, 1] + pose.gait)
            bend_y = np.sin(1.7 * points[:, 0] + 1.3 * pose.gait)
            points = points + thing.wobble * np.stack([bend_x, 0.7 * bend_y], 1)
        drawn.append(points @ place[:, :2].T + place[:, 2])
    return drawn


def paint(thing: Thing, pose: Pose, sun: tuple[float, float] = (-0.4, -0.6)) -> Layer:
    """Draw `thing` at `pose`, lit from the direction `sun`."""
    contours = outlines(thing, pose)
    points = np.concatenate(contours)
    x, y = np.floor(points.min(0)).astype(int) - 1
    width, height = np.ceil(points.max(0)).astype(int) + 2 - (x, y)
    fine = np.zeros((height * FINE, width * FINE), np.uint8)
    colour = np.zeros((height, width, 3), np.float32)
    for part, contour in zip(thing.parts, contours, strict=True):
        local = np.round((contour - (x, y)) * FINE * 16 - 8).astype(
            np.int32
        )  # fillPoly counts from pixel centres
        cv2.fillPoly(fine, [local], 255, cv2.LINE_8, shift=4)
        _paint_part(colour, local, (x, y), part, pose, sun)
    alpha = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return Layer(int(x), int(y), colour, alpha, fine)


def _paint_part(
    colour: np.ndarray,
    local: np.ndarray,
    corner: tuple[int, int],
    part: Part,
    pose: Pose,
    sun: tuple[float, float],
) -> None:
    """Blend one part over `colour`; `local` is its outline in 1/16 of fine samples."""
    low, high = local.min(0) // (16 * FINE), (local.max(0) + 16) // (16 * FINE) + 1
    w, h = high - low
    mask = np.zeros((h * FINE, w * FINE), np.uint8)
    cv2.fillPoly(mask, [local - low * 16 * FINE], 255, cv2.LINE_8, shift=4)
    coverage = cv2.resize(mask, (w, h), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # Three equal channels multiply much faster than one that is broadcast.
    alpha = cv2.merge([coverage] * 3)
    region = colour[low[1] : low[1] + h, low[0] : low[0] + w]
    region *= 1 - alpha
    region += _surface(part, pose, (corner[0] + low[0], corner[1] + low[1]), (w, h), sun) * alpha


def _surface(
    part: Part, pose: Pose, corner: tuple[int, int], size: tuple[int, int], sun: tuple[float, float]
) -> np.ndarray:
    """Colours (h, w, 3) of a part on a rectangle of the frame: its skin looked up where each pixel
    lies on it.
    """
    place, turn = pose.matrix(), part.turn(pose.gait)
    forth = place[:, :2] @ turn
    forth[:, 2] += place[:, 2]
    back = cv2.invertAffineTransform(forth)  # frame pixels to the part's own units
    low, high = part.contour_xy.min(0), part.contour_xy.max(0)
    half = np.maximum((high - low) / 2, 1e-3)
    middle = (low + high) / 2
    image = part.skin.level(float(half.max()) * pose.size)
    scale = (
        image.shape[0] / 4 / half.max() * half
    )  # half the skin over the longer side, in proportion on the other
    unit = (back - np.array([[0, 0, middle[0]], [0, 0, middle[1]]])) / half[
        :, None
    ]  # to -1..1 over the part
    unit[:, 2] += unit[:, :2] @ (np.asarray(corner) + 0.5)
    shift = np.array([pose.yaw, pose.pitch]) / (2 * np.pi) * image.shape[0]
    if part.round == 0:
        matrix = unit * scale[:, None]
        matrix[:, 2] += shift + image.shape[0] / 2
        return cv2.warpAffine(
            image,
            matrix,
            tuple(int(s) for s in size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_WRAP,
        ).astype(np.float32)
    columns, rows = (
        np.arange(size[0], dtype=np.float32),
        np.arange(size[1], dtype=np.float32)[:, None],
    )
    unit = unit.astype(np.float32)
    u = np.clip(unit[0, 0] * columns + unit[0, 1] * rows + unit[0, 2], -1, 1)
    v = np.clip(unit[1, 0] * columns + unit[1, 1] * rows + unit[1, 2], -1, 1)
    u2, v2 = u * u, v * v
    wrap = np.float32(
        0.5 * part.round
    )  # u + u**3 / 2 is close to arcsin(u), the angle on a cylinder
    map_x = u * (1 + wrap * u2) * np.float32(scale[0]) + np.float32(shift[0] + image.shape[0] / 2)
    map_y = v * (1 + wrap * v2) * np.float32(scale[1]) + np.float32(shift[1] + image.shape[0] / 2)
    texture = cv2.remap(image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP).astype(
        np.float32
    )
    depth = np.sqrt(np.maximum(1 - np.float32(0.5) * (u2 + v2), 0))
    slope = np.float32(0.35 * sun[0]) * u + np.float32(0.35 * sun[1]) * v
    light = 1 + np.float32(part.round) * (np.float32(0.9) * depth - np.float32(0.75) + slope)
    return texture * cv2.merge([np.maximum(light, 0.15)] * 3)
