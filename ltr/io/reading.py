"""Guards before a file is read: it is a file, and what it announces fits into memory."""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from ltr.admin.errors import BadValue

# Pixels of the largest picture or video frame that is decoded, unless PIXELS_VARIABLE says
# otherwise. Decoding takes up to 6 bytes of each, 1 GB; the largest cameras have 151 million.
MOST_PIXELS = 160_000_000
PIXELS_VARIABLE = "SPOT_MOST_PIXELS"

# Windows would change line ends.
_BINARY = getattr(os, "O_BINARY", 0)

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_file(path: str | os.PathLike) -> BinaryIO:
    """Open a regular file to read bytes; never wait for a pipe or read a device without end.

    Raises BadValue for what is no file, OSError where a file cannot be opened.
    """
    # Without O_NONBLOCK opening a pipe waits for somebody who writes into it.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    try:
        _refuse_other_kinds(os.fstat(descriptor).st_mode, path)
    except BadValue:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


def require_file(path: str | os.PathLike) -> None:
    """Raise BadValue where `path` is there and no file, for libraries that open it themselves."""
    if os.path.exists(path):
        _refuse_other_kinds(os.stat(path).st_mode, path)


def require_pixels(width: int, height: int, name: object) -> None:
    """Raise BadValue where a picture of this size, in pixels, would not fit into memory."""
    most = _most_pixels()
    if width * height > most:
        raise BadValue(
            f"{name} says that it has {width}x{height} pixels, more than {most:,}; make it "
            f"smaller, or set the variable {PIXELS_VARIABLE} to the pixels that fit your memory"
        )


def _most_pixels() -> int:
    text = os.environ.get(PIXELS_VARIABLE, "")
    if text and not text.isdecimal():
        raise BadValue(f"the variable {PIXELS_VARIABLE} is '{text[:40]}'; give a whole number")
    return int(text) if text else MOST_PIXELS


def _refuse_other_kinds(mode: int, path: str | os.PathLike) -> None:
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), None)
    if kind is not None:
        raise BadValue(f"{os.fspath(path)} is {kind}, not a file; remove it or name another")
