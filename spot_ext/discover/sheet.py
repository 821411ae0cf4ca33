"""A picture of the best and the worst targets found: three frames of each path with its box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ltr.io.files import atomic_write
from spot_ext.discover.quality import Target

TILE = (208, 148)  # px: width, height of one frame
CAPTION, GAP = 18, 6  # px
FRAMES = 3  # of each target: its first, middle and last
WHITE, BLACK, GREY, BOX = (255, 255, 255), (0, 0, 0), (110, 110, 110), (255, 80, 0)

Item = tuple[str, int, Target]  # video name, sequence id, target


def contact_sheet(
    ranked: Sequence[Item], read: Callable[[int, int], np.ndarray], rows: int = 8
) -> np.ndarray:
    """Picture (H, W, 3) uint8 RGB: `rows` best of `ranked` on the left, as many worst on the right,
    worst first.

    `ranked` has the best first; `read(seq_id, frame_id)` gives a frame. Where there are fewer than
    twice `rows`, none is shown twice.
    """
    best = ranked[: min(rows, (len(ranked) + 1) // 2)]
    worst = list(ranked[len(best) :])[-rows:][::-1]
    width, height = FRAMES * (TILE[0] + GAP), CAPTION + TILE[1] + GAP
    sheet = np.full(
        (CAPTION + 4 + max(len(best), 1) * height, 2 * width + 2 * GAP, 3), 255, np.uint8
    )
    for column, (title, items) in enumerate((("best", best), ("worst", worst))):
        left = GAP + column * (width + GAP)
        _write(sheet, f"{title} of {len(ranked)} targets", left, CAPTION - 4, BLACK)
        for row, item in enumerate(items):
            _strip(sheet, item, read, left, CAPTION + 4 + row * height)
    return sheet


def write_sheet(sheet: np.ndarray, path: Path) -> None:
    """Write the picture as PNG, in one step."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(
            cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
        )


def _strip(
    sheet: np.ndarray, item: Item, read: Callable[[int, int], np.ndarray], left: int, top: int
) -> None:
    name, seq_id, target = item
    count = len(target.frame_ids)
    _write(
        sheet,
        f"{name[-34:]}  quality {target.quality:.2f}  {count} boxes, frames {target.frame_ids[0]}-"
        f"{target.frame_ids[-1]}",
        left,
        top + CAPTION - 5,
        GREY,
    )
    for place, index in enumerate(sorted({0, count // 2, count - 1})):
        tile = _tile(read(seq_id, int(target.frame_ids[index])), target.boxes_xywh[index])
        x, y = left + place * (TILE[0] + GAP), top + CAPTION
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile


def _tile(frame: np.ndarray, box_xywh: np.ndarray) -> np.ndarray:
    scale = min(TILE[0] / frame.shape[1], TILE[1] / frame.shape[0])
    size = max(1, int(frame.shape[1] * scale)), max(1, int(frame.shape[0] * scale))
    tile = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    x, y, w, h = box_xywh * scale
    low, high = (round(x), round(y)), (round(x + w), round(y + h))
    cv2.rectangle(tile, low, high, WHITE, 3)
    cv2.rectangle(tile, low, high, BOX, 1)
    return tile


def _write(sheet: np.ndarray, text: str, x: int, y: int, colour: tuple[int, int, int]) -> None:
    cv2.putText(
        sheet,
        text.encode("ascii", "replace").decode(),
        (x, y),
        cv2.FONT_HERSHEY_SIMPLEX,
        0.42,
        colour,
        1,
        cv2.LINE_AA,
    )
