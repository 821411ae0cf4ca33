"""Frames one after the other, as OpenCV decodes them: cameras, network streams, video files."""

from __future__ import annotations

import os

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.source import FOLDER_FPS

# Frames a second from which a camera's answer is taken for nonsense.
MOST_FPS = 1000.0


class Capture:
    """OpenCV's decoder of a video file, a stream's address, or the camera of a number."""

    def __init__(self, place: str | int):
        self.name = name_of(place)
        quiet_opencv_decoder()
        # setLogLevel returns the level before
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(place)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            if isinstance(place, int):
                raise BadInput(
                    f"{self.name} cannot be opened; connect it, free it from other programs, or "
                    "give a video file to run_video.py"
                )
            raise BadValue(
                f"{self.name} cannot be opened: it is damaged, incomplete, or of a kind that "
                "OpenCV cannot decode; copy it again, or convert it to mp4 with H.264"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < MOST_FPS else FOLDER_FPS

    def read(self) -> np.ndarray | None:
        """Return the next frame (H, W, 3) RGB uint8, None at the end."""
        good, frame = self._capture.read()
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) if good else None

    def close(self) -> None:
        """Let go of the file or camera."""
        self._capture.release()


def is_live(place: str | int) -> bool:
    """Tell if a place is a camera or an address, which cannot wait."""
    return isinstance(place, int) or "://" in place


def name_of(place: str | int) -> str:
    """Return what errors call a place."""
    if isinstance(place, int):
        return f"camera {place}"
    return f"{'stream' if is_live(place) else 'video'} {place}"


def quiet_opencv_decoder() -> None:
    """Keep FFmpeg's own messages from the terminal: errors here are one sentence.

    OpenCV reads the variable when it first meets a video.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
