"""Drawing what an actor looks like, and its body, from the bank: cut-outs, cut-outs in other
surfaces, blobs of photographs.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from spot_ext.rendering.photographed.image_bank import Bank
from spot_ext.rendering.photographed.moving_objects import (
    BLOB_POINTS,
    Body,
    Look,
    blob_body,
    cutout_body,
)

KINDS = {
    "photo": 0.48,
    "dressed": 0.18,
    "drawn": 0.10,
    "blob": 0.24,
}  # how often each kind of target comes
SIDES = 24  # pages of a thing that turns and shows other sides of its surface


def draw_look(
    draw: np.random.Generator, bank: Bank, kinds: dict[str, float] = KINDS
) -> tuple[Look, Body]:
    """A new look and its body."""
    kind = str(draw.choice(list(kinds), p=list(kinds.values())))
    photos, drawn = np.flatnonzero(bank.is_photo_cutout), np.flatnonzero(~bank.is_photo_cutout)
    pool = drawn if (kind == "drawn" and len(drawn)) or not len(photos) else photos
    cutout = int(draw.choice(pool)) if kind != "blob" else -1
    vivid = float(np.clip(draw.normal(0.85, 0.3), 0, 1.5))
    look = Look(
        cutout=cutout,
        texture=_texture(draw, bank) if kind in ("dressed", "blob") else -1,
        texture_box=_texture_box(draw),
        blend=float(draw.uniform(0.3, 0.8)) if kind == "dressed" else 1.0,
        hue=float(draw.normal() * 0.03 if draw.random() < 0.75 else draw.random()),
        vivid=vivid,
        gain=float(np.exp(draw.normal() * 0.2)),
        contrast=float(np.exp(draw.normal() * 0.15)),
        roundness=float(
            draw.uniform(0, 0.8) if kind in ("blob", "dressed") else draw.uniform(0, 0.25)
        ),
        softness=float(draw.uniform(0.3, 1.0)),
    )
    if cutout >= 0:
        body = cutout_body(bank, cutout)
    else:
        radii = _radii(draw)
        look = dataclasses.replace(look, radii=tuple(radii.tolist()))
        body = blob_body(radii, float(np.exp(draw.normal() * 0.45)))
    if look.texture >= 0 and len(body.masks) == 1 and draw.random() < 0.6:
        look = dataclasses.replace(look, turn=float(draw.uniform(0.01, 0.08)))
        body = Body(
            body.extent,
            *(
                np.broadcast_to(part, (SIDES, *part.shape[1:]))
                for part in (body.outlines, body.inner, body.masks)
            ),
        )
    return look, body


def similar(draw: np.random.Generator, look: Look) -> Look:
    """Another instance: nearly the same colours, sometimes exactly the same."""
    spread = draw.choice([0.0, 0.3, 1.0])
    return dataclasses.replace(
        look,
        hue=look.hue + float(draw.normal() * 0.04 * spread),
        vivid=look.vivid * float(np.exp(draw.normal() * 0.25 * spread)),
        gain=look.gain * float(np.exp(draw.normal() * 0.2 * spread)),
    )


def _texture(draw: np.random.Generator, bank: Bank) -> int:
    photos = np.flatnonzero(bank.is_photo)
    return int(
        draw.choice(
            photos if len(photos) and draw.random() < 0.8 else np.arange(len(bank.photo_names))
        )
    )


def _texture_box(draw: np.random.Generator) -> tuple[float, float, float, float]:
    side = float(draw.uniform(0.1, 0.5))
    return float(draw.uniform(0, 1 - side)), float(draw.uniform(0, 1 - side)), side, side


def _radii(draw: np.random.Generator) -> np.ndarray:
    """An ellipse, a rounded box, or an irregular outline."""
    angle = np.arange(BLOB_POINTS) * 2 * np.pi / BLOB_POINTS
    kind = draw.choice(["ellipse", "box", "irregular"], p=[0.2, 0.25, 0.55])
    if kind == "ellipse":
        return np.ones(BLOB_POINTS)
    if kind == "box":
        power = draw.uniform(4, 30)
        return (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1 / power)
    orders = np.arange(2, 8)
    waves = draw.normal(0, 1, (2, len(orders))) * 0.28 / orders ** draw.uniform(0.6, 1.4)
    return np.clip(
        1 + np.cos(angle[:, None] * orders) @ waves[0] + np.sin(angle[:, None] * orders) @ waves[1],
        0.25,
        2.2,
    )
