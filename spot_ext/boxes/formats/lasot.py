"""LaSOT: `<class>/<class>-<number>/groundtruth.txt`, `full_occlusion.txt`, `out_of_view.txt`.

Boxes are taken as they are, as every reader of LaSOT here does: the top left corner of the frame is
(0, 0). A video whose name has no number at its end, as LaSOT's have, is a folder of its own. See
`sequence_folders` for what else is in a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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

OCCLUDED, OUT_OF_VIEW = "full_occlusion.txt", "out_of_view.txt"


def looks_like(place: Candidate) -> bool:
    """A folder, up to two levels above sequences with LaSOT's flags."""
    return place.holds(OUT_OF_VIEW, f"*/{OUT_OF_VIEW}", f"*/*/{OUT_OF_VIEW}", f"*/*/{OCCLUDED}")


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of all sequences, of one sequence's folder, or of the `groundtruth.txt` in it. The
    class is the label.
    """
    table = BoxTable(path, infos)
    for folder in find_folders(path.parent if path.name == BOXES else path, 2):
        read_folder(
            folder,
            (OCCLUDED, OUT_OF_VIEW),
            table,
            _class_of(folder.name) if _is_in_class(folder) else "",
        )
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """A folder an object; an absence is written as out of view, as what hides the object is not
    known.
    """
    named = [
        (f"{_class_of(name)}/{name}" if _class_of(name) else name, video, item)
        for name, video, item in folder_names(videos)
    ]
    check_target(path, videos, {place.partition("/")[0] for place, _, _ in named})
    texts: dict[str, str | None] = {}
    for place, video, item in named:
        absent, common = common_texts(place, video, item)
        texts |= common
        texts[f"{place}/{OUT_OF_VIEW}"] = ",".join(map(str, absent.tolist())) + "\n"
        texts[f"{place}/{OCCLUDED}"] = ",".join("0" for _ in absent) + "\n"
    return write_tree(path, texts)


def _class_of(name: str) -> str:
    """`car` of `car-12`; empty for other names."""
    start, dash, number = name.rpartition("-")
    return start if dash and start and number.isdecimal() else ""


def _is_in_class(folder: Path) -> bool:
    return folder.resolve().parent.name == _class_of(folder.name)


FORMAT = Format(
    name="lasot",
    text="LaSOT folders: <class>/<class>-<number>/groundtruth.txt, full_occlusion.txt, …",
    order=70,
    looks_like=looks_like,
    read=read,
    write=write,
)
