"""Frames of a video by number, whatever holds them: a folder of images, a video file, or a tar
archive of images.

A sequence whose image folder `F` holds no images may have its frames in, looked for in this order,

    F/frames.tar   F.tar   F/video.mp4   F.mp4

(`.mkv`, `.avi`, `.mov`, `.webm`, `.m4v` as well), and where F is called `img`, also in the folder
above. Frame i is the i-th image of the archive, ordered by the numbers in the names, or the i-th
picture that the video shows. A training set of many small videos is best kept as archives: one file
a sequence, each frame one read. Video files are the smallest, but a random frame costs decoding
from the key frame before it.
"""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v")
_OPEN = 16  # sources kept open in each process: an open video holds a decoder's frames


class FrameSource(ABC):
    """Frames 0 to len - 1 of one video, read in any order. Files are opened on first use and belong
    to one process.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def read(self, frame_id: int) -> np.ndarray:
        """Frame (H, W, 3) uint8 RGB. BadInput, naming file and frame, when it is not there or
        damaged.
        """

    def close(self) -> None:  # noqa: B027 (not every source holds a file)
        """Let go of files; the next `read` opens them again."""

    def _check(self, frame_id: int, place: object) -> None:
        if not 0 <= frame_id < len(self):
            raise MissingFile(
                f"{place} has no frame {frame_id}, it has {len(self)}; check the frame numbers"
            )


class ImageFiles(FrameSource):
    """One image file a frame."""

    def __init__(self, paths: Sequence[str | os.PathLike], image_loader: Callable | None = None):
        from ltr.data.image_loader import default_image_loader

        self.paths = list(paths)
        self.image_loader = image_loader or default_image_loader

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, frame_id: int) -> np.ndarray:
        self._check(frame_id, os.path.dirname(self.paths[0]) if self.paths else "an empty folder")
        return self.image_loader(str(self.paths[frame_id]))


def open_source(place: str | os.PathLike) -> FrameSource:
    """The frames in `place`: a folder of images, or one that holds a packed file, or a video file
    or tar archive itself, or a folder inside an archive.
    """
    place = Path(place)
    packed = place if place.is_file() or _archive_around(place) else find_packed(place)
    if packed is None:
        images = images_in(place) if place.is_dir() else []
        if not images:
            raise MissingFile(
                f"{place} holds neither images nor frames.tar nor video.mp4; correct the path"
            )
        return ImageFiles(images)
    archive = packed if packed.suffix.lower() == ".tar" else _archive_around(packed)
    if archive is not None:
        from ltr.frames.tar import TarFrames

        return TarFrames(
            archive, None if archive == packed else packed.relative_to(archive).as_posix()
        )
    if packed.suffix.lower() in VIDEO_SUFFIXES:
        from ltr.frames.video_file import VideoFile

        return VideoFile(packed)
    raise BadValue(
        f"{packed} is neither a tar archive nor a video ({', '.join(VIDEO_SUFFIXES)}); convert it"
    )


def _archive_around(place: Path) -> Path | None:
    """The archive that a folder such as `shard-000.tar/name` is in."""
    return next(
        (above for above in place.parents if above.suffix.lower() == ".tar" and above.is_file()),
        None,
    )


def find_packed(folder: Path) -> Path | None:
    """The video file or archive that takes the place of the images of `folder`, None where there is
    none.
    """
    for suffix in (".tar", *VIDEO_SUFFIXES):
        inside = "frames.tar" if suffix == ".tar" else f"video{suffix}"
        places = [folder / inside, folder.parent / (folder.name + suffix)]
        if folder.name == "img":
            places.append(folder.parent / inside)
        for place in places:
            if place.is_file():
                return place
    return _in_shards(folder)


def _in_shards(folder: Path) -> Path | None:
    """`<shard>/<name>` for the archive `shard*.tar`, up to two folders above, that holds the images
    of `folder`.
    """
    for above in list(folder.parents)[:2]:
        shards = sorted(above.glob("shard*.tar"))
        if shards:
            from ltr.frames.tar import folders_in

            name = folder.relative_to(above).as_posix()
            return next((shard / name for shard in shards if name in folders_in(shard)), None)
    return None


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, ordered by the numbers in their names; hidden files are left out."""
    names = [
        name
        for name in os.listdir(folder)
        if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
    ]
    return [folder / name for name in sorted(names, key=natural_key)]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorting key by which `frame10` comes after `frame9`."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


class PackedFrames:
    """Reads frames of a data set that may have some sequences packed; cheap to send to workers, as
    it holds no file.
    """

    def __init__(self) -> None:
        self._places: dict[
            str, Path
        ] = {}  # image folder -> packed file, of folders seen to be packed

    def read(self, image: Path, frame_id: int, image_loader: Callable) -> np.ndarray:
        """The image file of a frame or, where there is none, frame `frame_id` of what takes its
        folder's place.
        """
        folder = str(image.parent)
        if folder not in self._places:
            try:
                return image_loader(str(image))  # the common case pays nothing for the others
            except MissingFile:
                place = find_packed(image.parent)
                if place is None:
                    raise
                self._places[folder] = place
        return shared_source(self._places[folder]).read(frame_id)


_lock = threading.RLock()
_sources: OrderedDict[Path, FrameSource] = OrderedDict()


def shared_source(place: Path) -> FrameSource:
    """This process's open source of a packed file. The ones used last stay open, so that files open
    at once are few.
    """
    with _lock:
        if place not in _sources:
            _sources[place] = open_source(place)
            if len(_sources) > _OPEN:
                _sources.popitem(last=False)[1].close()
        _sources.move_to_end(place)
        return _sources[place]


def _forget_after_fork() -> None:
    """A child shares file positions with its parent, and decoders do not survive: it opens its
    own.
    """
    global _lock
    _lock = threading.RLock()
    for source in _sources.values():
        source.close()
    _sources.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
