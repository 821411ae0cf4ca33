"""Frames of one video in both directions, with a bounded number of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.frames.sources import FrameSource, open_source
from pytracking.evaluation.video import FrameStream, open_stream

# frames held while going backwards; more means fewer returns to the same key frame of a video file
CHUNK_MB = 128


class Frames(Protocol):
    """What a video must offer."""

    def __len__(self) -> int: ...

    def read(self, frame_id: int) -> np.ndarray: ...


def ascending(frames: Frames, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
    """Frames `first` to `last`, inclusive, with their numbers."""
    for frame_id in range(first, last + 1):
        yield frame_id, frames.read(frame_id)


def descending(
    frames: Frames, first: int, last: int, chunk_mb: float = CHUNK_MB
) -> Iterator[tuple[int, np.ndarray]]:
    """Frames from `first` down to `last`, inclusive.

    Video files only decode forwards, so frames are read in ascending chunks of at most `chunk_mb`
    and handed out from their ends.
    """
    size = 1  # of the first chunk: how large a frame is shows when it is read
    while first >= last:
        start = max(last, first - size + 1)
        chunk = [frames.read(frame_id) for frame_id in range(start, first + 1)]
        size = max(1, int(chunk_mb * 2**20 / max(chunk[0].nbytes, 1)))
        for frame_id in range(first, start - 1, -1):
            yield frame_id, chunk.pop()
        first = start - 1


def open_frames(place: str | Path) -> FrameSource:
    """The frames of a video file, folder of images (or its `img`) or tar archive.

    Video files are read by PyAV, which finds any frame exactly; without the extra `video`, by
    OpenCV, which has to count from the start whenever it goes back.
    """
    place = Path(place).expanduser()
    if not place.exists():
        raise MissingFile(f"there is no video file or folder {place}; correct the path")
    if place.is_dir() or place.suffix.lower() == ".tar" or _has_pyav():
        inner = place / "img"
        return open_source(inner if place.is_dir() and inner.is_dir() else place)
    return CountedFrames(place)


class CountedFrames(FrameSource):
    """A video file through OpenCV: frames are counted from the start, so going back costs decoding
    all before.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stream: FrameStream | None = None
        self._next, self._length = 0, 0

    def __len__(self) -> int:
        if not self._length:
            with open_stream(self.path) as stream:
                while stream.read() is not None:
                    self._length += 1
        if not self._length:
            raise BadValue(
                f"{self.path} has no frame that can be decoded; convert it to mp4 with H.264, or "
                "copy it again"
            )
        return self._length

    def read(self, frame_id: int) -> np.ndarray:
        self._check(frame_id, self.path)
        if self._stream is None or self._next > frame_id:
            self.close()
            self._stream = open_stream(self.path)
        while True:
            frame = self._stream.read()
            self._next += 1
            if frame is None:
                raise BadInput(
                    f"{self.path}: frame {frame_id} cannot be decoded; convert the video to mp4 "
                    "with H.264"
                )
            if self._next > frame_id:
                return frame

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._next = None, 0


def _has_pyav() -> bool:
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True
