"""A video file through OpenCV, for installations without PyAV."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.capture import Capture
from ltr.frames.source import FrameSource


class CountedFrames(FrameSource):
    """A video file through OpenCV.

    Frames are counted from the start, so going back costs decoding all before.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._capture: Capture | None = None
        self._next = 0
        self._length = 0

    def __len__(self) -> int:
        if not self._length:
            self._length = self._count()
        return self._length

    @property
    def fps(self) -> float:
        capture = Capture(str(self.path))
        try:
            return capture.fps
        finally:
            capture.close()

    def read(self, frame_id: int) -> np.ndarray:
        self._check_frame_id(frame_id, self.path)
        if self._capture is None or self._next > frame_id:
            self.close()
            self._capture = Capture(str(self.path))
        while True:
            frame = self._capture.read()
            self._next += 1
            if frame is None:
                raise BadInput(
                    f"{self.path}: frame {frame_id} cannot be decoded; convert the video to mp4 "
                    "with H.264"
                )
            if self._next > frame_id:
                return frame

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
        self._capture = None
        self._next = 0

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_capture": None, "_next": 0}

    def _count(self) -> int:
        capture = Capture(str(self.path))
        length = 0
        try:
            while capture.read() is not None:
                length += 1
        finally:
            capture.close()
        if not length:
            raise BadValue(
                f"{self.path} has no frame that can be decoded; convert it to mp4 with H.264, or "
                "copy it again"
            )
        return length
