"""Formats that are a folder: what may be in it before, names of videos in it, object numbers, lists
of class names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_folder, require_replaceable, write_text
from ltr.io.outputs import LEDGER
from spot_ext.boxes.formats.checks import check_folder_names
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

NO_LABEL = "object"  # the class of objects without one
LABELS_FILE = "labels.txt"


def check_target(path: Path, videos: Sequence[VideoBoxes], own: Collection[str]) -> None:
    """Raise BadValue where `path` is a file, holds anything but `own` names, or a video cannot be a
    folder's name.

    What else lies there would be read as a part of the export.
    """
    check_folder_names(videos)
    if path.exists() and not path.is_dir():
        raise BadValue(f"{path} is a file; this format is a folder, name a new one")
    other = (
        sorted(entry.name for entry in path.iterdir() if entry.name not in {*own, LEDGER})
        if path.is_dir()
        else []
    )
    if other:
        raise BadValue(
            f"{path} already holds other things, e.g. '{other[0]}', which would be read as a part "
            "of the export; "
            "name a new folder"
        )


def write_tree(path: Path, texts: Mapping[str, str | None]) -> list[Path]:
    """Write files, named relative to the folder `path`; those that are None are removed. Returns
    the files written.

    A new folder is whole or not there, and flushed to disk at once: file by file, thousands of
    frames would take minutes. In a folder that is there each file is replaced by itself.
    """
    written = {name: text for name, text in texts.items() if text is not None}
    if path.is_dir() and any(path.iterdir()):
        # All are looked at before the first is replaced.
        for name in texts:
            require_replaceable(path / name)
        for name, text in written.items():
            write_text(path / name, text)
        for name in texts.keys() - written.keys():
            (path / name).unlink(missing_ok=True)
        return [path / name for name in written]
    with atomic_folder(path) as temporary:
        for folder in sorted({(temporary / name).parent for name in written}):
            folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (temporary / name).write_text(text, encoding="utf-8", newline="\n")
    return [path / name for name in written]


def numbers_of(objects: Sequence[ObjectTrack]) -> list[int]:
    """A number for each object: its id where all ids are numbers from 1, else its place."""
    ids = [item.object_id for item in objects]
    if all(_is_plain_number(name) for name in ids):
        return [int(name) for name in ids]
    return list(range(1, len(ids) + 1))


def _is_plain_number(name: str) -> bool:
    """Tell whether a name is a number from 1 as people write it, of at most nine digits."""
    return name.isascii() and name.isdecimal() and name[0] != "0" and len(name) < 10


def class_names(videos: Iterable[VideoBoxes]) -> list[str]:
    """All labels, in the order in which they come."""
    return list(dict.fromkeys(item.label or NO_LABEL for video in videos for item in video.objects))
