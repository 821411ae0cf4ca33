"""Chooses few of many values over time, so that straight lines between them pass near all."""

from __future__ import annotations

import numpy as np


def kinks(times: np.ndarray, values: np.ndarray, fixed: np.ndarray, tolerance: float) -> np.ndarray:
    """(T,) bool: rows whose values, joined by straight lines, pass within `tolerance` of all rows.

    `times` (T,) ascending, `values` (T, C), `fixed` (T,) bool rows that are chosen anyway, the
    first and last among them. One pass ("swinging door"): from the last chosen row a line may have
    any slope that passes all rows since within the tolerance; when a row itself lies outside these
    slopes, the row before it is chosen. T steps, whatever the values.
    """
    chosen = fixed.copy()
    anchor, low, high = 0, np.full(values.shape[1], -np.inf), np.full(values.shape[1], np.inf)
    for row in range(1, len(times)):
        span, rise = times[row] - times[anchor], values[row] - values[anchor]
        slope = rise / span
        if ((slope < low) | (slope > high)).any():
            anchor = row - 1
            chosen[anchor] = True
            span, rise = times[row] - times[anchor], values[row] - values[anchor]
            low, high = (rise - tolerance) / span, (rise + tolerance) / span
        else:
            low, high = (
                np.maximum(low, (rise - tolerance) / span),
                np.minimum(high, (rise + tolerance) / span),
            )
        if fixed[row]:
            anchor, low, high = row, np.full_like(low, -np.inf), np.full_like(high, np.inf)
    return chosen
