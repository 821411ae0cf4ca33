"""Reads and writes images.

Readers return (H, W, 3) uint8 RGB and raise BadInput, naming the file, when they cannot.

JPEG goes through simplejpeg (libjpeg-turbo without a detour, 1.2 to 2.4 times as fast as OpenCV),
through jpeg4py where only that is installed, and through OpenCV last; other formats go to OpenCV.
All of them decode to the same pixels. `read_reduced` decodes fewer of them, for a crop that will be
far smaller than its part of the picture.
"""

from __future__ import annotations

import contextvars
import functools
import importlib.util
import io
import os
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import cv2
import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.io.reading import open_file, require_pixels

_JPEG_START = b"\xff\xd8\xff"
# Bytes at the start of a file within which Exif data begin: a segment has at most 64 KB.
EXIF_WITHIN = 65536


# Colours of labels in PASCAL VOC and DAVIS, before the greys.
LABEL_COLORS = 21
# Bits of a colour channel, and of a label's number that go into each.
CHANNEL_BITS = 8
# Cameras fill up the last bytes of a picture. More bytes than these before the end marker are data
# that did not fit: something in the middle is lost.
MOST_PADDING_BYTES = 16


def _make_palette() -> np.ndarray:
    """Return (256, 3) uint8: label colours as in PASCAL VOC and DAVIS, then greys.

    The bits of a label's number go round the channels, highest bit of the channel first.
    """
    greys = np.arange(256, dtype=np.uint8)
    palette = np.stack([greys, greys, greys], axis=1)
    for label in range(LABEL_COLORS):
        for channel in range(3):
            value = 0
            for bit in range(CHANNEL_BITS):
                label_bit = (label >> (3 * bit + channel)) & 1
                value += label_bit << (CHANNEL_BITS - 1 - bit)
            palette[label, channel] = value
    palette[LABEL_COLORS] = 64
    return palette


davis_palette = _make_palette()


class _DefaultLoader(Protocol):
    """Type of `default_image_loader`: a function with pytracking's attribute."""

    use_jpeg4py: bool | None

    def __call__(self, path: str | os.PathLike) -> np.ndarray: ...


def _with_attribute(loader: Callable[[str | os.PathLike], np.ndarray]) -> _DefaultLoader:
    """Give a loader the attribute that says if JPEGs go through jpeg4py; None before the first."""
    default_loader = cast(_DefaultLoader, loader)
    default_loader.use_jpeg4py = None
    return default_loader


@_with_attribute
def default_image_loader(path: str | os.PathLike) -> np.ndarray:
    """Read an image with the fastest decoder there is."""
    return decode_image(_read_bytes(path), path)


# pytracking's names for it, which data sets take as default
jpeg4py_loader = default_image_loader
jpeg4py_loader_w_failsafe = default_image_loader


@dataclass(frozen=True)
class ReducedImage:
    """A picture decoded at 1/factor of its size.

    Pixel (x, y) is the mean of the `factor` x `factor` pixels from (factor * x, factor * y) on, as
    far as JPEG knows them.
    """

    image: np.ndarray  # (ceil(height / factor), ceil(width / factor), 3) uint8 RGB
    factor: int
    width: int  # of the whole picture
    height: int


@dataclass
class _Reducing:
    """A wish to reduce, and the decoder's answer."""

    wanted: int
    factor: int = 1
    size: tuple[int, int] | None = None


_reducing: contextvars.ContextVar[_Reducing | None] = contextvars.ContextVar(
    "reducing", default=None
)


def read_reduced(read: Callable[[], np.ndarray], factor: int) -> ReducedImage:
    """Call `read`, which reads one image through this module, and have a JPEG decoded at 1/factor
    (1, 2, 4 or 8).

    libjpeg-turbo leaves out the high frequencies (DCT scaling) and most of the work that is not
    unpacking bits. Without simplejpeg, and for other formats, the picture comes back whole, with
    factor 1.
    """
    reducing = _Reducing(factor)
    token = _reducing.set(reducing)
    try:
        image = read()
    finally:
        _reducing.reset(token)
    height, width = reducing.size or image.shape[:2]
    return ReducedImage(image, reducing.factor, width, height)


def decode_image(data: bytes, name: object) -> np.ndarray:
    """Decode `data`, the content of an image file; `name` is for errors."""
    image = None
    # only OpenCV turns pictures as Exif asks
    is_plain_jpeg = data.startswith(_JPEG_START) and b"Exif\0" not in data[:EXIF_WITHIN]
    require_announced_size(data, name)
    if is_plain_jpeg:
        image = _jpeg_decoder()(data, name)
    return _opencv_rgb(data, name) if image is None else image


def opencv_loader(path: str | os.PathLike) -> np.ndarray:
    """Read an image with OpenCV."""
    return _opencv_rgb(_checked_bytes(path), path)


def opencv_seg_loader(path: str | os.PathLike) -> np.ndarray:
    """Read a segmentation image with OpenCV, channels in its order, BGR."""
    return _opencv_bgr(_checked_bytes(path), path)


def imread_indexed(filename: str | os.PathLike) -> np.ndarray:
    """Read a label image: (H, W) uint8 palette indices, or the first channel of a colour image."""
    from PIL import Image

    if not os.path.isfile(filename):
        raise MissingFile(f"there is no label image {filename}; correct the path")
    _checked_bytes(filename)
    try:
        with Image.open(filename) as image:
            labels = np.array(image)
    except (OSError, Image.DecompressionBombError) as error:
        raise BadValue(
            f"label image {filename} cannot be decoded ({error}); replace the file"
        ) from error
    return np.atleast_3d(labels)[..., 0]


def imwrite_indexed(
    filename: str | os.PathLike, array: np.ndarray, color_palette: np.ndarray | None = None
) -> None:
    """Write an (H, W) label array as a PNG with a palette (`davis_palette` unless given)."""
    from PIL import Image

    array = np.asarray(array)
    if array.ndim != 2:
        raise BadValue(
            f"{filename}: a label image has two dimensions, this array has {array.ndim}; give one "
            "channel"
        )
    image = Image.fromarray(array.astype(np.uint8))
    image.putpalette(
        (davis_palette if color_palette is None else np.asarray(color_palette, np.uint8))
        .ravel()
        .tolist()
    )
    image.save(filename, format="PNG")


def _read_bytes(path: str | os.PathLike) -> bytes:
    try:
        with open_file(path) as file:
            data = file.read()
    except FileNotFoundError:
        raise MissingFile(
            f"there is no image {path}; correct the path or copy the file there"
        ) from None
    except OSError as error:
        raise BadValue(
            f"image {path} cannot be read ({error.strerror}); check its rights and the disk"
        ) from error
    if not data:
        raise BadValue(f"image {path} is empty; copy the file again")
    return data


def _checked_bytes(path: str | os.PathLike) -> bytes:
    """Return the content of an image file that announces a size which fits into memory."""
    data = _read_bytes(path)
    require_announced_size(data, path)
    return data


def require_announced_size(data: bytes, name: object) -> None:
    """Raise BadValue where the header of an image file announces more pixels than fit into memory.

    Pillow reads the headers of all formats without decoding them.
    """
    if data.startswith(_JPEG_START):
        size = _jpeg_size(data)
        if size is not None:
            require_pixels(*size, f"image {name}")
            return
    from PIL import Image

    # Our own limit takes the place of Pillow's.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    # No image, or a damaged header: the decoder says so.
    except (OSError, ValueError, SyntaxError, struct.error):
        return
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    require_pixels(width, height, f"image {name}")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG by its header; None where simplejpeg cannot tell."""
    if not _has_simplejpeg():
        return None
    import simplejpeg

    try:
        height, width = simplejpeg.decode_jpeg_header(data)[:2]
    except ValueError:
        return None
    return width, height


@functools.cache
def _has_simplejpeg() -> bool:
    return importlib.util.find_spec("simplejpeg") is not None


JpegDecoder = Callable[[bytes, object], "np.ndarray | None"]


@functools.cache
def _jpeg_decoder() -> JpegDecoder:
    """Return a function that decodes JPEG bytes, or returns None for what it leaves to OpenCV."""
    if _has_simplejpeg():
        default_image_loader.use_jpeg4py = False
        return _decode_by_simplejpeg
    try:
        import jpeg4py  # noqa: F401
    except (ImportError, OSError):
        # OSError: the package is there, its system library is not
        default_image_loader.use_jpeg4py = False
        return lambda data, path: None
    default_image_loader.use_jpeg4py = True
    return _decode_by_jpeg4py


def _decode_by_simplejpeg(data: bytes, path: object) -> np.ndarray | None:
    import simplejpeg

    reducing = _reducing.get()
    try:
        if reducing is None or reducing.wanted == 1:
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        image = _decode_reduced(data, reducing)
        return simplejpeg.decode_jpeg(data, colorspace="RGB") if image is None else image
    except ValueError as error:
        return _after_warning(data, path, str(error))


def _decode_reduced(data: bytes, reducing: _Reducing) -> np.ndarray | None:
    """Decode a JPEG at 1/factor of its size; None where the decoder takes another factor."""
    import simplejpeg

    size = simplejpeg.decode_jpeg_header(data)[:2]
    # the sizes are rounded up
    least_height, least_width = (-(-length // reducing.wanted) for length in size)
    image = simplejpeg.decode_jpeg(
        data,
        colorspace="RGB",
        min_factor=reducing.wanted,
        min_height=least_height,
        min_width=least_width,
    )
    if image.shape[:2] != (least_height, least_width):
        return None
    reducing.factor = reducing.wanted
    reducing.size = size
    return image


def _after_warning(data: bytes, path: object, warning: str) -> np.ndarray | None:
    """Refuse a picture that libjpeg-turbo finds damaged; None for one that OpenCV may understand.

    OpenCV fills the missing part of a picture with grey and says nothing: training on that is worse
    than knowing.
    """
    if "premature" in warning.lower():
        raise BadValue(f"image {path} is truncated ({warning}); copy the file again")
    if not warning.startswith("Corrupt JPEG data"):
        return None
    surplus = re.search(r"(\d+) extraneous bytes before marker 0xd9", warning)
    if surplus is not None and int(surplus[1]) <= MOST_PADDING_BYTES:
        return None
    raise BadValue(f"image {path} is damaged ({warning}); copy the file again")


def _decode_by_jpeg4py(data: bytes, path: object) -> np.ndarray | None:
    import jpeg4py

    try:
        return jpeg4py.JPEG(np.frombuffer(data, np.uint8)).decode()
    except Exception:
        # its errors have no common base
        return None


def _opencv_bgr(data: bytes, path: object) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise BadValue(f"image {path} cannot be decoded; it is damaged or no image, copy it again")
    return image


def _opencv_rgb(data: bytes, path: object) -> np.ndarray:
    return cv2.cvtColor(_opencv_bgr(data, path), cv2.COLOR_BGR2RGB)
