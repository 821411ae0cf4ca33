"""Groups of two template and three search crops of one target: six pairs for five crops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from spot_ext.rendering.pairs.pictures import Boxed, Cutout, PictureBank
from spot_ext.rendering.pairs.views import (
    SEARCH,
    TARGET,
    TEMPLATE,
    clipped,
    cut,
    relit,
    search_view,
    shifts,
    template_view,
)

TEMPLATES, SEARCHES = 2, 3
TRIES = 12  # search crops that are drawn before another target is taken
LEAST_PIXELS = 50  # that a pasted target covers
# Shares of groups: pasted cut-outs, photographs with a box; the rest are frames of videos.
PASTED_SHARE, PHOTOGRAPH_SHARE = 0.45, 0.2
SAME_KIND_SHARE = 0.55  # of distractors
SAME_SCENE_SHARE = 0.6  # of groups whose crops all lie in one background
BACKGROUND_SHARE = 0.6  # of scenes from pictures that show no thing; the others show some
OCCLUDED_SHARE = 0.25
FLIPPED_SHARE = 0.07  # of search crops that show the target from its other side
SEARCH_DISTRACTORS = (0, 1, 1, 2, 3, 5)


@dataclass(frozen=True)
class Group:
    """Crops of one target."""

    templates: np.ndarray  # uint8 (2, 113, 113, 3)
    searches: np.ndarray  # uint8 (3, 193, 193, 3)
    boxes_xywh: np.ndarray  # (3, 4), in pixels of the search crops


def draw_group(bank: PictureBank, rng: np.random.Generator) -> Group:
    """Return a group that shows enough of its target in every crop."""
    while True:
        kind = rng.random()
        flip = bool(rng.random() < 0.5)
        if kind < PASTED_SHARE and bank.cutouts:
            group = _Pasting(bank, rng).group()
        elif kind < PASTED_SHARE + PHOTOGRAPH_SHARE and bank.photographs:
            photograph = bank.photographs[rng.integers(len(bank.photographs))]
            group = group_of_frames([photograph], rng, flip)
        else:
            group = group_of_frames(bank.videos[rng.integers(len(bank.videos))], rng, flip)
        if group is not None:
            return Group(
                np.stack([relit(crop, rng) for crop in group.templates]),
                np.stack([relit(crop, rng) for crop in group.searches]),
                group.boxes_xywh,
            )


def group_of_frames(
    frames: list[Boxed], rng: np.random.Generator, flip: bool = False
) -> Group | None:
    """Return a group of different frames where there are five, else of repeated ones."""
    count = TEMPLATES + SEARCHES
    order = rng.choice(len(frames), count, replace=len(frames) < count)
    templates = [template_view(frames[index], rng, flip) for index in order[:TEMPLATES]]
    searches, boxes = [], []
    for index in order[TEMPLATES:]:
        for _ in range(TRIES):
            crop, whole = search_view(frames[index], rng, flip)
            box = clipped(whole)
            if box is not None:
                break
        else:
            return None
        searches.append(crop)
        boxes.append(box)
    return Group(np.stack(templates), np.stack(searches), np.stack(boxes))


class _Pasting:
    """One cut-out on backgrounds, with others beside it and in front of it."""

    def __init__(self, bank: PictureBank, rng: np.random.Generator):
        self.bank, self.rng = bank, rng
        self.cutout = bank.cutouts[rng.integers(len(bank.cutouts))]
        self.flip = bool(rng.random() < 0.5)
        self.angle = rng.normal(0, 0.15)
        self.stretch = math.exp(rng.normal(0, 0.1))
        self.scene = self._picture() if rng.random() < SAME_SCENE_SHARE else None

    def group(self) -> Group | None:
        templates = [self.template() for _ in range(TEMPLATES)]
        searches, boxes = [], []
        for _ in range(TRIES):
            drawn = self.search()
            if drawn is not None:
                searches.append(drawn[0])
                boxes.append(drawn[1])
            if len(searches) == SEARCHES:
                break
        whole = [crop for crop in templates if crop is not None]
        if len(whole) < TEMPLATES or len(searches) < SEARCHES:
            return None
        return Group(np.stack(whole), np.stack(searches), np.stack(boxes))

    def template(self) -> np.ndarray | None:
        canvas = self._background(TEMPLATE)
        middle = np.full(2, TEMPLATE / 2)
        if self.rng.random() < 0.3:
            self._distract(canvas, int(self.rng.integers(1, 3)), TARGET, middle)
        angle = self.angle + self.rng.normal(0, 0.08)
        alpha = paste(canvas, self.cutout, middle, TARGET, angle, self.stretch, self.flip)
        box = hull(alpha)
        return None if box is None else template_view(Boxed(canvas, box), self.rng)

    def search(self) -> tuple[np.ndarray, np.ndarray] | None:
        rng, canvas = self.rng, self._background(SEARCH)
        size = TARGET * math.exp(rng.normal(0, 0.25))
        center = SEARCH / 2 + shifts(rng) * (SEARCH / 2 - 0.4 * size)
        center = np.clip(center, 10, SEARCH - 10)
        self._distract(canvas, int(rng.choice(SEARCH_DISTRACTORS)), size, center)
        angle = self.angle + rng.normal(0, 0.2)
        stretch = self.stretch * math.exp(rng.normal(0, 0.15))
        flip = self.flip ^ bool(rng.random() < FLIPPED_SHARE)
        whole = hull(paste(canvas, self.cutout, center, size, angle, stretch, flip))
        box = None if whole is None else clipped(whole)
        if box is None:
            return None
        if rng.random() < OCCLUDED_SHARE:
            direction = rng.uniform(0, 2 * math.pi)
            away = np.array([math.cos(direction), math.sin(direction)])
            place = center + size * rng.uniform(0.5, 0.85) * away
            paste(canvas, self._another(), place, size * rng.uniform(0.4, 0.9))
        return canvas, box

    def _picture(self) -> np.ndarray:
        if self.rng.random() < BACKGROUND_SHARE and self.bank.backgrounds:
            return self.bank.backgrounds[self.rng.integers(len(self.bank.backgrounds))]
        return self.bank.photographs[self.rng.integers(len(self.bank.photographs))].pixels

    def _background(self, size: int) -> np.ndarray:
        picture = self._picture() if self.scene is None else self.scene
        height, width = picture.shape[:2]
        side = self.rng.uniform(0.35, 1.0) * min(height, width)
        center = self.rng.uniform(side / 2, (width - side / 2, height - side / 2))
        return cut(picture, center, side, size, bool(self.rng.random() < 0.5))[0]

    def _another(self) -> Cutout:
        if self.rng.random() < SAME_KIND_SHARE:
            cutouts = self.bank.cutouts_of(self.cutout.kind)
        else:
            cutouts = self.bank.cutouts
        return cutouts[self.rng.integers(len(cutouts))]

    def _distract(self, canvas: np.ndarray, count: int, size: float, avoid: np.ndarray) -> None:
        for _ in range(count):
            another = self._another()
            if another is self.cutout:
                continue
            for _ in range(6):
                place = self.rng.uniform(0, len(canvas), 2)
                if np.linalg.norm(place - avoid) > 0.9 * size:
                    break
            scaled = size * math.exp(self.rng.normal(0, 0.3))
            paste(canvas, another, place, scaled, self.rng.normal(0, 0.3))


def paste(
    canvas: np.ndarray,
    cutout: Cutout,
    center: np.ndarray,
    size: float,
    angle: float = 0.0,
    stretch: float = 1.0,
    flip: bool = False,
) -> np.ndarray:
    """Paste a cut-out onto `canvas`, in place; returns its alpha there, uint8 (H, W).

    `size` is the side in px of the square with the area of its box, `stretch` multiplies its width
    over its height, `angle` is in radians.
    """
    height, width = cutout.alpha.shape
    scale = size / math.sqrt(width * height)
    scale_x = scale * math.sqrt(stretch)
    scale_y = scale / math.sqrt(stretch)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    matrix = turn @ np.diag([-scale_x if flip else scale_x, scale_y])
    offset = center - matrix @ np.array([width / 2, height / 2])
    to_canvas = np.column_stack([matrix, offset])
    shape = canvas.shape[1::-1]
    alpha = cv2.warpAffine(cutout.alpha, to_canvas, shape)
    pixels = cv2.warpAffine(cutout.pixels, to_canvas, shape, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.GaussianBlur(alpha, (3, 3), 0).astype(np.float32)[..., None] / 255
    canvas[:] = (canvas * (1 - share) + pixels * share).astype(np.uint8)
    return alpha


def hull(alpha: np.ndarray) -> np.ndarray | None:
    """Return the box xywh of what a mask covers; None where that is nearly nothing."""
    rows, columns = np.nonzero(alpha > 127)
    if len(rows) < LEAST_PIXELS:
        return None
    low = np.array([columns.min(), rows.min()], dtype=float)
    return np.concatenate([low, [columns.max() + 1, rows.max() + 1] - low])
