"""Finds the image files and first-frame masks of a sequence."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ltr.admin.errors import MissingFile

_log = logging.getLogger(__name__)


def numbered_frames(folder: str, dataset: str) -> list[str]:
    """Return the paths of the `<number>.jpg` files in `folder`, by number.

    Raises MissingFile when there are none.
    """
    if not os.path.isdir(folder):
        raise MissingFile(
            f"{dataset}: no folder '{folder}' with frames - is the data set complete?"
        )
    number_of_name = {}
    for name in os.listdir(folder):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() == ".jpg" and stem.isdecimal():
            number_of_name[name] = int(stem)
    if not number_of_name:
        raise MissingFile(f"{dataset}: no <number>.jpg in '{folder}' - is the data set complete?")
    names = sorted(number_of_name, key=number_of_name.__getitem__)
    return [os.path.join(folder, name) for name in names]


def frame_range(folder: str, first: int, last: int, digits: int, ending: str = "jpg") -> list[str]:
    """Return the paths `<folder>/<number>.<ending>` for `first` to `last` inclusive.

    The files need not exist.
    """
    return [
        os.path.join(folder, f"{number:0{digits}d}.{ending}") for number in range(first, last + 1)
    ]


def first_frame_masks(folder: str, name: str, frames: list[str]) -> list[str | None]:
    """Return `ground_truth_seg` of a sequence that starts from a mask.

    The mask is `<folder>/<name>/<stem of the first frame>.png`.

    One entry per frame, None after the first. A mask that is missing is logged and None: the
    sequence then starts from its box only.
    """
    if not frames:
        return []
    path = os.path.join(folder, name, f"{Path(frames[0]).stem}.png")
    masks: list[str | None] = [None] * len(frames)
    if os.path.isfile(path):
        masks[0] = path
    else:
        _log.error("sequence %s: there is no mask %s, it starts from its box only", name, path)
    return masks
