"""Frames from a tar archive of images.

Python's own `tarfile` reads the table of contents; a frame is then one read at a known place.
webdataset, the usual reader of such archives, goes through them from front to back and offers no
frame by number, which pairs and triplets need.
"""

from __future__ import annotations

import functools
import io
import os
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import decode_image
from ltr.frames.names import is_image, natural_key
from ltr.frames.source import FrameSource

# Tables of contents kept in each process: a shard of 1000 videos takes some megabytes.
TABLES_KEPT = 64


class Member(NamedTuple):
    """Place of an image in an archive."""

    name: str
    offset: int  # bytes from the start of the archive
    size: int  # bytes


class TarFrames(FrameSource):
    """The images of an uncompressed tar archive, or of one `folder` in it, in natural order."""

    def __init__(self, path: str | os.PathLike, folder: str | None = None):
        self.path = Path(path)
        self.folder = folder
        self._members: list[Member] | None = None
        self._file: io.FileIO | None = None

    def __len__(self) -> int:
        return len(self._table())

    def read(self, frame_id: int) -> np.ndarray:
        self._check_frame_id(frame_id, self.path)
        member = self._table()[frame_id]
        if self._file is None:
            self._file = io.FileIO(self.path)
        # pread shares no file position between threads
        data = os.pread(self._file.fileno(), member.size, member.offset)
        if len(data) < member.size:
            raise BadValue(
                f"{self.path} ends within frame {frame_id} ({member.name}); copy the archive again"
            )
        return decode_image(data, f"{self.path}:{member.name}")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None}

    def _table(self) -> list[Member]:
        if self._members is None:
            if self.folder is None:
                self._members = _contents(self.path)
            else:
                self._members = folders_in(self.path).get(self.folder, [])
        return self._members


def folders_in(shard: Path) -> dict[str, list[Member]]:
    """Return the images of every folder in an archive, in order; read again when it is another."""
    try:
        state = os.stat(shard)
    except OSError:
        return _folders(shard, None)
    return _folders(shard, (state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=TABLES_KEPT)
def _folders(shard: Path, _stamp: tuple[int, int] | None) -> dict[str, list[Member]]:
    """Return the folders of an archive; the stamp is the part of the key that sees a new one."""
    folders: dict[str, list[Member]] = {}
    for member in _contents(shard):
        folder = os.path.dirname(member.name).removeprefix("./")
        folders.setdefault(folder, []).append(member)
    return folders


def _contents(path: Path) -> list[Member]:
    members = []
    try:
        # "r:" refuses compressed archives, which have no places to jump to
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                if entry.isreg() and is_image(os.path.basename(entry.name)):
                    members.append(Member(entry.name, entry.offset_data, entry.size))
    except FileNotFoundError:
        raise MissingFile(f"there is no archive {path}; correct the path") from None
    except (tarfile.TarError, OSError) as error:
        raise BadValue(
            f"{path} cannot be read as an uncompressed tar archive ({error}); pack it with `tar "
            "-cf`"
        ) from error
    return sorted(members, key=lambda member: natural_key(member.name))
