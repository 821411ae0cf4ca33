"""Writes films: videos with boxes drawn in, which browsers and players open."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.frames.opening import open_video
from ltr.io.files import CannotWrite, DiskFull, atomic_write, is_disk_full, require_place

if TYPE_CHECKING:
    import av

# Bytes; with less free a film that is not whole met a full disk.
LEAST_ROOM = 1 << 16
# Encoder and pixel format by ending. Browsers play H.264 in mp4, and only with yuv420p.
CODECS = {
    ".mp4": ("libx264", "yuv420p"),
    ".m4v": ("libx264", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".avi": ("mjpeg", "yuvj420p"),
}
# Quality of H.264, 0 to 51; a lower number looks better and makes a larger file. Thin lines of
# boxes stay sharp at 20.
H264_OPTIONS = {"crf": "20", "preset": "veryfast"}
# yuv420p stores one colour for 2x2 pixels, so that width and height must be even.
COLOUR_BLOCK = 2
# Frames a second where a source does not tell its rate.
USUAL_RATE = 25.0
# Keeps rates such as 30000/1001 exact.
LARGEST_DENOMINATOR = 1001


class VideoWriter:
    """Writes RGB frames to a video file, which appears under its name when it is complete.

    The size is that of the first frame, where an odd side gets one more pixel that repeats its
    edge; frames of another size are scaled to the first.
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
        is_rate = math.isfinite(fps) and fps > 0
        self.fps = fps if is_rate else USUAL_RATE
        require_place(self.path)
        self._file = contextlib.ExitStack()
        self._container: av.container.OutputContainer | None = None
        self._stream: Any = None
        self._size = (0, 0)
        self._count = 0
        self._part = self.path

    def write(self, frame: np.ndarray) -> None:
        """Add a frame (H, W, 3) RGB uint8."""
        import av

        if self._container is None:
            self._open(frame.shape[1], frame.shape[0])
        if (frame.shape[1], frame.shape[0]) != self._size:
            frame = cv2.resize(frame, self._size)
        picture = av.VideoFrame.from_ndarray(pad_to_even(frame), format="rgb24")
        picture.pts = self._count
        self._count += 1
        self._mux(picture)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        """Encode `picture`; None hands out what the encoder still holds."""
        assert self._container is not None
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Remove the unfinished file and raise the sentence that tells why."""
        container, self._container = self._container, None
        # Closing tries to write the end of the file, and fails as the write before it did.
        with contextlib.suppress(OSError):
            if container is not None:
                container.close()
        with self._file:
            if is_disk_full(error) or self._is_disk_full():
                raise DiskFull(self.path, "start again") from None
            raise CannotWrite(
                f"{self.path} could not be written ({error.strerror}); name another place", error
            ) from None

    def _is_disk_full(self) -> bool:
        return shutil.disk_usage(self._part.parent).free < LEAST_ROOM

    def _open(self, width: int, height: int) -> None:
        import av

        self._size = (width, height)
        self._part = self._file.enter_context(atomic_write(self.path, suffix=self.path.suffix))
        codec, pixel_format = CODECS[self.path.suffix.lower()]
        try:
            self._container = av.open(str(self._part), "w")
            rate = Fraction(self.fps).limit_denominator(LARGEST_DENOMINATOR)
            options = H264_OPTIONS if codec == "libx264" else {}
            self._stream = self._container.add_stream(codec, rate=rate, options=options)
        except OSError as error:
            self._give_up(error)
        except ValueError:
            # Nothing was encoded: `close` has nothing to complete.
            self._container = None
            with self._file:
                raise BadInput(
                    f"{self.path}: this PyAV has no encoder {codec}; install the package av from "
                    "its wheel, or use the ending .avi"
                ) from None
        self._stream.width = width + width % COLOUR_BLOCK
        self._stream.height = height + height % COLOUR_BLOCK
        self._stream.pix_fmt = pixel_format

    def close(self) -> None:
        """Complete the file; without a frame there is none.

        The file is read back first. CannotWrite, and no file, where frames are missing; DiskFull
        where there was no room for them.
        """
        if self._container is None:
            return
        self._mux(None)
        try:
            self._container.close()
        except OSError as error:
            self._give_up(error)
        self._container = None
        with self._file:
            problem = self._problem()
            if problem is None:
                return
            if self._is_disk_full():
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


def pad_to_even(frame: np.ndarray) -> np.ndarray:
    """Return the frame with an even width and height; an odd side repeats its last pixels."""
    height, width = frame.shape[:2]
    bottom, right = height % COLOUR_BLOCK, width % COLOUR_BLOCK
    if not bottom and not right:
        return np.ascontiguousarray(frame)
    return np.pad(frame, ((0, bottom), (0, right), (0, 0)), mode="edge")
