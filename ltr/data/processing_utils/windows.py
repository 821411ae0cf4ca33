"""Cutting a window of whole pixels out of a frame, wherever it lies."""

from __future__ import annotations

import numpy as np
from torch import Tensor

Window = tuple[
    int, int, int, int
]  # x, y, width, height in frame pixels; may reach outside the frame


def cut_window(
    im: np.ndarray,
    window: Window,
    mask: np.ndarray | Tensor | None = None,
    exact_border: bool = False,
) -> tuple:
    """The window's part of `im` (H, W, C), border pixels repeated outside, and that of `mask` (H,
    W), zero outside.

    pytracking replaces the last row or column of a frame by its neighbour where a window reaches
    it; networks were trained with it, so every crop under pytracking's names does the same unless
    `exact_border` uses all pixels. Returns (crop, None) without a mask.
    """
    x, y, width, height = window
    unused = 0 if exact_border else 1
    rows, columns = (
        _reachable(y, height, im.shape[0] - unused),
        _reachable(x, width, im.shape[1] - unused),
    )
    crop = _take(im, rows, columns)
    if mask is None:
        return crop, None
    mask_crop = _take(np.asarray(mask), rows, columns)
    mask_crop[rows != np.arange(y, y + height)] = 0
    mask_crop[:, columns != np.arange(x, x + width)] = 0
    return crop, mask_crop


def as_floats(box) -> list[float]:
    """A box, in whatever kind of sequence, as numbers."""
    return [float(value) for value in (box.tolist() if hasattr(box, "tolist") else box)]


def size_of(output_sz) -> tuple[float, float]:
    """(width, height) of an output size given as one number or as a pair."""
    sizes = np.asarray(output_sz, dtype=np.float64).ravel().tolist()
    return sizes[0], sizes[-1]


def _reachable(start: int, length: int, limit: int) -> np.ndarray:
    return np.clip(np.arange(start, start + length), 0, max(limit - 1, 0))


def _take(image: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Copy of the given rows and columns; a block in one piece, which is much faster, where they
    run without repeats.
    """
    if rows[-1] - rows[0] + 1 == len(rows) and columns[-1] - columns[0] + 1 == len(columns):
        return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return image[rows][:, columns]
