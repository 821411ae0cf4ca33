"""Open sources of this process, shared by its data sets."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import cachetools
import numpy as np

from ltr.admin.errors import MissingFile
from ltr.frames.opening import find_packed, open_source
from ltr.frames.source import FrameSource

# Sources kept open in each process: an open video holds a decoder's frames.
OPEN_SOURCES = 16


class PackedFrames:
    """Reads frames of a data set that may have some sequences packed.

    It holds no file, so it is cheap to send to workers.
    """

    def __init__(self) -> None:
        # image folder -> packed file, of folders seen to be packed
        self._packed: dict[str, Path] = {}

    def read(
        self, image: Path, frame_id: int, image_loader: Callable[[str], np.ndarray]
    ) -> np.ndarray:
        """Return the image file of a frame; if there is none, frame `frame_id` of the packed file
        that takes its folder's place.
        """
        folder = str(image.parent)
        if folder not in self._packed:
            try:
                # the common case pays nothing for packed folders
                return image_loader(str(image))
            except MissingFile:
                packed = find_packed(image.parent)
                if packed is None:
                    raise
                self._packed[folder] = packed
        return shared_source(self._packed[folder]).read(frame_id)


class _OpenSources(cachetools.LRUCache):
    """Open sources by place; the longest unused one is closed when there are too many."""

    def popitem(self) -> tuple[Path, FrameSource]:
        place, source = super().popitem()
        source.close()
        return place, source


_lock = threading.RLock()
_sources = _OpenSources(OPEN_SOURCES)


def shared_source(place: Path) -> FrameSource:
    """Return this process's open source of a packed file."""
    with _lock:
        source = _sources.get(place)
        if source is None:
            source = open_source(place)
            _sources[place] = source
        return source


def open_count() -> int:
    """Return how many sources this process has open."""
    return len(_sources)


def _forget_after_fork() -> None:
    """Drop the parent's sources: file positions are shared with it, and decoders do not survive."""
    global _lock
    _lock = threading.RLock()
    while _sources:
        _sources.popitem()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
