"""Pictures of single objects with transparency: those that packages ship, those cut from
photographs, and drawn ones.

Photographs are cut with GrabCut, started from a rectangle around the object that a person read off
the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ltr.data.seeding import generator
from spot_ext.rendering.drawn.paint import Pose, paint
from spot_ext.rendering.drawn.things import thing, wardrobe

LARGEST_SIDE = 320  # pixels; a target is seldom drawn larger
SMALLEST_SIDE = 40
PAGES = 8  # steps of a gait
# file name: rectangles (left, top, right, bottom) around objects, in shares of the picture
OBJECTS = {
    "astronaut.png": ((0.05, 0.0, 0.80, 1.0), (0.28, 0.0, 0.58, 0.42)),
    "camera.png": ((0.20, 0.10, 0.80, 1.0),),
    "chelsea.png": ((0.05, 0.0, 0.98, 1.0),),
    "coffee.png": ((0.18, 0.05, 0.82, 0.95),),
    "china.jpg": ((0.03, 0.10, 0.66, 0.93),),
    "flower.jpg": ((0.25, 0.15, 0.80, 0.90),),
    "grace_hopper.jpg": ((0.03, 0.03, 0.98, 1.0), (0.25, 0.03, 0.78, 0.55)),
    "LadyBird.jpg": ((0.60, 0.36, 0.76, 0.55),),
    "lighthouse.jpg": ((0.05, 0.05, 0.95, 1.0),),
    "jellyfish.jpg": ((0.50, 0.55, 0.80, 1.0),),
    "mossy_log.jpg": ((0.15, 0.05, 0.95, 0.90),),
    "Garden.jpg": ((0.35, 0.20, 0.95, 0.98),),
    "YellowFlower.jpg": ((0.12, 0.02, 0.95, 0.95),),
    "Aqua.jpg": ((0.50, 0.25, 0.85, 0.75),),
}
_LINE_ART = 260  # a drawing has fewer colours than this (of 32,768) where it is opaque


@dataclass(frozen=True)
class Cutout:
    """An object without its surroundings; `pages` are the steps of its gait, one for a stiff
    thing.
    """

    name: str
    source: str
    pages: tuple[
        np.ndarray, ...
    ]  # (h, w, 4) uint8 RGB and coverage, all of one size, trimmed to what is seen
    standing: bool = False  # it has an upright direction


def shipped(path: Path, source: str) -> Cutout | None:
    """The cut-out in a file that has transparency; None for what is too small, or a drawing rather
    than a photograph.
    """
    with Image.open(path) as opened:
        if not opened.has_transparency_data:
            return None
        image = np.asarray(opened.convert("RGBA"))
    opaque = image[image[..., 3] > 250][:, :3] // 8
    if len(opaque) < SMALLEST_SIDE**2 or len(np.unique(opaque @ np.array([1, 32, 1024]))) < min(
        _LINE_ART, len(opaque) // 12
    ):
        return None
    trimmed = trim((image,))
    upright = any(
        word in path.parts
        for word in ("animals", "people", "vehicles", "trees", "town", "military")
    )
    return None if trimmed is None else Cutout(path.stem, source, trimmed, upright)


def from_photo(name: str, photo: np.ndarray, source: str) -> list[Cutout]:
    """The objects of `OBJECTS` in a photograph (H, W, 3) RGB, and each coin of the coins."""
    if name == "coins.png":
        return _coins(photo, source)
    cuts = []
    for number, (left, top, right, bottom) in enumerate(OBJECTS.get(name, ())):
        small = (
            photo
            if max(photo.shape) <= 640
            else cv2.resize(
                photo,
                None,
                fx=640 / max(photo.shape[:2]),
                fy=640 / max(photo.shape[:2]),
                interpolation=cv2.INTER_AREA,
            )
        )
        height, width = small.shape[:2]
        mask = np.full((height, width), cv2.GC_BGD, np.uint8)
        mask[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = (
            cv2.GC_PR_FGD
        )
        cv2.setRNGSeed(0)
        # The rectangle is not used where the mask is given.
        no_rectangle = (0, 0, 0, 0)
        models = np.zeros((2, 1, 65))
        cv2.grabCut(small, mask, no_rectangle, models[0], models[1], 5, cv2.GC_INIT_WITH_MASK)
        seen = _largest_piece(np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8))
        trimmed = trim((np.dstack([small, cv2.GaussianBlur(seen * 255, (0, 0), 1.0)]),))
        if trimmed is not None:
            cuts.append(Cutout(f"{Path(name).stem}_{number}", source, trimmed, True))
    return cuts


def drawn(number: int) -> Cutout:
    """A thing of `spot_ext.rendering.drawn` as a book of the steps of its gait."""
    draw = generator(0, "drawn cut-out", number)
    family = (
        "walker",
        "walker",
        "beast",
        "bird",
        "car",
        "walker",
        "fish",
        "jelly",
        "walker",
        "crate",
        "ball",
    )[number % 11]
    made = thing(draw, family, wardrobe(draw, vivid=draw.uniform(0.03, 0.5)), 1)
    yaw, side = draw.uniform(-0.5, 0.5), 300
    pages = []
    for page in range(PAGES if made.parts and family not in ("crate", "ball", "car") else 1):
        pose = Pose(side / 2, side / 2, side * 0.8, yaw=yaw, gait=2 * np.pi * page / PAGES)
        layer = paint(made, pose, (-0.5, -0.7))
        canvas = np.zeros((side, side, 4), np.float32)
        if meet := layer.overlap(canvas):
            canvas[..., :3][meet[0]] = (
                layer.colour[meet[1]] / np.maximum(layer.alpha[meet[1]], 1e-3)[..., None]
            )
            canvas[..., 3][meet[0]] = layer.alpha[meet[1]] * 255
        pages.append(np.clip(canvas, 0, 255).astype(np.uint8))
    trimmed = trim(tuple(pages))
    if trimmed is None:
        raise RuntimeError(f"the drawn cut-out {family}_{number} is too small to be used")
    return Cutout(
        f"{family}_{number}",
        "drawn",
        trimmed,
        family not in ("jelly", "ball", "crate", "fish"),
    )


def trim(pages: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...] | None:
    """Cut the common empty margin off and shrink to `LARGEST_SIDE`; None when too little is
    left.
    """
    seen = np.maximum.reduce([page[..., 3] for page in pages]) > 127
    x, y, width, height = cv2.boundingRect(seen.astype(np.uint8))
    if min(width, height) < SMALLEST_SIDE // 2 or max(width, height) < SMALLEST_SIDE:
        return None
    scale = min(1.0, LARGEST_SIDE / max(width, height))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return tuple(_shrunk(page[y : y + height, x : x + width], size) for page in pages)


def _shrunk(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize with the coverage as weight, so that the colour of what is transparent does not bleed
    in.
    """
    full_weight = image[..., 3:].astype(np.float32) / 255
    colour = cv2.resize(image[..., :3] * full_weight, size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(full_weight, size, interpolation=cv2.INTER_AREA)[..., None]
    return (
        np.dstack([colour / np.maximum(weight, 1e-3), weight * 255]).clip(0, 255).astype(np.uint8)
    )


def _coins(photo: np.ndarray, source: str) -> list[Cutout]:
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    bright = cv2.adaptiveThreshold(
        grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 101, -8
    )
    bright = cv2.morphologyEx(bright, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cuts: list[Cutout] = []
    for outline in outlines:
        mask = cv2.drawContours(
            np.zeros(bright.shape, np.uint8), [cv2.convexHull(outline)], -1, 255, -1
        )
        _, _, width, height = cv2.boundingRect(mask)
        if cv2.contourArea(outline) > 700 and 0.7 < width / height < 1.4:
            trimmed = trim((np.dstack([photo, mask]),))
            if trimmed is not None:
                cuts.append(Cutout(f"coin_{len(cuts)}", source, trimmed))
    return cuts[:8]


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, sizes, _ = cv2.connectedComponentsWithStats(mask)
    return (
        mask
        if count < 2
        else (labels == 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    )
