"""MOTChallenge text: lines `frame,id,x,y,w,h,confidence,class,visibility`.

Frames count from 1 and so do pixels, as the benchmark defines them: the top left pixel is (1, 1). A
folder has `<video>/gt/gt.txt` (or `det/det.txt`), `<video>/seqinfo.ini`, and
`<video>/gt/labels.txt` with a class a line as CVAT writes it; a single text file holds one video.
An id is a number; absences have no place in it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from ltr.admin.errors import BadInput, BadValue, in_short
from ltr.dataset.annotations import read_lines
from ltr.io.files import write_text
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.folders import (
    LABELS_FILE,
    check_target,
    class_names,
    numbers_of,
    write_tree,
)
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.numbers import to_float, to_int, to_text
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import BoxTable, rounded
from spot_ext.boxes.track import VideoBoxes

logger = logging.getLogger(__name__)

TRUTH, DETECTIONS, INFO = "gt/gt.txt", "det/det.txt", "seqinfo.ini"
# The id of a box that belongs to no track.
NO_ID = -1

# A confidence of 0 means "not considered", so that a box of ours is never written with it.
SMALLEST_CONFIDENCE = 1e-6

_COLUMNS = ("frame", "id", "x", "y", "w", "h", "confidence", "class")


def looks_like(place: Candidate) -> bool:
    """A text file with six or more numbers a line, or a folder in the layout of the benchmark."""
    if place.is_folder:
        return place.holds(TRUTH, DETECTIONS, f"*/{TRUTH}", f"*/{DETECTIONS}", INFO, f"*/{INFO}")
    return place.suffix == ".txt" and place.numbers >= 6 and "," in place.first_line


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Tracks of a file, of a video's folder, or of a folder with one of them a video."""
    table = BoxTable(path, infos)
    if path.is_file():
        name = infos.only(
            path.parent.parent.name if path.name in ("gt.txt", "det.txt") else path.stem, path
        )
        _read_file(path, name, [], table)
        return table.videos()
    if _boxes_file(path):
        found = [path]
    else:
        found = sorted(
            folder for folder in path.iterdir() if folder.is_dir() and _boxes_file(folder)
        )
    if not found:
        raise BadValue(
            f"{path}: no {TRUTH} or {DETECTIONS} in it or its folders; give the folder of the "
            "videos"
        )
    for folder in found:
        name = infos.name(folder.resolve().name)
        if name not in infos and len(found) == 1 and len(infos) == 1:
            name = next(iter(infos))
        _read_info(folder / INFO, name, table)
        boxes = _boxes_file(folder)
        labels = folder / "gt" / LABELS_FILE
        classes = read_lines(labels) if labels.is_file() else []
        if boxes is not None:
            _read_file(boxes, name, classes, table)
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """A folder, or, where `path` ends with .txt, one file for one video."""
    classes = class_names(videos)
    if path.suffix.lower() == ".txt":
        if len(videos) != 1:
            raise BadValue(
                f"{path}: a MOT text file holds one video, these are {len(videos)}; name a folder"
            )
        write_text(path, "".join(_lines(videos[0], classes)))
        return [path]
    check_target(path, videos, {video.video for video in videos})
    texts: dict[str, str] = {}
    for video in videos:
        texts |= {
            f"{video.video}/{TRUTH}": "".join(_lines(video, classes)),
            f"{video.video}/{INFO}": _info(video),
            f"{video.video}/gt/{LABELS_FILE}": "".join(f"{name}\n" for name in classes),
        }
    return write_tree(path, texts)


def _lines(video: VideoBoxes, classes: list[str]) -> Iterator[str]:
    rows = []
    for number, item in zip(numbers_of(video.objects), video.objects, strict=True):
        kind = classes.index(item.label) + 1 if item.label else -1
        for frame_id, box, confidence, _ in item.rows():
            if box is not None:
                rows.append((frame_id, number, box, max(confidence, SMALLEST_CONFIDENCE), kind))
    for frame_id, number, (x, y, w, h), confidence, kind in sorted(rows, key=lambda row: row[:2]):
        numbers = ",".join(map(to_text, (x + 1, y + 1, w, h, confidence)))
        yield f"{frame_id + 1},{number},{numbers},{kind},1\n"


def _info(video: VideoBoxes) -> str:
    size = video.size or (None, None)
    values = {
        "name": video.video,
        "imDir": "img1",
        "frameRate": video.fps and to_text(video.fps),
        "seqLength": video.frame_count,
        "imWidth": size[0],
        "imHeight": size[1],
        "imExt": ".jpg",
    }
    return "[Sequence]\n" + "".join(
        f"{key}={value}\n" for key, value in values.items() if value is not None
    )


def _boxes_file(folder: Path) -> Path | None:
    return next((folder / name for name in (TRUTH, DETECTIONS) if (folder / name).is_file()), None)


def _read_info(path: Path, video: str, table: BoxTable) -> None:
    values = {}
    if path.is_file():
        for number, line in enumerate(read_lines(path), 1):
            key, equals, value = line.partition("=")
            if equals and value.strip():
                values[key.strip()] = value.strip(), f"{path} line {number}"
    count, width, height = (
        to_int(*values[key], key) if key in values else None
        for key in ("seqLength", "imWidth", "imHeight")
    )
    fps = to_float(*values["frameRate"], "frameRate") if "frameRate" in values else None
    numbers = [value for value in (count, width, height, fps) if value is not None]
    if not all(0 < value < math.inf for value in numbers):
        raise BadValue(
            f"{path}: seqLength, imWidth, imHeight and frameRate must be above 0; correct them or "
            "remove the lines"
        )
    table.video(video, count, (width, height) if width and height else None, fps)


def _read_file(path: Path, video: str, classes: list[str], table: BoxTable) -> None:
    table.video(video)
    labels: dict[str, str] = {}
    passed_over = 0
    rows = _rows(path)
    first = _first_frame(rows, video, table.infos.options.first_frame)
    has_tracks = any(to_int(cells[1], where, "id") != NO_ID for where, cells in rows)
    for where, cells in rows:
        frame_id = to_int(cells[0], where, "frame") - first
        number_id = to_int(cells[1], where, "id")
        x, y, w, h = (
            to_float(cell, where, name) for cell, name in zip(cells[2:6], "xywh", strict=True)
        )
        confidence = to_float(cells[6], where, "confidence") if len(cells) > 6 else 1.0
        if confidence == 0:
            passed_over += 1
            continue
        # What counts frames from 0 counts pixels from 0.
        box = rounded((x - first, y - first, w, h))
        confidence = 1.0 if confidence == -1 else confidence
        kind = _class(cells, classes, where)
        if number_id == NO_ID and has_tracks:
            table.add_untracked(where, video, frame_id, box, confidence, None, kind)
            continue
        label = labels.setdefault(cells[1], kind)
        try:
            table.add(where, video, str(number_id), frame_id, box, confidence, None, label)
        except BadInput as error:
            if number_id == NO_ID:
                raise BadValue(
                    f"{where}: detections without ids are no tracks; give each object its id"
                ) from error
            raise
    if passed_over:
        logger.warning(
            "%s: %d rows of confidence 0 are left out; the benchmark does not consider them",
            path,
            passed_over,
        )


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    """Return place and cells of each line with text."""
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        where, cells = f"{path} line {number}", line.replace(",", " ").split()
        if not 6 <= len(cells) <= 10:
            raise BadValue(
                f"{where}: {len(cells)} values, not frame,id,x,y,w,h,confidence and at most three "
                "more; correct it"
            )
        rows.append((where, cells))
    return rows


def _first_frame(rows: list[tuple[str, list[str]]], video: str, wanted: int | None) -> int:
    """Return the number of the first frame: 1, or 0 where the caller says so.

    A file that counts from 0 is refused with the numbers in it.
    """
    if wanted is not None or not rows:
        return 1 if wanted is None else wanted
    numbers = [(to_int(cells[0], where, "frame"), where) for where, cells in rows]
    lowest, where = min(numbers)
    highest, _ = max(numbers)
    if lowest < 1:
        first, last = in_short(lowest), in_short(highest)
        raise BadValue(
            f"{where}: video '{video}' has no frame {in_short(lowest - 1)}: the file counts frames "
            f"from {first}, it has frames {first} to {last}, and MOTChallenge counts from 1; "
            "convert it with `export --first-frame 0`, or add 1 to the first column"
        )
    return 1


def _class(cells: list[str], classes: list[str], where: str) -> str:
    """Return the class name in the eighth column; empty where it or the file of names is not."""
    if len(cells) < 8 or not classes:
        return ""
    number = to_int(cells[7], where, "class")
    if number == -1:
        return ""
    if not 1 <= number <= len(classes):
        raise BadValue(
            f"{where}: class {number}, and {LABELS_FILE} names {len(classes)}; correct one of them"
        )
    return classes[number - 1]


FORMAT = Format(
    name="mot",
    text="MOTChallenge text: <video>/gt/gt.txt with seqinfo.ini, or one .txt of a single video",
    order=60,
    looks_like=looks_like,
    read=read,
    write=write,
    suffixes=(".txt",),
)
