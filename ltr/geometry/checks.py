"""Tells boxes from what is none; refuses what is none with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue

# Sides of a box in sides of its frame. The search region is some four times as large as the box:
# of twice the frame it has 64 times its pixels, 1.6 GB in 4K.
MOST_TIMES_FRAME = 2


def is_box(boxes_xywh: Any) -> np.ndarray:
    """Return (...,) bool: boxes (..., 4) are finite, with width and height above 0."""
    boxes = np.asarray(boxes_xywh, dtype=np.float64)
    return np.asarray(np.isfinite(boxes).all(-1) & (boxes[..., 2:] > 0).all(-1))


def is_beyond_sense(box_xywh: Sequence[float], frame_size: Sequence[int]) -> bool:
    """Say whether a box is so much larger than its frame (width, height) that no crop is cut of it.

    A target that the frame shows in part may be larger than the frame.
    """
    width, height = frame_size
    return box_xywh[2] > MOST_TIMES_FRAME * width or box_xywh[3] > MOST_TIMES_FRAME * height


def check_box(
    box_xywh: Any,
    where: str,
    frame_size: Sequence[int] | None = None,
    remedy: str = "correct it",
    error: type[BadValue] = BadValue,
) -> tuple[float, float, float, float]:
    """Return the four numbers of one box x, y, w, h; refuse anything else with a sentence.

    `where` begins the sentence: file and line, video and frame. `remedy` ends it. With `frame_size`
    (width, height) a box that lies wholly outside the frame, or is much larger, is refused too.
    """
    values = _four_numbers(box_xywh)
    if values is None:
        raise error(f"{where}: {str(box_xywh)[:60]} is not four numbers x,y,w,h; {remedy}")
    text = ", ".join(f"{value:g}" for value in values)
    if not is_box(values):
        raise error(
            f"{where}: {text} is no box x,y,w,h, its numbers must be finite and width and height "
            f"above 0; {remedy}"
        )
    x, y, w, h = values
    if frame_size is not None:
        width, height = frame_size
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise error(
                f"{where}: the box {text} lies outside its frame of {width}x{height} pixels; "
                f"{remedy}"
            )
        if is_beyond_sense(values, frame_size):
            raise error(
                f"{where}: the box {text} is much larger than its frame of {width}x{height} "
                f"pixels; {remedy}"
            )
    return x, y, w, h


def first_bad_row(boxes_xywh: np.ndarray) -> int | None:
    """Return the first row of (N, 4) that is no box; None where all are."""
    bad = np.flatnonzero(~is_box(boxes_xywh))
    return int(bad[0]) if len(bad) else None


def _four_numbers(value: Any) -> tuple[float, float, float, float] | None:
    """Return four floats; None for another count, for text, and for true and false."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)) or len(value) != 4:
        return None
    if any(isinstance(number, bool) for number in value):
        return None
    if not all(isinstance(number, (int, float, np.integer, np.floating)) for number in value):
        return None
    try:
        x, y, w, h = (float(number) for number in value)
    except OverflowError:
        return None
    return x, y, w, h
