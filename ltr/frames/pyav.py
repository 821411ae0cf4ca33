"""PyAV, the extra `video`: importing it, opening a container, and pictures as they are shown."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.io.reading import require_file, require_pixels

# Threads that listen to FFmpeg's errors now.
_listeners = 0
_listeners_lock = threading.Lock()

# Entries of a display matrix may be this far from 0 or from each other (16.16 fixed point).
MATRIX_TOLERANCE = 0.01


def import_av() -> Any:
    """Return PyAV's module. Raises BadInput, saying how to install it, when it is missing."""
    try:
        import av
    except ImportError:
        raise BadInput("reading video files needs the package av: pip install av") from None
    return av


def open_container(path: Path) -> Any:
    """Open a video file. Raises BadInput where it cannot be opened or holds no readable video."""
    av = import_av()
    require_file(path)
    try:
        container = av.open(str(path), metadata_errors="replace")
    except FileNotFoundError:
        raise MissingFile(f"there is no video {path}; correct the path") from None
    except (av.FFmpegError, OSError) as error:
        raise BadValue(
            f"{path} cannot be opened as a video ({error}); copy or convert it"
        ) from error
    if not container.streams.video:
        container.close()
        raise BadValue(f"{path} holds no video stream; give a video file")
    context = container.streams.video[0].codec_context
    if context is None:
        container.close()
        raise BadValue(
            f"{path} cannot be opened as a video: its header is damaged, or this build of PyAV "
            "has no decoder for it (only some have one for AV1); copy it again, install PyAV from "
            "its wheels, or convert the video to mp4 with H.264"
        )
    try:
        require_pixels(context.width, context.height, f"video {path}")
    except BadValue:
        container.close()
        raise
    # threads of a decoder would not survive a fork, and loader workers fill the cores anyway
    context.thread_count = 1
    context.thread_type = "NONE"
    return container


@contextlib.contextmanager
def decoder_errors() -> Iterator[list[str]]:
    """Collect, in the list, what the decoder says of damage while the block runs in this thread.

    FFmpeg fills damaged parts of a picture with what was there before, and only its log tells.
    """
    log = import_av().logging
    texts: list[str] = []
    with _listening(log), log.Capture() as messages:
        yield texts
        texts += [text.strip() for severity, _, text in messages if severity <= log.ERROR]


@contextlib.contextmanager
def _listening(log: Any) -> Iterator[None]:
    """Let FFmpeg's errors through to PyAV while any thread is within such a block."""
    global _listeners
    with _listeners_lock:
        if not _listeners:
            log.set_level(log.ERROR)
            log.set_skip_repeated(False)
        _listeners += 1
    try:
        yield
    finally:
        with _listeners_lock:
            _listeners -= 1
            if not _listeners:
                # PyAV's own setting: messages of other threads could meet a held lock
                log.set_level(None)
                log.set_skip_repeated(True)


def upright_rgb(picture: Any) -> np.ndarray:
    """Return a decoded picture (H, W, 3) uint8 RGB, turned and mirrored as players show it."""
    try:
        # threads of the colour conversion hang a forked child, too
        image = picture.to_ndarray(format="rgb24", threads=1)
    except TypeError:
        # an older PyAV, whose conversion has no threads
        image = picture.to_ndarray(format="rgb24")
    return apply_display_matrix(image, display_matrix(picture))


def display_matrix(picture: Any) -> np.ndarray | None:
    """Return the linear part [[a, b], [c, d]] of a picture's display matrix, if it has one."""
    side_data = picture.side_data.get("DISPLAYMATRIX")
    if side_data is None:
        return None
    numbers = np.frombuffer(bytes(side_data), np.int32)[:9].reshape(3, 3)
    return numbers[:2, :2].astype(np.float64)


def apply_display_matrix(image: np.ndarray, matrix: np.ndarray | None) -> np.ndarray:
    """Turn and mirror an image: pixel (x, y) is shown at (a x + c y, b x + d y), moved into view.

    Only multiples of 90 degrees, mirrored or not, are applied; any other matrix (zeros, as some
    programs write them, or a slanted one) leaves the image as it is.
    """
    if matrix is None:
        return image
    largest = np.abs(matrix).max()
    if largest == 0:
        return image
    unit = matrix / largest
    rounded = np.rint(unit)
    is_permutation = (np.abs(rounded).sum(0) == 1).all() and (np.abs(rounded).sum(1) == 1).all()
    if not is_permutation or np.abs(unit - rounded).max() > MATRIX_TOLERANCE:
        return image
    (a, b), (c, d) = rounded
    if b != 0:
        image = image.transpose(1, 0, 2)
    mirrored_x = (a + c) < 0
    mirrored_y = (b + d) < 0
    if mirrored_x:
        image = image[:, ::-1]
    if mirrored_y:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _forget_listeners_after_fork() -> None:
    """Threads of the parent, which may hold the lock, are not in the child."""
    global _listeners, _listeners_lock
    _listeners = 0
    _listeners_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_listeners_after_fork)
