"""CSV: a line a box, `video,object,frame,x,y,w,h,confidence,human,label`; ours, which loses nothing
about a box.

Frames count from 0, boxes are pixels. An absent object has its x, y, w and h empty; `human` is 1
for boxes a person drew. Of other files only frame, x, y, w and h must be there, under a header in
any order; without a header a line holds `frame,x,y,w,h` of one video or `video,frame,x,y,w,h`.
Commas, semicolons or tabs separate.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.io import outputs
from ltr.io.files import atomic_write
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.numbers import to_float, to_int, to_text
from spot_ext.boxes.formats.origin import COMPUTED_IF_FALSE, COMPUTED_IF_TRUE, drawn_by_person
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

COLUMNS = ("video", "object", "frame", "x", "y", "w", "h", "confidence", "human", "label")
FILE_NAME = "boxes.csv"  # in the output folder of `label`
_NEEDED = ("frame", "x", "y", "w", "h")
_OTHER_NAMES = {
    "width": "w",
    "height": "h",
    "frame_id": "frame",
    "object_id": "object",
    "score": "confidence",
    "class": "label",
}

# Columns that say who drew a box.
_ORIGIN = ("human", *COMPUTED_IF_TRUE, *COMPUTED_IF_FALSE)


def looks_like(place: Candidate) -> bool:
    """A `.csv` file, a text file with our header or five or six columns, or a folder that holds
    `boxes.csv`.
    """
    if place.is_folder:
        return place.holds(FILE_NAME)
    if place.suffix in (".csv", ".tsv"):
        return True
    return place.suffix == ".txt" and (
        place.numbers == 5 or set(_NEEDED) <= set(_split(place.first_line))
    )


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of a file, or of `boxes.csv` in a folder."""
    path = path / FILE_NAME if path.is_dir() else path
    outputs.note_input(path)
    if not path.is_file():
        raise MissingFile(
            f"there is no {path}; give a CSV file, or a folder that `label` has written"
        )
    table = BoxTable(path, infos)
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        file.seek(0)
        lines = csv.reader(file, delimiter=_delimiter(first), skipinitialspace=True)
        try:
            _read_lines(lines, table, infos)
        except csv.Error as error:
            raise BadValue(
                f"{path} line {lines.line_num}: not a line of a CSV file ({error}); correct it"
            ) from None
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """Write one file; a folder gets it as `boxes.csv`."""
    path = path / FILE_NAME if path.is_dir() else path
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        file.write(",".join(COLUMNS) + "\n")
        for video in videos:
            for item in video.objects:
                file.writelines(_lines(video.video, item))
    return [path]


def _lines(video: str, item: ObjectTrack) -> Iterable[str]:
    start, label = f"{_cell(video)},{_cell(item.object_id)}", _cell(item.label)
    for frame_id, box, confidence, human in item.rows():
        numbers = ",,," if box is None else ",".join(map(to_text, box))
        yield f"{start},{frame_id},{numbers},{to_text(confidence)},{int(human)},{label}\n"


def _cell(text: str) -> str:
    """Text as one cell, in quotes where it would be read as anything else."""
    if any(sign in text for sign in ',;\t"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _read_lines(lines: Any, table: BoxTable, infos: Infos) -> None:
    columns: dict[str, int] | None = None
    video = ""
    rows: list[tuple[str, list[str]]] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{table.path} line {lines.line_num}"
        if columns is None:
            columns, is_header = _columns(cells, where)
            if "video" not in columns:
                video = infos.only(_video_of(table.path), table.path)
            if is_header:
                continue
        rows.append((where, cells))
    if columns is None:
        raise BadValue(f"{table.path} is empty; a line holds frame,x,y,w,h")
    named_videos = _videos_with_ids(rows, columns, video, infos)
    for where, cells in rows:
        _add_line(cells, columns, where, video, table, named_videos)


def _videos_with_ids(
    rows: list[tuple[str, list[str]]], columns: dict[str, int], video: str, infos: Infos
) -> set[str]:
    """Return the videos in which some line names its object."""
    place = columns.get("object")
    if place is None:
        return set()
    found = set()
    for _, cells in rows:
        if len(cells) >= len(columns) and cells[place].strip():
            found.add(infos.name(cells[columns["video"]]) if "video" in columns else video)
    return found


def _add_line(
    cells: list[str],
    columns: dict[str, int],
    where: str,
    video: str,
    table: BoxTable,
    named_videos: set[str],
) -> None:
    if len(cells) < len(columns):
        raise BadValue(f"{where}: {len(cells)} values for {len(columns)} columns; correct it")

    def cell(name: str) -> str:
        return cells[columns[name]] if name in columns else ""

    frame_id = to_int(cell("frame"), where, "frame")
    corners = [cell(name).strip() for name in "xywh"]
    if all(text.lower() in ("", "nan") for text in corners):
        box = None
    else:
        box = [to_float(text, where, name) for text, name in zip(corners, "xywh", strict=True)]
    confidence = (
        to_float(cell("confidence"), where, "confidence") if cell("confidence").strip() else 1.0
    )
    human = drawn_by_person(where, {name: cell(name) for name in _ORIGIN if name in columns})
    name = table.infos.name(cell("video")) if "video" in columns else video
    if not name:
        raise BadValue(f"{where}: the video's name is empty; give it")
    object_id = cell("object").strip()
    if not object_id and name in named_videos:
        table.add_untracked(where, name, frame_id, box, confidence, human, cell("label"))
        return
    object_id = cell("object") or DEFAULT_OBJECT
    table.add(where, name, object_id, frame_id, box, confidence, human, cell("label"))


def _columns(cells: list[str], where: str) -> tuple[dict[str, int], bool]:
    """Column of each name, and whether the line is a header."""
    names = [cell.strip().lower() for cell in cells]
    if not any(name in names for name in _NEEDED):
        for order in (_NEEDED, ("video", *_NEEDED)):
            if len(cells) == len(order):
                return {name: number for number, name in enumerate(order)}, False
        raise BadValue(
            f"{where}: neither a header nor frame,x,y,w,h nor video,frame,x,y,w,h; write the "
            "header "
            f"{','.join(COLUMNS)}, of which {', '.join(_NEEDED)} are needed"
        )
    names = [_OTHER_NAMES.get(name, name) for name in names]
    for name in _NEEDED:
        if name not in names:
            raise BadValue(
                f"{where}: the header has no column '{name}'{suggestion(name, names)}; add it"
            )
    if twice := next((name for name in COLUMNS if names.count(name) > 1), None):
        raise BadValue(f"{where}: the header has the column '{twice}' twice; remove one")
    return {name: number for number, name in enumerate(names)}, True


def _video_of(path: Path) -> str:
    """The video that a file without names is about: its own name, or its folder's where it is
    called as in data sets.
    """
    return path.resolve().parent.name if path.stem in ("groundtruth", "boxes") else path.stem


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _split(line: str) -> list[str]:
    return [
        cell.strip() for cell in next(csv.reader(io.StringIO(line), delimiter=_delimiter(line)), [])
    ]


FORMAT = Format(
    name="csv",
    text="a table video,object,frame,x,y,w,h,confidence,human,label",
    order=10,
    looks_like=looks_like,
    read=read,
    write=write,
    suffixes=(".csv", ".txt"),
)
