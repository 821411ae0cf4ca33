"""Reads and writes images. Readers return (H, W, 3) uint8 RGB and raise BadInput, naming the file,
when they cannot.

JPEG goes through simplejpeg (libjpeg-turbo without a detour, 1.2 to 2.4 times as fast as OpenCV),
through jpeg4py where only that is installed, and through OpenCV last; other formats go to OpenCV.
All of them decode to the same pixels. `read_reduced` decodes fewer of them, for a crop that will be
far smaller than its part of the picture.
"""

from __future__ import annotations

import contextvars
import functools
import os
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ltr.admin.errors import BadValue, MissingFile

_JPEG_START = b"\xff\xd8\xff"


def _make_palette() -> np.ndarray:
    """(256, 3) uint8: label colours whose bits interleave those of the index, as in PASCAL VOC and
    DAVIS, then greys.
    """
    palette = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, 1)
    for label in range(21):
        for channel in range(3):
            palette[label, channel] = sum(
                (label >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(3)
            )
    palette[21] = 64
    return palette


davis_palette = _make_palette()


def default_image_loader(path: str | os.PathLike) -> np.ndarray:
    """Read an image with the fastest decoder there is."""
    return decode_image(_read_bytes(path), path)


@dataclass(frozen=True)
class ReducedImage:
    """A picture decoded at 1/factor of its size: pixel (x, y) is the mean of the `factor` x
    `factor` pixels from (factor * x, factor * y) on, as far as JPEG knows them.
    """

    image: np.ndarray  # (ceil(height / factor), ceil(width / factor), 3) uint8 RGB
    factor: int
    width: int  # of the whole picture
    height: int


@dataclass
class _Reducing:
    """What to reduce by, and what the decoder made of it."""

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
    """The image in `data`, the content of a file; `name` is for errors."""
    image = None
    if (
        data.startswith(_JPEG_START) and b"Exif\0" not in data[:65536]
    ):  # only OpenCV turns pictures as Exif asks
        image = _jpeg_decoder()(data, name)
    return _opencv_rgb(data, name) if image is None else image


default_image_loader.use_jpeg4py = (
    None  # whether JPEGs go through jpeg4py; known after the first one, as in pytracking
)
jpeg4py_loader = default_image_loader  # pytracking's names for it, which data sets take as default
jpeg4py_loader_w_failsafe = default_image_loader


def opencv_loader(path: str | os.PathLike) -> np.ndarray:
    """Read an image with OpenCV."""
    return _opencv_rgb(_read_bytes(path), path)


def opencv_seg_loader(path: str | os.PathLike) -> np.ndarray:
    """Read a segmentation image with OpenCV, channels in its order, BGR."""
    return _opencv_bgr(_read_bytes(path), path)


def imread_indexed(filename: str | os.PathLike) -> np.ndarray:
    """Read a label image: (H, W) uint8 palette indices, or the first channel of a colour image."""
    from PIL import Image

    if not os.path.isfile(filename):
        raise MissingFile(f"there is no label image {filename}; correct the path")
    try:
        with Image.open(filename) as image:
            labels = np.array(image)
    except OSError as error:
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
        with open(path, "rb") as file:
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


@functools.cache
def _jpeg_decoder() -> Callable[[bytes, object], np.ndarray | None]:
    """A function that decodes JPEG bytes, or returns None for what it leaves to OpenCV."""
    default_image_loader.use_jpeg4py = False
    try:
        import simplejpeg
    except ImportError:
        return _jpeg4py_decoder()

    def decode(data: bytes, path: object) -> np.ndarray | None:
        reducing = _reducing.get()
        try:
            if reducing is None or reducing.wanted == 1:
                return simplejpeg.decode_jpeg(data, colorspace="RGB")
            size = simplejpeg.decode_jpeg_header(data)[:2]
            least_height, least_width = (-(-length // reducing.wanted) for length in size)
            image = simplejpeg.decode_jpeg(
                data,
                colorspace="RGB",
                min_factor=reducing.wanted,
                min_height=least_height,
                min_width=least_width,
            )
            if image.shape[:2] != (least_height, least_width):
                return simplejpeg.decode_jpeg(data, colorspace="RGB")
            reducing.factor, reducing.size = reducing.wanted, size
            return image
        except ValueError as error:
            # OpenCV fills the missing part of a truncated picture with grey and says nothing:
            # training on that is worse than knowing. Everything else it may understand better.
            if "premature" in str(error).lower():
                raise BadValue(
                    f"image {path} is truncated ({error}); copy the file again"
                ) from error
            return None

    return decode


def _jpeg4py_decoder() -> Callable[[bytes, object], np.ndarray | None]:
    try:
        import jpeg4py

        def decode(data: bytes, path: object) -> np.ndarray | None:
            try:
                return jpeg4py.JPEG(np.frombuffer(data, np.uint8)).decode()
            except Exception:  # its errors have no common base
                return None

        default_image_loader.use_jpeg4py = True
        return decode
    except (ImportError, OSError):  # OSError: the package without its system library
        return lambda data, path: None


def _opencv_bgr(data: bytes, path: object) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise BadValue(f"image {path} cannot be decoded; it is damaged or no image, copy it again")
    return image


def _opencv_rgb(data: bytes, path: object) -> np.ndarray:
    return cv2.cvtColor(_opencv_bgr(data, path), cv2.COLOR_BGR2RGB)
