"""All pictures that videos are made of, in one file: photographs as JPEG, cut-outs as PNG, and the
outlines of these.

Made once from the packages that `pictures` names (about a minute), then mapped by every process.
Which videos come out depends on the bank's `fingerprint`, so that is part of their names.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL import Image

from ltr.admin.environment import find_env_settings
from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.invocation import spot_command
from ltr.data.seeding import generator
from ltr.io.array_file import open_arrays, write_arrays
from spot_ext.rendering.drawn.backdrops import BACKDROPS, backdrop
from spot_ext.rendering.photographed import cutouts, pictures
from spot_ext.rendering.photographed.cutouts import Cutout

log = logging.getLogger(__name__)

VERSION = 1
PHOTO_SIDE = 1200  # pixels of the longer side
DRAWN_PHOTOS, DRAWN_CUTOUTS = 28, 66
OUTLINE_POINTS = 128
MASK_SIDE = 48
HAIR = 0.025


class Bank:
    """Photographs and cut-outs by number, decoded on first use and kept: up to 400 MB a process
    when all have been used.
    """

    def __init__(self, arrays: dict[str, np.ndarray], info: dict):
        self._arrays = arrays
        self.fingerprint: str = info["fingerprint"]
        self.photo_names: list[str] = info["photos"]
        self.cutout_names: list[str] = info["cutouts"]
        self.sources: list[str] = info["sources"]
        self.licences: dict[str, str] = info["licences"]  # of each package
        self.pages = arrays["pages"]  # (C,) pages of each cut-out
        self.first_page = np.concatenate([[0], np.cumsum(self.pages)])
        self.standing = arrays["standing"].astype(bool)  # (C,)
        self.sizes = arrays["sizes"]  # (C, 2) width, height
        self.outlines = arrays[
            "outlines"
        ]  # (pages in all, OUTLINE_POINTS, 2) in shares of width and height
        self.masks = arrays["masks"]  # (pages in all, MASK_SIDE, MASK_SIDE) uint8
        self.is_photo = np.array([not name.startswith("drawn/") for name in self.photo_names])
        self.is_photo_cutout = np.array(
            [not name.startswith("drawn/") for name in self.cutout_names]
        )
        self.photo = functools.lru_cache(maxsize=None)(self._photo)
        self.cutout_page = functools.lru_cache(maxsize=None)(self._cutout_page)

    def _photo(self, number: int) -> np.ndarray:
        """Return (H, W, 3) uint8 RGB."""
        return simplejpeg.decode_jpeg(
            self._arrays[f"photo_{number:04d}"].tobytes(), colorspace="RGB"
        )

    def _cutout_page(self, page: int) -> np.ndarray:
        """Return (h, w, 4) uint8 RGB and coverage; `page` counts over all cut-outs."""
        decoded = cv2.imdecode(self._arrays[f"cutout_{page:04d}"], cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise BadInput(f"scenes: page {page} of the image bank is damaged; make the bank anew")
        return cv2.cvtColor(decoded, cv2.COLOR_BGRA2RGBA)


@functools.lru_cache(maxsize=4)
def open_bank(sources: tuple[str, ...], file: str | None = None) -> Bank:
    """The bank of these sources: from `file` when given, else from the workspace, else made now
    (and put there).

    Raises NotConfigured when a source's package is missing, MissingFile when `file` is.
    """
    if file is not None:
        if not Path(file).is_file():
            raise MissingFile(
                f"scenes: no bank '{file}'; write it with "
                f"`{spot_command('scenes', '--bank', file)}`"
            )
        return Bank(*open_arrays(file))
    sources = pictures.checked(sources)
    fingerprint = fingerprint_of(sources)
    workspace = getattr(find_env_settings(), "workspace_dir", None)
    path = (
        Path(workspace).expanduser() / "scenes" / f"bank-{fingerprint}.safetensors"
        if workspace
        else None
    )
    if path is None or not path.is_file():
        log.info("scenes: collecting the pictures of %s", ", ".join(sources))
        arrays, info = collect(sources, fingerprint)
        if path is None:
            return Bank(arrays, info)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, arrays, info)
    return Bank(*open_arrays(path))


def write_bank(sources: tuple[str, ...], file: Path) -> Bank:
    """Make the bank and write it to `file`, to be carried to a machine without the packages."""
    sources = pictures.checked(sources)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_arrays(file, *collect(sources, fingerprint_of(sources)))
    return Bank(*open_arrays(file))


def fingerprint_of(sources: tuple[str, ...]) -> str:
    """Eight hexadecimal digits of the version and of every file's name and content."""
    digest = hashlib.sha256(
        f"{VERSION} {DRAWN_PHOTOS} {DRAWN_CUTOUTS} {' '.join(sources)}".encode()
    )
    for kind in ("photos", "cutouts"):
        for source, path in pictures.all_files(sources, kind):
            digest.update(
                f"{kind} {source} {path.name}".encode() + hashlib.sha256(path.read_bytes()).digest()
            )
    return digest.hexdigest()[:8]


def collect(sources: tuple[str, ...], fingerprint: str) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and info of a bank file."""
    photos: list[tuple[str, np.ndarray]] = []
    cuts: list[Cutout] = []
    for source, path in pictures.all_files(sources, "photos"):
        photo = _read_photo(path)
        # Wallpaper packages keep pictures of several sizes in NAME/contents/images.
        is_in_package = "contents" in path.parts
        name = path.parent.parent.parent.name if is_in_package else path.stem
        photos.append((f"{source}/{name}", photo))
        cuts += cutouts.from_photo(path.name, photo, source)
    for source, path in pictures.all_files(sources, "cutouts"):
        if (cut := cutouts.shipped(path, source)) is not None:
            cuts.append(cut)
    if "drawn" in sources:
        photos += [_drawn_photo(number) for number in range(DRAWN_PHOTOS)]
        cuts += [cutouts.drawn(number) for number in range(DRAWN_CUTOUTS)]
    if not photos or not cuts:
        raise BadValue(
            f"scenes: the sources {', '.join(sources)} hold {len(photos)} photographs and "
            f"{len(cuts)} cut-outs: "
            "add a source"
        )
    pages = [page for cut in cuts for page in cut.pages]
    arrays = {
        f"photo_{i:04d}": np.frombuffer(
            simplejpeg.encode_jpeg(np.ascontiguousarray(photo), 93), np.uint8
        )
        for i, (_, photo) in enumerate(photos)
    }
    arrays |= {f"cutout_{i:04d}": _png(page) for i, page in enumerate(pages)}
    arrays |= {
        "pages": np.array([len(cut.pages) for cut in cuts], np.int32),
        "standing": np.array([cut.standing for cut in cuts], np.uint8),
        "sizes": np.array([cut.pages[0].shape[1::-1] for cut in cuts], np.int32),
        "outlines": np.stack([outline(page[..., 3]) for page in pages]),
        "masks": np.stack(
            [
                cv2.resize(page[..., 3], (MASK_SIDE, MASK_SIDE), interpolation=cv2.INTER_AREA)
                for page in pages
            ]
        ),
    }
    return arrays, {
        "fingerprint": fingerprint,
        "sources": list(sources),
        "licences": pictures.licences(sources),
        "photos": [name for name, _ in photos],
        "cutouts": [f"{cut.source}/{cut.name}" for cut in cuts],
    }


def outline(coverage: np.ndarray) -> np.ndarray:
    """`OUTLINE_POINTS` points (n, 2) float32 around what a coverage image (h, w) shows, in shares
    of width and height.

    Half of them are spread over the contours of all pieces, half over the convex hull, whose
    corners decide the box. Parts narrower than `HAIR` of the size, such as strings and antennae, do
    not count: they are lost in a small picture.
    """
    height, width = coverage.shape
    finer = cv2.resize(coverage, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    mask = (finer > 127).astype(np.uint8)
    side = max(3, round(HAIR * float(np.sqrt(mask.size))))
    sturdy = cv2.morphologyEx(
        mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    )
    pieces, _ = cv2.findContours(
        sturdy if sturdy.any() else mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not pieces:
        raise BadInput("scenes: a cut-out shows nothing")
    around = np.concatenate(pieces)[:, 0].astype(np.float32)
    hull = cv2.convexHull(around)[:, 0]
    half = OUTLINE_POINTS // 2
    spread = around[np.linspace(0, len(around) - 1, half).astype(int)]
    corners = hull[np.linspace(0, len(hull) - 1, half).astype(int)]
    points = np.concatenate([spread, corners])
    centre = points.mean(0)
    return ((points + 0.5 + 0.5 * np.sign(points - centre)) / (2 * width, 2 * height)).astype(
        np.float32
    )


def _png(image: np.ndarray) -> np.ndarray:
    return cv2.imencode(
        ".png", cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA), [cv2.IMWRITE_PNG_COMPRESSION, 6]
    )[1].ravel()


def _read_photo(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as opened:
            image = _without_bands(np.asarray(opened.convert("RGB")))
    except OSError as error:
        raise BadInput(
            f"scenes: '{path}' cannot be decoded ({error}); install its package anew"
        ) from error
    scale = min(1.0, PHOTO_SIDE / max(image.shape[:2]))
    return (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if scale < 1
        else image
    )


def _without_bands(image: np.ndarray) -> np.ndarray:
    """Cut off black rows above and below."""
    lit = np.flatnonzero(image.max((1, 2)) > 24)
    return image[lit[0] : lit[-1] + 1] if len(lit) else image


def _drawn_photo(number: int) -> tuple[str, np.ndarray]:
    kind = tuple(BACKDROPS)[number % len(BACKDROPS)]
    draw = generator(0, "drawn photo", number)
    return f"drawn/{kind}_{number}", backdrop(draw, kind, 720, 1080, int(draw.integers(220, 520)))
