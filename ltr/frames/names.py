"""File names of images, videos and archives, and the order of numbered names."""

from __future__ import annotations

import os
import re
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (
    ".mp4",
    ".mkv",
    ".avi",
    ".mov",
    ".webm",
    ".m4v",
    ".mts",
    ".m2ts",
    ".ts",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".flv",
    ".3gp",
    ".ogv",
    ".mxf",
    ".vob",
    ".asf",
    ".divx",
    ".f4v",
    ".m2v",
    ".qt",
    ".dv",
    ".y4m",
    ".h264",
    ".h265",
    ".hevc",
    ".ivf",
    ".nut",
    ".rm",
    ".rmvb",
    ".wtv",
)
ARCHIVE_SUFFIX = ".tar"
PACKED_SUFFIXES = (ARCHIVE_SUFFIX, *VIDEO_SUFFIXES)


def has_suffix(name: str | os.PathLike, suffixes: tuple[str, ...]) -> bool:
    """Tell if a name ends in one of these suffixes, in capitals or small letters."""
    return os.fspath(name).lower().endswith(suffixes)


def is_hidden(name: str) -> bool:
    """Tell if a name is hidden: systems put `._0001.jpg` and the like beside a person's files."""
    return name.startswith(".")


def is_image(name: str) -> bool:
    """Tell if a file name is that of an image."""
    return has_suffix(name, IMAGE_SUFFIXES) and not is_hidden(name)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return a sorting key by which `frame10` comes after `frame9`."""
    key = []
    for text in re.split(r"(\d+)", name):
        # `isdigit` would take "²", which is no number for `int`
        if text.isdecimal():
            key.append((0, int(text), ""))
        elif text:
            key.append((1, 0, text))
    return key


def images_in(folder: Path) -> list[Path]:
    """Return the images in a folder, ordered by the numbers in their names."""
    names = [name for name in os.listdir(folder) if is_image(name)]
    return [folder / name for name in sorted(names, key=natural_key)]


def image_folder(video: Path) -> Path | None:
    """Return the folder of a video's images: itself or its `img`; None if neither holds one."""
    for folder in (video, video / "img"):
        if folder.is_dir() and images_in(folder):
            return folder
    return None
