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

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import decode_image
from ltr.frames.sources import IMAGE_SUFFIXES, FrameSource, natural_key


class TarFrames(FrameSource):
    """The images of an uncompressed tar archive, or of one `folder` in it, ordered by the numbers
    in their names.
    """

    def __init__(self, path: str | os.PathLike, folder: str | None = None):
        self.path = Path(path)
        self.folder = folder
        self._members: list[tuple[str, int, int]] | None = None  # name, place, size
        self._file: io.FileIO | None = None

    def __len__(self) -> int:
        return len(self._table())

    def read(self, frame_id: int) -> np.ndarray:
        self._check(frame_id, self.path)
        name, place, size = self._table()[frame_id]
        if self._file is None:
            self._file = io.FileIO(self.path)
        data = os.pread(self._file.fileno(), size, place)  # no shared position: safe for threads
        if len(data) < size:
            raise BadValue(
                f"{self.path} ends within frame {frame_id} ({name}); copy the archive again"
            )
        return decode_image(data, f"{self.path}:{name}")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_file": None}

    def _table(self) -> list[tuple[str, int, int]]:
        if self._members is None:
            self._members = (
                _contents(self.path)
                if self.folder is None
                else folders_in(self.path).get(self.folder, [])
            )
        return self._members


@functools.lru_cache(maxsize=64)
def folders_in(shard: Path) -> dict[str, list[tuple[str, int, int]]]:
    """The images of every folder in an archive, read once per process: name, place and size of
    each, in order.
    """
    folders: dict[str, list[tuple[str, int, int]]] = {}
    for member in _contents(shard):
        folders.setdefault(os.path.dirname(member[0]).removeprefix("./"), []).append(member)
    return folders


def _contents(path: Path) -> list[tuple[str, int, int]]:
    try:
        with tarfile.open(
            path, "r:"
        ) as archive:  # uncompressed: a compressed one has no places to jump to
            found = [
                (member.name, member.offset_data, member.size)
                for member in archive
                if member.isreg() and member.name.lower().endswith(IMAGE_SUFFIXES)
            ]
    except FileNotFoundError:
        raise MissingFile(f"there is no archive {path}; correct the path") from None
    except (tarfile.TarError, OSError) as error:
        raise BadValue(
            f"{path} cannot be read as an uncompressed tar archive ({error}); pack it with `tar "
            "-cf`"
        ) from error
    return sorted(found, key=lambda member: natural_key(member[0]))
