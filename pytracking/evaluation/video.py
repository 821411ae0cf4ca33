"""Writes an annotated video."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.capture import quiet_opencv_decoder
from ltr.frames.opening import open_video
from ltr.io.files import CannotWrite, DiskFull, atomic_write, require_place

# Bytes; with less free a film that is not whole met a full disk.
LEAST_ROOM = 1 << 16
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
        self._count = 0
        self._part = self.path

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3) RGB uint8."""
        self._count += 1
        if self._writer is None:
            self._writer = self._open(frame.shape[1], frame.shape[0])
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        self._size = (width, height)
        self._part = self._file.enter_context(atomic_write(self.path, suffix=self.path.suffix))
        quiet_opencv_decoder()
        codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(self._part), codec, self.fps, self._size)
        if not writer.isOpened():
            with self._file:
                raise BadInput(
                    f"{self.path}: OpenCV cannot write a video of {width}x{height} there; check "
                    "that the folder can be written to, or use the ending .avi"
                )
        return writer

    def close(self) -> None:
        """Complete the file; without a frame there is none.

        The file is read back first: OpenCV does not say when it could not write. CannotWrite, and
        no file, where frames are missing; DiskFull where there was no room for them.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        with self._file:
            problem = self._problem()
            if problem is None:
                return
            if shutil.disk_usage(self._part.parent).free < LEAST_ROOM:
                raise DiskFull(self.path, "start again")
            raise CannotWrite(
                f"{self.path} could not be written whole ({problem}); check its disk, or use the "
                "ending .avi"
            )

    def _problem(self) -> str | None:
        """Return what the written file lacks; None where it holds every frame."""
        try:
            film = open_video(self._part)
            count = len(film)
            last = film.read(count - 1) if count else None
        except (BadInput, OSError) as error:
            return str(error).replace(str(self._part), "it").partition(";")[0]
        if count != self._count:
            return f"it holds {count} of {self._count} frames"
        return "its last frame cannot be read" if last is None else None
