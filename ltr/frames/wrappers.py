"""Wrappers around a frame source: one size of frames, and reading backwards in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ltr.admin.errors import BadValue
from ltr.frames.source import FrameSource

# Frames held while going backwards: more means fewer returns to a key frame of a video file.
CHUNK_MB = 128
BYTES_PER_MB = 2**20


class Frames(Protocol):
    """Frames by number, as `FrameSource` gives them."""

    def __len__(self) -> int: ...

    def read(self, frame_id: int) -> np.ndarray: ...


class OneSize(FrameSource):
    """The frames of a source; one of another size than the first that was read is refused.

    Boxes are in pixels of their frame. A box followed from a frame of one size into one of another
    would be a wrong box, and nothing in a file tells if the new frames are scaled or cut.
    """

    def __init__(self, source: FrameSource, name: str):
        self.source = source
        self.name = name
        self._first: tuple[int, tuple[int, int]] | None = None  # frame, (width, height)

    def __len__(self) -> int:
        return len(self.source)

    @property
    def fps(self) -> float:
        return self.source.fps

    def read(self, frame_id: int) -> np.ndarray:
        frame = self.source.read(frame_id)
        height, width = frame.shape[:2]
        if self._first is None:
            self._first = frame_id, (width, height)
        first_id, (first_width, first_height) = self._first
        if (width, height) != (first_width, first_height):
            raise BadValue(
                f"{self.name}: frame {frame_id} has {width}x{height} pixels, frame {first_id} has "
                f"{first_width}x{first_height}; bring all frames to one size, or make two videos"
            )
        return frame

    def check_complete(self) -> None:
        self.source.check_complete()

    def close(self) -> None:
        self.source.close()


def ascending(frames: Frames, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield frames `first` to `last`, inclusive, with their numbers."""
    for frame_id in range(first, last + 1):
        yield frame_id, frames.read(frame_id)


def descending(
    frames: Frames, first: int, last: int, chunk_mb: float = CHUNK_MB
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield frames from `first` down to `last`, inclusive, with their numbers.

    Video files only decode forwards, so frames are read in ascending chunks of at most `chunk_mb`
    and handed out from their ends.
    """
    # the first chunk is one frame: only then it is known how large a frame is
    chunk_length = 1
    while first >= last:
        start = max(last, first - chunk_length + 1)
        chunk = [frames.read(frame_id) for frame_id in range(start, first + 1)]
        frame_bytes = max(chunk[0].nbytes, 1)
        chunk_length = max(1, int(chunk_mb * BYTES_PER_MB / frame_bytes))
        for frame_id in range(first, start - 1, -1):
            yield frame_id, chunk.pop()
        first = start - 1
