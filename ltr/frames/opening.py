"""Opens the frames in a place: a folder of images, a video file, or a tar archive of images.

A sequence whose image folder `F` holds no images may have its frames in, looked for in this order,

    F/frames.tar   F.tar   F/video.mp4   F.mp4   shard*.tar, one or two folders above

(and in videos of the other kinds that PyAV reads), and where F is called `img`, also in the folder
above. Suffixes in capitals are the same suffixes. Frame i is the i-th image of the archive, ordered
by the numbers in the names, or the i-th picture that the video shows. A training set of many small
videos is best kept as archives: one file a sequence, each frame one read. Video files are the
smallest, but a random frame costs decoding from the key frame before it.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from ltr.admin.errors import BadValue, MissingFile
from ltr.frames.counted import CountedFrames
from ltr.frames.images import ImageFiles
from ltr.frames.names import (
    ARCHIVE_SUFFIX,
    PACKED_SUFFIXES,
    VIDEO_SUFFIXES,
    has_suffix,
    image_folder,
    images_in,
)
from ltr.frames.source import FrameSource
from ltr.frames.tar import TarFrames, folders_in
from ltr.frames.video_file import VideoFile
from ltr.io.reading import require_file

# Shards lie beside a sequence's folder or one folder above it.
SHARD_LEVELS = 2


def open_source(place: str | os.PathLike) -> FrameSource:
    """Return the frames in `place`: a folder of images or one that holds a packed file, a video
    file, a tar archive, or a folder inside an archive.
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
    if has_suffix(packed, (ARCHIVE_SUFFIX,)):
        return TarFrames(packed)
    archive = _archive_around(packed)
    if archive is not None:
        return TarFrames(archive, packed.relative_to(archive).as_posix())
    if has_suffix(packed, VIDEO_SUFFIXES):
        return VideoFile(packed)
    raise BadValue(
        f"{packed} is neither a tar archive nor a video ({', '.join(VIDEO_SUFFIXES)}); convert it"
    )


def open_video(place: str | os.PathLike) -> FrameSource:
    """Return the frames of a video that a person named: a video file of any suffix, a folder of
    images (or its `img`), or a tar archive.

    Video files are read by PyAV, which finds any frame exactly; without the extra `video`, by
    OpenCV, which has to count from the start whenever it goes back.
    """
    place = Path(place).expanduser()
    if not place.exists():
        raise MissingFile(f"there is no video file or folder {place}; correct the path")
    if place.is_dir():
        return open_source(image_folder(place) or place)
    require_file(place)
    if has_suffix(place, (ARCHIVE_SUFFIX,)):
        return TarFrames(place)
    return VideoFile(place) if has_pyav() else CountedFrames(place)


def has_pyav() -> bool:
    """Tell if PyAV, the extra `video`, is installed."""
    return importlib.util.find_spec("av") is not None


def find_packed(folder: Path, beside: bool = True) -> Path | None:
    """Return the video file or archive that takes the place of the images of `folder`.

    It lies in the folder or, unless `beside` is False, beside it under the folder's name.
    """
    for suffix in PACKED_SUFFIXES:
        stem = "frames" if suffix == ARCHIVE_SUFFIX else "video"
        # files are asked for by name: listing a folder of 10,000 archives for each of them is slow
        for spelling in (suffix, suffix.upper(), suffix.capitalize()):
            candidates = [folder / (stem + spelling)]
            if beside:
                candidates.append(folder.with_name(folder.name + spelling))
            if folder.name == "img":
                candidates.append(folder.with_name(stem + spelling))
            for packed in candidates:
                if packed.is_file():
                    return packed
    return _in_shards(folder)


def _archive_around(place: Path) -> Path | None:
    """Return the archive that a folder such as `shard-000.tar/name` is in."""
    for above in place.parents:
        if has_suffix(above, (ARCHIVE_SUFFIX,)) and above.is_file():
            return above
    return None


def _in_shards(folder: Path) -> Path | None:
    """Return `<shard>/<name>` for the archive `shard*.tar` that holds the images of `folder`."""
    for above in list(folder.parents)[:SHARD_LEVELS]:
        shards = sorted(above.glob("shard*.tar"))
        name = folder.relative_to(above).as_posix()
        for shard in shards:
            if name in folders_in(shard):
                return shard / name
        if shards:
            return None
    return None
