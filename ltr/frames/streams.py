"""Frames one after the other: of any source, of a camera, or of a network stream."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.frames.capture import Capture, is_live, name_of
from ltr.frames.counted import CountedFrames
from ltr.frames.images import ImageFiles
from ltr.frames.names import ARCHIVE_SUFFIX, has_suffix, image_folder, images_in
from ltr.frames.opening import has_pyav
from ltr.frames.source import FOLDER_FPS, FrameSource
from ltr.frames.tar import TarFrames
from ltr.frames.video_file import VideoFile


class VideoNotFound(MissingFile, AssertionError):
    """No video at that path (an AssertionError in pytracking)."""


class FrameStream:
    """Frames one after the other.

    Args:
        name: what errors call it, such as `video walk.mp4`.
        stem: what files made from it are called.
        live: frames cannot wait for their reader.
        fps: frames a second.
        total: number of frames, None when unknown.

    """

    def __init__(
        self,
        name: str,
        stem: str,
        live: bool = False,
        fps: float = FOLDER_FPS,
        total: int | None = None,
    ):
        self.name = name
        self.stem = stem
        self.live = live
        self.fps = fps
        self.total = total

    def read(self) -> np.ndarray | None:
        """Return the next frame (H, W, 3) RGB uint8, None at the end."""
        raise NotImplementedError

    def check_complete(self) -> None:
        """Raise BadInput when frames ended before they should have; called after the last one."""

    def close(self) -> None:
        """Let go of the file or camera."""

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *_) -> None:
        self.close()


class SourceStream(FrameStream):
    """The frames of a source from the first to the last."""

    def __init__(self, source: FrameSource, name: str, stem: str):
        super().__init__(name, stem, fps=source.fps, total=len(source))
        self.source = source
        self._next = 0

    def read(self) -> np.ndarray | None:
        if self._next == len(self.source):
            return None
        self._next += 1
        return self.source.read(self._next - 1)

    def check_complete(self) -> None:
        try:
            self.source.check_complete()
        except BadInput as error:
            raise BadInput(f"{error}; results are kept for the frames that are there") from None

    def close(self) -> None:
        self.source.close()


class LiveStream(FrameStream):
    """A camera by its number, or the address of a stream."""

    def __init__(self, place: str | int):
        self._capture = Capture(place)
        stem = "webcam" if isinstance(place, int) else Path(place).stem
        super().__init__(self._capture.name, stem, live=True, fps=self._capture.fps)

    def read(self) -> np.ndarray | None:
        return self._capture.read()

    def close(self) -> None:
        self._capture.close()


def open_stream(place: str | os.PathLike | int | None) -> FrameStream:
    """Return the frames of a video file, a folder of images or tar archive, an address
    (`rtsp://…`), or a camera number (None: 0).

    A video that ends too early is read as far as it goes; `check_complete` tells then.
    """
    if place is None or isinstance(place, int):
        return LiveStream(place or 0)
    address = os.path.expanduser(os.fspath(place))
    if is_live(address):
        return LiveStream(address)
    path = Path(address)
    if path.is_dir():
        folder = image_folder(path)
        if folder is None:
            raise BadInput(
                f"folder {path} holds no images; give a folder of frames, or a video file"
            )
        return SourceStream(ImageFiles(images_in(folder)), f"folder {path}", path.resolve().name)
    if not path.is_file():
        raise VideoNotFound(f"there is no video file or folder {path}; correct the path")
    if path.stat().st_size == 0:
        raise BadValue(f"video {path} is empty; copy the file again")
    source: FrameSource
    if has_suffix(path, (ARCHIVE_SUFFIX,)):
        source = TarFrames(path)
    elif has_pyav():
        source = VideoFile(path, partial=True)
    else:
        source = CountedFrames(path)
    return SourceStream(source, name_of(address), path.stem)
