"""Finding the image files of a sequence."""

from __future__ import annotations

import os
import re

from ltr.admin.errors import MissingFile

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png")


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `img9.jpg` comes before `img10.jpg`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def image_names(folder: str) -> list[str]:
    """Names of the images in `folder`, in natural order; hidden files are left out."""
    return sorted((name for name in os.listdir(folder)
                   if name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")), key=natural_key)


def numbered_frames(folder: str, dataset: str) -> list[str]:
    """Paths of the `<number>.jpg` files in `folder`, by number; MissingFile when there are none."""
    if not os.path.isdir(folder):
        raise MissingFile(f"{dataset}: no folder '{folder}' with frames - is the data set complete?")
    stems = [name[:-4] for name in os.listdir(folder) if name.endswith(".jpg") and name[:-4].isdigit()]
    if not stems:
        raise MissingFile(f"{dataset}: no <number>.jpg in '{folder}' - is the data set complete?")
    return [os.path.join(folder, stem + ".jpg") for stem in sorted(stems, key=int)]
