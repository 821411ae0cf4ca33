"""Backgrounds: which photographs a canvas is made of and what stands on it. Pixels are made by
`canvas`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from spot_ext.rendering.photographed import appearance
from spot_ext.rendering.photographed.image_bank import Bank
from spot_ext.rendering.photographed.moving_objects import Actor, Body, Look, Waves, matrices

MARGIN = 1.5  # the canvas is so many times the frame; beyond it, it is mirrored


@dataclass(frozen=True)
class Setting:
    """Describe how a canvas is made."""

    size: tuple[int, int]  # width, height of the canvas
    photo: int
    window: tuple[
        float, float, float
    ]  # scale (1: as large as fits) and place of what is taken from the photograph, 0..1
    mirrored: bool
    ground: int  # photograph that covers the lower part, -1: none
    horizon: float  # share of the height
    hue: float
    vivid: float
    gain: float
    contrast: float
    defocus: float  # pixels of blur: a background out of focus
    clutter: tuple[Actor, ...]  # what stands there, in canvas pixels


def draw_setting(
    draw: np.random.Generator, bank: Bank, size: tuple[int, int], target: Actor
) -> Setting:
    """A background for frames of `size`; in some videos its things look like the target."""
    width, height = round(size[0] * MARGIN), round(size[1] * MARGIN)
    photos, drawn = np.flatnonzero(bank.is_photo), np.flatnonzero(~bank.is_photo)
    pool = drawn if len(drawn) and (not len(photos) or draw.random() < 0.2) else photos
    ground = int(draw.choice(photos)) if len(photos) and draw.random() < 0.22 else -1
    horizon = float(draw.uniform(0.25, 0.65))
    return Setting(
        (width, height),
        int(draw.choice(pool)),
        (float(draw.uniform(0.35, 1.0)), float(draw.random()), float(draw.random())),
        bool(draw.random() < 0.5),
        ground,
        horizon,
        float(draw.normal() * 0.02),
        float(np.clip(draw.normal(0.85, 0.25), 0, 1.4)),
        float(np.exp(draw.normal() * 0.2)),
        float(np.exp(draw.normal(-0.1, 0.2))),
        float(draw.exponential(1.6) if draw.random() < 0.35 and target.shown else 0.0),
        _clutter(draw, bank, width, height, horizon if ground >= 0 else None, target),
    )


def _clutter(
    draw: np.random.Generator,
    bank: Bank,
    width: int,
    height: int,
    horizon: float | None,
    target: Actor,
) -> tuple[Actor, ...]:
    """Things that stand still; a crowd of one kind, or of all kinds."""
    count = int(min(draw.exponential(6), 24)) if draw.random() < 0.75 else 0
    one = (
        (target.look, target.body)
        if draw.random() < 0.2
        else appearance.draw_look(draw, bank)
        if draw.random() < 0.3
        else None
    )
    scale = np.exp(draw.uniform(np.log(0.05), np.log(0.22))) * np.sqrt(width * height)
    actors = []
    rows = np.sort(draw.uniform(horizon * 0.9 if horizon is not None else 0.02, 0.98, count))
    for row in rows:
        look, body = (
            one if one is not None and draw.random() < 0.8 else appearance.draw_look(draw, bank)
        )
        size = scale * np.exp(draw.normal() * 0.35) * (0.4 + (row if horizon is not None else 0.6))
        actors.append(
            _standing(
                draw,
                appearance.similar(draw, look),
                body,
                draw.uniform(0, width),
                row * height,
                size,
            )
        )
    return tuple(actors)


def _standing(
    draw: np.random.Generator, look: Look, body: Body, x: float, y: float, size: float
) -> Actor:
    pose = matrices(
        np.array([[x, y]]),
        np.array([size]),
        np.array([draw.normal() * 0.15]),
        np.array([draw.normal() * 0.1]),
        np.array([draw.choice([-1.0, 1.0])]),
        np.zeros((1, 2)),
    )
    return Actor(
        look,
        body,
        pose,
        draw.integers(0, len(body.masks), 1),
        Waves(),
        False,
        shadow=float(draw.uniform(0, 0.5)),
    )


def backdrop(setting: Setting, bank: Bank) -> np.ndarray:
    """The canvas without its clutter, uint8 RGB."""
    width, height = setting.size
    image = _cover(bank.photo(setting.photo), width, height, setting.window, setting.mirrored)
    if setting.ground >= 0:
        top = int(setting.horizon * height)
        _lay_ground(image, bank.photo(setting.ground), top)
    return image


def _cover(
    photo: np.ndarray, width: int, height: int, window: tuple[float, float, float], mirrored: bool
) -> np.ndarray:
    """The largest window of the canvas' shape, times its scale, resized to the canvas."""
    rows, columns = photo.shape[:2]
    fit = min(columns / width, rows / height)
    scale, along, down = window
    w, h = max(int(width * fit * scale), 16), max(int(height * fit * scale), 16)
    x, y = int(along * (columns - w)), int(down * (rows - h))
    piece = photo[y : y + h, x : x + w]
    image = cv2.resize(
        piece, (width, height), interpolation=cv2.INTER_AREA if w > width else cv2.INTER_LINEAR
    )
    return cv2.flip(image, 1) if mirrored else image


def _lay_ground(image: np.ndarray, photo: np.ndarray, top: int) -> None:
    """Cover everything below row `top` with a photograph seen as ground that recedes to the
    horizon.
    """
    height, width = image.shape[:2]
    rows, columns = photo.shape[:2]
    corners = np.array(
        [[columns * 0.0, 0], [columns, 0], [columns * 0.75, rows], [columns * 0.25, rows]],
        np.float32,
    )
    onto = np.array([[0, 0], [width, 0], [width, height - top], [0, height - top]], np.float32)
    ground = cv2.warpPerspective(
        photo,
        cv2.getPerspectiveTransform(corners, onto),
        (width, height - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )
    seam = min(24, height - top)
    fade = np.linspace(0, 1, seam)[:, None, None]
    ground[:seam] = (ground[:seam] * fade + image[top : top + seam] * (1 - fade)).astype(np.uint8)
    image[top:] = ground
