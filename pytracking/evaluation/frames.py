"""Finding the image files and first-frame masks of a sequence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ltr.admin.errors import MissingFile

_log = logging.getLogger(__name__)


def numbered_frames(folder: str, dataset: str) -> list[str]:
    """Paths of the `<number>.jpg` files in `folder`, by number; MissingFile when there are none."""
    if not os.path.isdir(folder):
        raise MissingFile(
            f"{dataset}: no folder '{folder}' with frames - is the data set complete?"
        )
    stems = [
        name[:-4] for name in os.listdir(folder) if name.endswith(".jpg") and name[:-4].isdigit()
    ]
    if not stems:
        raise MissingFile(f"{dataset}: no <number>.jpg in '{folder}' - is the data set complete?")
    return [os.path.join(folder, stem + ".jpg") for stem in sorted(stems, key=int)]


def frame_range(folder: str, first: int, last: int, digits: int, ending: str = "jpg") -> list[str]:
    """The paths `<folder>/<number>.<ending>` for `first` to `last` inclusive; whether the files
    exist is not checked.
    """
    return [
        os.path.join(folder, f"{number:0{digits}d}.{ending}") for number in range(first, last + 1)
    ]


def first_frame_masks(folder: str, name: str, frames: list[str]) -> list[str | None]:
    """`ground_truth_seg` of a sequence that starts from a mask: `<folder>/<name>/<stem of the first
    frame>.png`.

    One entry per frame, None after the first. A mask that is missing is logged and None: the
    sequence then starts from its box only.
    """
    if not frames:
        return []
    path = os.path.join(folder, name, f"{Path(frames[0]).stem}.png")
    if not os.path.isfile(path):
        _log.error("sequence %s: there is no mask %s, it starts from its box only", name, path)
        path = None
    return [path] + [None] * (len(frames) - 1)
