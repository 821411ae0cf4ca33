"""Boxes over time as numbers of one scale, and averages of them along the frames."""

from __future__ import annotations

import numpy as np

# The filters end at this many standard deviations.
FILTER_REACH = 3
# Pixels; a smaller side counts as this, so that its logarithm stays finite.
LEAST_SIDE = 1e-3


def to_units(boxes_xywh: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return (T, 4): the centre in units of `unit` pixels, and the logarithm of the size."""
    centers = boxes_xywh[:, :2] + boxes_xywh[:, 2:] / 2
    log_sizes = np.log(np.maximum(boxes_xywh[:, 2:], LEAST_SIDE))
    return np.concatenate([centers / unit, log_sizes], axis=1)


def from_units(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Return boxes xywh (T, 4); the inverse of `to_units`."""
    sizes = np.exp(values[:, 2:])
    return np.concatenate([values[:, :2] * unit - sizes / 2, sizes], axis=1)


def without_jitter(
    values: np.ndarray, before: np.ndarray | None, after: np.ndarray | None, deviation: float
) -> np.ndarray:
    """Average the rows (T, C) with a Gaussian of `deviation` rows.

    Beyond its ends the motion is mirrored at the rows `before` and `after` (C,), or at the end
    itself where they are None, so that straight motion stays as it is.
    """
    reach = min(int(FILTER_REACH * deviation), len(values) - 1)
    if reach < 1:
        return values
    if before is None:
        head = 2 * values[0] - values[1 : reach + 1][::-1]
    else:
        head = np.concatenate([2 * before - values[:reach][::-1], before[None]])
    if after is None:
        tail = 2 * values[-1] - values[-reach - 1 : -1][::-1]
    else:
        tail = np.concatenate([after[None], 2 * after - values[-reach:][::-1]])
    padded = np.concatenate([head[-reach:], values, tail[:reach]])
    kernel = _gaussian(reach, deviation)
    return _filtered(padded, kernel / kernel.sum(), len(values))


def mean_around(values: np.ndarray, deviation: float, counted: np.ndarray) -> np.ndarray:
    """Return, for each row (T, C), the mean of the rows around it that are `counted` (T,).

    They are weighted by a Gaussian of `deviation` rows.
    """
    reach = min(int(FILTER_REACH * deviation), len(values) - 1)
    # A column of ones: filtered like the others, it gives the sum of weights.
    rows = np.column_stack([values, np.ones(len(values))]) * counted[:, None]
    padded = np.pad(rows, ((reach, reach), (0, 0)))
    sums = _filtered(padded, _gaussian(reach, deviation), len(values))
    return sums[:, :-1] / np.maximum(sums[:, -1:], 1e-12)


def _gaussian(reach: int, deviation: float) -> np.ndarray:
    return np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)


def _filtered(padded: np.ndarray, kernel: np.ndarray, count: int) -> np.ndarray:
    filtered = np.zeros((count, padded.shape[1]))
    for shift, weight in enumerate(kernel):
        filtered = filtered + weight * padded[shift : shift + count]
    return filtered
