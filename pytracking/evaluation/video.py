"""Writes an annotated video."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.capture import quiet_opencv_decoder
from ltr.io.files import atomic_write, require_place

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG"}


class VideoWriter:
    """Writes RGB frames to a video file, which appears under its name when it is complete.

    The size is that of the first frame; others are scaled to it.
    """

    def __init__(
        self, path: str | os.PathLike, fps: float, not_over: str | os.PathLike | int | None = None
    ):
        """`not_over` is the video being read, which must not be the one written."""
        self.path = Path(path).expanduser()
        if (
            isinstance(not_over, (str, os.PathLike))
            and self.path.resolve() == Path(not_over).expanduser().resolve()
        ):
            raise BadValue(
                f"{path} is the video to be tracked; give the annotated one another name"
            )
        if self.path.suffix.lower() not in CODECS:
            raise BadValue(f"{path}: a video is written as {', '.join(CODECS)}; change the ending")
        self.fps = fps
        require_place(self.path)
        self._file = contextlib.ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3) RGB uint8."""
        if self._writer is None:
            self._writer = self._open(frame.shape[1], frame.shape[0])
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        self._size = (width, height)
        temporary = self._file.enter_context(atomic_write(self.path, suffix=self.path.suffix))
        quiet_opencv_decoder()
        codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(temporary), codec, self.fps, self._size)
        if not writer.isOpened():
            raise BadInput(
                f"{self.path}: OpenCV cannot write a video of {width}x{height} there; check that "
                "the folder can be written to, or use the ending .avi"
            )
        return writer

    def close(self) -> None:
        """Complete the file; without a frame there is none."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            self._file.close()
