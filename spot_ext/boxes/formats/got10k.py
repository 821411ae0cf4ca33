"""GOT-10k: `<video>/groundtruth.txt`, `absence.label`, `cover.label`, `meta_info.ini`, and
`list.txt` with the names.

Boxes are taken as they are, the top left corner of the frame is (0, 0). See `sequence_folders` for
what else is in a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.dataset.annotations import read_lines
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.folders import check_target, write_tree
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.sequence_folders import (
    BOXES,
    common_texts,
    find_folders,
    folder_names,
    read_folder,
)
from spot_ext.boxes.formats.table import BoxTable
from spot_ext.boxes.track import VideoBoxes

LIST, ABSENT, COVER = "list.txt", "absence.label", "cover.label"
_FULLY_SEEN = 8  # cover.label counts in eighths


def looks_like(place: Candidate) -> bool:
    """A folder with folders of boxes, one of these, or a file of boxes."""
    return place.holds(BOXES, f"*/{BOXES}") or (place.numbers == 4 and place.suffix == ".txt")


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of the sequences in `list.txt`, of all there are without it, of one sequence's folder,
    or of one file of boxes.
    """
    table = BoxTable(path, infos)
    if path.is_file():
        read_folder(
            path.parent if path.name == BOXES else path.parent / path.stem,
            (ABSENT,),
            table,
            path=path,
        )
        return table.videos()
    names = path / LIST
    if names.is_file():
        folders = [path / line.strip() for line in read_lines(names) if line.strip()]
    else:
        folders = find_folders(path, 1)
    for folder in folders:
        if not folder.is_dir():
            raise BadValue(
                f"{names}: there is no folder '{folder.name}' beside it; correct the list or copy "
                "the sequence"
            )
        read_folder(folder, (ABSENT,), table)
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """A folder an object; `list.txt` comes last."""
    named = folder_names(videos)
    check_target(path, videos, {LIST, *(name for name, _, _ in named)})
    texts: dict[str, str | None] = {}
    for name, video, item in named:
        absent, common = common_texts(name, video, item)
        texts |= common
        texts[f"{name}/{ABSENT}"] = "".join(f"{flag}\n" for flag in absent.tolist())
        texts[f"{name}/{COVER}"] = "".join(
            f"{_FULLY_SEEN * (1 - flag)}\n" for flag in absent.tolist()
        )
    return write_tree(path, {**texts, LIST: "".join(f"{name}\n" for name, _, _ in named)})


FORMAT = Format(
    name="got10k",
    text="GOT-10k folders: <video>/groundtruth.txt, absence.label, cover.label, meta_info.ini",
    order=80,
    looks_like=looks_like,
    read=read,
    write=write,
)
