"""Reads a folder of photographs with masks, photographs with boxes, backgrounds and videos.

Layout: `objects/SET/objects.csv` (name, value in the mask, class, borders touched, x, y, w, h) with
`NAME.jpg` and `NAME.png`; `boxes/SET/boxes.csv`; `backgrounds/*.jpg`; `videos` as GOT-10k.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadInput, MissingFile

SMALLEST_SIDE = 8.0  # px; smaller targets show too little to be learned
SMALLEST_CUTOUT = 24.0  # px, of the square with the box's area: pasted things are enlarged to 56
SMALLEST_VIDEO_SIDE = 4.0  # px; targets of videos are small, and are shown as they are
# px around a mask, so that its soft edge has pixels to fade into
MARGIN = 3


@dataclass(frozen=True)
class Cutout:
    """A thing that lies wholly in its photograph."""

    pixels: np.ndarray  # uint8 (h, w, 3), RGB
    alpha: np.ndarray  # uint8 (h, w), 255 on the thing
    kind: str


@dataclass(frozen=True)
class Boxed:
    """A frame or photograph, and the box of one thing in it."""

    pixels: np.ndarray  # uint8 (H, W, 3), RGB
    box_xywh: np.ndarray
    kind: str = ""


@dataclass
class PictureBank:
    """Everything that groups of crops are made from; see the module for the folder."""

    cutouts: list[Cutout] = field(default_factory=list)
    photographs: list[Boxed] = field(default_factory=list)
    backgrounds: list[np.ndarray] = field(default_factory=list)
    videos: list[list[Boxed]] = field(default_factory=list)

    def cutouts_of(self, kind: str) -> list[Cutout]:
        """Return the cut-outs of one kind."""
        return self._by_kind()[kind]

    def _by_kind(self) -> dict[str, list[Cutout]]:
        if not hasattr(self, "_kinds"):
            self._kinds: dict[str, list[Cutout]] = {}
            for cutout in self.cutouts:
                self._kinds.setdefault(cutout.kind, []).append(cutout)
        return self._kinds


def read_bank(folder: Path, boxes_per_video: int) -> PictureBank:
    """Read everything into memory; of each video only `boxes_per_video` frames, evenly spaced."""
    if not (folder / "videos" / "list.txt").is_file():
        raise MissingFile(
            f"there is no videos/list.txt in '{folder}'; name the folder with objects, boxes, "
            "backgrounds and videos"
        )
    bank = PictureBank()
    for table in sorted(folder.glob("objects/*/objects.csv")):
        _read_objects(table, bank)
    for table in sorted(folder.glob("boxes/*/boxes.csv")):
        bank.photographs += [boxed for boxed, _ in _rows(table)]
    bank.backgrounds = [read_rgb(path) for path in sorted(folder.glob("backgrounds/*.jpg"))]
    for name in (folder / "videos" / "list.txt").read_text(encoding="utf-8").split():
        frames = labelled_frames(folder / "videos" / name, boxes_per_video)
        if len(frames) > 1:
            bank.videos.append(frames)
    return bank


def read_rgb(path: Path) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3), RGB."""
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise BadInput(f"'{path}' is no picture that OpenCV reads; copy it again")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def labelled_frames(folder: Path, count: int) -> list[Boxed]:
    """Return at most `count` frames of a video with their boxes, evenly spaced over those where
    the target is seen.
    """
    boxes = np.genfromtxt(folder / "groundtruth.txt", delimiter=",").reshape(-1, 4)
    files = sorted(folder.glob("*.jpg"))
    large = np.nan_to_num(boxes[:, 2:]).min(1) >= SMALLEST_VIDEO_SIDE
    seen = np.flatnonzero(np.isfinite(boxes).all(1) & large)
    if not len(seen):
        return []
    chosen = np.unique(np.linspace(0, len(seen) - 1, count).round().astype(int))
    return [Boxed(read_rgb(files[index]), boxes[index]) for index in seen[chosen]]


def _rows(table: Path) -> Iterator[tuple[Boxed, dict[str, str]]]:
    pictures: dict[str, np.ndarray] = {}
    with table.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            name = row["name"]
            box = np.array([float(row[column]) for column in ("x", "y", "w", "h")])
            if box[2:].min() < SMALLEST_SIDE:
                continue
            if name not in pictures:
                pictures[name] = read_rgb(table.parent / f"{name}.jpg")
            yield Boxed(pictures[name], box, row["class"]), row


def _read_objects(table: Path, bank: PictureBank) -> None:
    for boxed, row in _rows(table):
        bank.photographs.append(boxed)
        large = np.sqrt(boxed.box_xywh[2:].prod()) >= SMALLEST_CUTOUT
        if int(row["borders"]) == 0 and large:
            mask_path = table.parent / f"{row['name']}.png"
            mask = cv2.imread(str(mask_path), cv2.IMREAD_UNCHANGED)
            if mask is not None and mask.shape[:2] == boxed.pixels.shape[:2]:
                bank.cutouts.append(_cut_out(boxed, mask == int(row["value"])))


def _cut_out(boxed: Boxed, mask: np.ndarray) -> Cutout:
    x, y, w, h = boxed.box_xywh
    rows = slice(max(int(y) - MARGIN, 0), int(y + h) + MARGIN + 1)
    columns = slice(max(int(x) - MARGIN, 0), int(x + w) + MARGIN + 1)
    alpha = mask[rows, columns].astype(np.uint8) * 255
    return Cutout(boxed.pixels[rows, columns].copy(), alpha, boxed.kind)
