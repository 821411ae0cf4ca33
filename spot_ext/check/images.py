"""Size and wholeness of image files, from their first and last bytes where that is enough."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import default_image_loader
from ltr.io.reading import open_file, require_pixels

_TAIL = 512  # bytes at the end in which a whole file has its end marker
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_NO_SIZE = {
    0xC4,
    0xC8,
    0xCC,
}  # among the markers 0xC0 to 0xCF, which otherwise start a frame and hold its size


def image_size(path: str | os.PathLike, decode: bool = False) -> tuple[int, int]:
    """Width and height of an image as the training reader gives them. Raises BadInput when that
    reader would.

    JPEG and PNG files are judged by header and end marker, a thousandth of the cost of decoding;
    they are decoded where these leave a doubt, and always with `decode`, which also finds damage in
    the middle. Other formats are decoded.
    """
    size = None if decode else _size_of_whole_file(path)
    if size is None:
        height, width = default_image_loader(path).shape[:2]
        size = width, height
        if not decode:
            _refuse_unfinished(path)
    return size


def _size_of_whole_file(path: str | os.PathLike) -> tuple[int, int] | None:
    """None where header or end are not as they should be."""
    try:
        with open_file(path) as file:
            start = file.read(24)
            if start.startswith(b"\xff\xd8\xff"):
                size, end = _jpeg_size(file), b"\xff\xd9"
            elif start.startswith(_PNG_START) and start[12:16] == b"IHDR":
                size, end = _png_size(file, start), _PNG_END
            else:
                return None
            if size is None or 0 in size:
                return None
            require_pixels(*size, f"image {path}")
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL, 0))
            return size if end in file.read() else None
    except FileNotFoundError:
        raise MissingFile(
            f"there is no image {path}; correct the path or copy the file there"
        ) from None
    except OSError as error:
        raise BadValue(
            f"image {path} cannot be read ({error.strerror}); check its rights and the disk"
        ) from error


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """From the first start-of-frame segment; None for turned photographs, which decoding turns, and
    broken headers.
    """
    file.seek(2)
    while True:
        head = file.read(9)
        if len(head) < 9 or head[0] != 0xFF:
            return None
        marker, length = head[1], head[2] << 8 | head[3]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            height, width = struct.unpack(">HH", head[5:9])
            return width, height
        if marker == 0xDA or length < 2 or (marker == 0xE1 and head[4:8] == b"Exif"):
            return None
        file.seek(length - 7, os.SEEK_CUR)


def _png_size(file: BinaryIO, start: bytes) -> tuple[int, int] | None:
    """Return the header's size; None for turned pictures (chunk eXIf), which decoding turns."""
    position = len(_PNG_START)
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            break
        if head[4:] == b"eXIf":
            return None
        # a chunk is its length, its name, its content and a checksum
        position += 12 + int.from_bytes(head[:4], "big")
    width, height = struct.unpack(">II", start[16:24])
    return width, height


def _refuse_unfinished(path: str | os.PathLike) -> None:
    """A decoder may fill what is missing; a JPEG without an end marker anywhere is cut off all the
    same.
    """
    with open_file(path) as file:
        data = file.read()
    if data.startswith(b"\xff\xd8\xff") and b"\xff\xd9" not in data:
        raise BadValue(f"image {path} is truncated (it has no end marker); copy the file again")
