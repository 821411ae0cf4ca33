"""Frames from video files, folders of images, streams and cameras, all as RGB; and writing an
annotated video.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.data.image_loader import default_image_loader
from ltr.frames.sources import images_in

FOLDER_FPS = 25.0  # of a video written from a folder of images or a camera that does not say
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG"}
TOLERATED_LOSS = 0.05  # containers miscount: an end up to this share too early is taken for the end


class VideoNotFound(MissingFile, AssertionError):
    """No video at that path (an AssertionError in pytracking)."""


class FrameStream:
    """Frames one after the other. `total` is their number, None when unknown; `live` when they
    cannot wait.
    """

    name = ""
    stem = ""
    fps = FOLDER_FPS
    total: int | None = None
    live = False

    def read(self) -> np.ndarray | None:
        """The next frame (H, W, 3) RGB uint8, None at the end."""
        raise NotImplementedError

    def check_complete(self) -> None:
        """BadInput when the frames ended before they should have; called after the last one."""

    def close(self) -> None:
        """Let go of the file or camera."""

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class ImageFolder(FrameStream):
    """The images of a folder, or of its sub-folder `img`, in natural order."""

    def __init__(self, folder: str | os.PathLike):
        place = next(
            (
                place
                for place in (os.fspath(folder), os.path.join(folder, "img"))
                if os.path.isdir(place) and images_in(Path(place))
            ),
            None,
        )
        if place is None:
            raise BadInput(
                f"folder {folder} holds no images; give a folder of frames, or a video file"
            )
        self.name = f"folder {folder}"
        self.stem = Path(folder).resolve().name
        self._files = images_in(Path(place))
        self.total = len(self._files)
        self._next = 0

    def read(self) -> np.ndarray | None:
        if self._next == self.total:
            return None
        self._next += 1
        return default_image_loader(str(self._files[self._next - 1]))


class Capture(FrameStream):
    """What OpenCV decodes: a video file, the address of a stream, or the camera of a number."""

    def __init__(self, place: str | int):
        self.live = isinstance(place, int) or "://" in place
        self.name = (
            f"camera {place}"
            if isinstance(place, int)
            else f"{'stream' if self.live else 'video'} {place}"
        )
        self.stem = "webcam" if isinstance(place, int) else Path(place).stem
        _quiet_decoder()
        level = cv2.utils.logging.setLogLevel(
            cv2.utils.logging.LOG_LEVEL_SILENT
        )  # returns the level before
        try:
            self._capture = cv2.VideoCapture(place)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            if isinstance(place, int):
                raise BadInput(
                    f"{self.name} cannot be opened; connect it, free it from other programs, or "
                    "give a video file "
                    "to run_video.py"
                )
            raise BadValue(
                f"{self.name} cannot be opened: it is damaged, incomplete, or of a kind that "
                "OpenCV cannot decode; "
                "copy it again, or convert it to mp4 with H.264"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 0 < fps < 1000 else FOLDER_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.total = int(count) if not self.live and 0 < count < 1e9 else None
        self._read = 0

    def read(self) -> np.ndarray | None:
        good, frame = self._capture.read()
        if not good:
            return None
        self._read += 1
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

    def check_complete(self) -> None:
        if self.total and self._read < self.total * (1 - TOLERATED_LOSS) - 1:
            raise BadInput(
                f"{self.name} ended after {self._read} of {self.total} frames: the file is "
                "truncated or damaged; "
                "what was asked for is saved for those frames, copy the file again for the rest"
            )

    def close(self) -> None:
        self._capture.release()


def open_stream(place: str | os.PathLike | int | None) -> FrameStream:
    """The frames of a video file, a folder of images, an address (`rtsp://…`), or a camera number
    (None: 0).
    """
    if place is None or isinstance(place, int):
        return Capture(place or 0)
    place = os.path.expanduser(os.fspath(place))
    if "://" not in place:
        if os.path.isdir(place):
            return ImageFolder(place)
        if not os.path.isfile(place):
            raise VideoNotFound(f"there is no video file or folder {place}; correct the path")
        if os.path.getsize(place) == 0:
            raise BadValue(f"video {place} is empty; copy the file again")
    return Capture(place)


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
        self._part = self.path.with_name(f".{self.path.stem}.{os.getpid()}{self.path.suffix}")
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3) RGB uint8."""
        if self._writer is None:
            self._open(frame.shape[1], frame.shape[0])
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size)
        self._writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))

    def _open(self, width: int, height: int) -> None:
        self._size = (width, height)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(
                f"{self.path}: the folder cannot be made ({error.strerror}); choose another place"
            ) from None
        _quiet_decoder()
        codec = cv2.VideoWriter_fourcc(*CODECS[self.path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(self._part), codec, self.fps, self._size)
        if not self._writer.isOpened():
            raise BadInput(
                f"{self.path}: OpenCV cannot write a video of {width}x{height} there; check that "
                "the folder can be "
                "written to, or use the ending .avi"
            )

    def close(self) -> None:
        """Complete the file; without a frame there is none."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
            os.replace(self._part, self.path)


def _quiet_decoder() -> None:
    """What is wrong with a file is said here, in one sentence; OpenCV reads this when it first
    meets a video.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
