"""Open sources of this process, shared by its data sets."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Opened:
    """An open source, and the stamp of its file when it was opened."""

    stamp: tuple[int, int] | None
    source: FrameSource


class _OpenSources(cachetools.LRUCache):
    """Open sources by place; the longest unused one is closed when there are too many."""

    def popitem(self) -> tuple[Path, _Opened]:
        place, opened = super().popitem()
        opened.source.close()
        return place, opened


_lock = threading.RLock()
_sources = _OpenSources(OPEN_SOURCES)


def shared_source(place: Path) -> FrameSource:
    """Return this process's open source of a packed file; opened anew when the file is another."""
    stamp = file_stamp(place)
    with _lock:
        opened = _sources.get(place)
        if opened is None or opened.stamp != stamp:
            if opened is not None:
                opened.source.close()
            opened = _Opened(stamp, open_source(place))
            _sources[place] = opened
        return opened.source


def file_stamp(place: Path) -> tuple[int, int] | None:
    """Return change time and size of a file, or of the archive that `place` is a folder in; None
    where there is neither.
    """
    for path in (place, *place.parents):
        try:
            state = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        return (state.st_mtime_ns, state.st_size) if stat.S_ISREG(state.st_mode) else None
    return None


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
