"""The frames from which SPOT draws, in full."""

from __future__ import annotations

import numpy as np

from spot_ext.training.data.exploration import propagation_intervals


def candidate_frames(explored_ids: np.ndarray, length: int, inner: int, outer: int) -> np.ndarray:
    """The frames of `propagation_intervals` one by one, sorted."""
    first, last = propagation_intervals(explored_ids, length, inner, outer)
    frames = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    return np.concatenate(frames) if frames else np.empty(0, np.int64)
