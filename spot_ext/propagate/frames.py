"""Frames of one video in both directions, with a bounded number of them in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.frames.sources import FrameSource, open_source
from pytracking.evaluation.video import FrameStream, open_stream

# Megabytes of frames held while going backwards. More means fewer returns to the same key frame of
# a video file.
CHUNK_MB = 128


class Frames(Protocol):
    """The frames of a video, by number from 0."""

    def __len__(self) -> int: ...

    def read(self, frame_id: int) -> np.ndarray: ...


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
    # The first chunk is one frame: reading it shows how large a frame is.
    size = 1
    while first >= last:
        start = max(last, first - size + 1)
        chunk = [frames.read(frame_id) for frame_id in range(start, first + 1)]
        size = max(1, int(chunk_mb * 2**20 / max(chunk[0].nbytes, 1)))
        for frame_id in range(first, start - 1, -1):
            yield frame_id, chunk.pop()
        first = start - 1


def open_frames(place: str | Path) -> FrameSource:
    """Open the frames of a video file, a folder of images (or its `img`) or a tar archive.

    Video files are read by PyAV, which finds any frame exactly. Without the extra `video` OpenCV
    reads them, which has to count from the start whenever it goes back.
    """
    place = Path(place).expanduser()
    if not place.exists():
        raise MissingFile(f"there is no video file or folder {place}; correct the path")
    if place.is_dir():
        images = place / "img"
        return open_source(images if images.is_dir() else place)
    if place.suffix.lower() == ".tar" or _has_pyav():
        return open_source(place)
    return CountedFrames(place)


class CountedFrames(FrameSource):
    """A video file through OpenCV.

    Frames are counted from the start, so going back costs decoding all frames before.
    """

    def __init__(self, path: Path):
        self.path = path
        self._stream: FrameStream | None = None
        self._next_id = 0
        self._length = 0

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
        """Return a frame `(H, W, 3)`, uint8 RGB; BadInput where it cannot be decoded."""
        self._check(frame_id, self.path)
        if self._stream is None or self._next_id > frame_id:
            self.close()
            self._stream = open_stream(self.path)
        while True:
            frame = self._stream.read()
            self._next_id += 1
            if frame is None:
                raise BadInput(
                    f"{self.path}: frame {frame_id} cannot be decoded; convert the video to mp4 "
                    "with H.264"
                )
            if self._next_id > frame_id:
                return frame

    def close(self) -> None:
        """Close the file; reading opens it again."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        self._next_id = 0


def _has_pyav() -> bool:
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True
