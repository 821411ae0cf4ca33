"""Smear pictures along a straight motion, as an open shutter does."""

from __future__ import annotations

import cv2
import numpy as np

# Pixels of motion during an exposure below which a smear cannot be seen.
VISIBLE_MOTION = 1.5
# cv2.line takes coordinates with this many fractional bits.
FRACTION_BITS = 4


def line_kernel(dx: float, dy: float) -> np.ndarray:
    """Return a kernel with sum 1 that averages along (dx, dy) pixels about the middle."""
    half = int(np.ceil(max(abs(dx), abs(dy)) / 2)) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    steps = 1 << FRACTION_BITS
    start = [round((half - component / 2) * steps) for component in (dx, dy)]
    end = [round((half + component / 2) * steps) for component in (dx, dy)]
    cv2.line(kernel, start, end, 1.0, 1, cv2.LINE_8, shift=FRACTION_BITS)
    # A drawn line may be off its middle by half a pixel, and a blur must not move things.
    kernel += kernel[::-1, ::-1]
    return kernel / kernel.sum()
