"""The stretches of a video in which an object has no label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gap:
    """Frames `first` to `stop - 1`, between two labelled frames or at an end of the video."""

    before: int | None  # labelled frame before the gap; None: the video begins with the gap
    after: int | None  # labelled frame after it; None: the video ends with the gap
    first: int
    stop: int

    @property
    def count(self) -> int:
        """The number of frames."""
        return self.stop - self.first

    @property
    def rows(self) -> slice:
        """The gap's rows in arrays that hold a row for every frame of the video."""
        return slice(self.first, self.stop)

    def frame_ids(self, at_most: int | None = None) -> np.ndarray:
        """Return the frame ids in order; of a longer gap `at_most` evenly spaced ones."""
        step = 1
        if at_most is not None:
            step = max(1, -(-self.count // at_most))
        return np.arange(self.first + (step - 1) // 2, self.stop, step)


def gaps_between(key_ids: Iterable[int], frame_count: int) -> list[Gap]:
    """Return the gaps around the labelled frames `key_ids` (ascending), in order of time."""
    gaps = []
    before: int | None = None
    for after in [*key_ids, None]:
        first = 0 if before is None else before + 1
        stop = frame_count if after is None else after
        if first < stop:
            gaps.append(Gap(before, after, first, stop))
        before = after
    return gaps
