"""Folders of a tracking data set: one folder an object, with one line a frame in `groundtruth.txt`.

Frames without a box have `nan,nan,nan,nan` where nothing is known of them, and zeros where the
object is absent. Beside the files of the data set, `meta_info.ini` (GOT-10k's) says label, size,
frames a second, and video and object where the folder's name does not; `confidence.txt` and
`human.label` are there where not all boxes were drawn by a person.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from ltr.dataset.annotations import read_lines
from spot_ext.boxes.formats.numbers import to_float, to_int, to_text
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

BOXES, META, CONFIDENCE, HUMAN = "groundtruth.txt", "meta_info.ini", "confidence.txt", "human.label"

# Lines of one file, 18 hours of video: writing them takes seconds and 200 MB.
MOST_LINES = 2_000_000

_NOT_IN_FOLDERS = re.compile(r"[^\w.\- ]")


def folder_names(videos: Sequence[VideoBoxes]) -> list[tuple[str, VideoBoxes, ObjectTrack]]:
    """Each object with a folder name of its own: the video's, with the object's id where there are
    several.
    """
    taken = {video.video for video in videos}
    found = []
    for video in videos:
        for item in video.objects:
            name = video.video
            if len(video.objects) > 1:
                wanted = name = f"{video.video}_{_NOT_IN_FOLDERS.sub('-', item.object_id)[:50]}"
                number = 2
                while name in taken:
                    name, number = f"{wanted}-{number}", number + 1
                taken.add(name)
            found.append((name, video, item))
    return found


def common_texts(
    folder: str, video: VideoBoxes, item: ObjectTrack
) -> tuple[np.ndarray, dict[str, str | None]]:
    """1 for each frame in which the object is absent, and the files that both data sets have; None
    for those not needed.
    """
    ids = item.frame_ids
    count = video.frame_count
    if count is None:
        count = max(
            (int(other.frame_ids[-1]) + 1 for other in video.objects if len(other.frame_ids)),
            default=0,
        )
    if count > MOST_LINES:
        raise BadValue(
            f"video '{video.video}': {BOXES} has a line for every frame, which would be {count} "
            "lines; correct the frame numbers, or write another format"
        )
    boxes, absent = np.full((count, 4), np.nan), np.zeros(count, dtype=np.int64)
    boxes[ids] = np.where(item.absent[:, None], 0.0, item.boxes_xywh)
    absent[ids] = item.absent
    usual = (item.human == (item.confidences == 1)).all()
    sure = (item.confidences == 1).all()
    texts = {
        BOXES: "".join(",".join(map(to_text, row)) + "\n" for row in boxes.tolist()),
        META: _meta_text(folder, video, item),
        HUMAN: None if usual else _column(count, ids, item.human.astype(np.int64), 0),
        CONFIDENCE: None if sure else _column(count, ids, item.confidences, 1.0),
    }
    return absent, {f"{folder}/{name}": text for name, text in texts.items()}


def read_folder(
    folder: Path,
    flag_files: Sequence[str],
    table: BoxTable,
    label: str = "",
    path: Path | None = None,
) -> None:
    """Add the object of one folder to `table`; `flag_files` say 1 where it is not seen. `path`:
    another file of boxes.

    Lines are `x,y,w,h` of every frame, or `frame,x,y,w,h` of some.
    """
    path = path or folder / BOXES
    meta = _read_meta(folder / META)
    video = meta.get("video") or table.infos.name(folder.resolve().name)
    object_id, label = meta.get("object") or DEFAULT_OBJECT, meta.get("object_class", label)
    lines = [line.replace(",", " ").split() for line in read_lines(path)]
    sparse = bool(lines) and len(lines[0]) == 5
    table.video(
        video,
        # A file with one line is that of the first frame, as in test sets.
        None if sparse or len(lines) <= 1 else len(lines),
        _size(meta, folder / META),
        _fps(meta, folder / META),
    )
    table.object(video, object_id, label)
    hidden = np.zeros(len(lines), dtype=bool)
    if not sparse:
        for name in flag_files:
            if (folder / name).is_file():
                hidden |= _flags(folder / name, len(lines)) != 0
    human = (
        _flags(folder / HUMAN, len(lines)) if (folder / HUMAN).is_file() and not sparse else None
    )
    confidences = (
        _confidences(folder / CONFIDENCE, len(lines))
        if (folder / CONFIDENCE).is_file() and not sparse
        else None
    )
    for row, values in enumerate(lines):
        where = f"{path} line {row + 1}"
        frame_id, box = _line(values, row, sparse, where)
        absent = hidden[row] or (box is not None and box[2] <= 0 and box[3] <= 0)
        if box is None and not absent:
            continue
        table.add(
            where,
            video,
            object_id,
            frame_id,
            None if absent else box,
            1.0 if confidences is None else confidences[row],
            None if human is None else bool(human[row]),
        )


def find_folders(path: Path, depth: int) -> list[Path]:
    """Folders with boxes: `path` itself, or those up to `depth` levels below, in the order of their
    names.
    """
    if (path / BOXES).is_file():
        return [path]
    found = sorted(
        {file.parent for level in range(1, depth + 1) for file in path.glob("*/" * level + BOXES)}
    )
    if not found:
        raise BadValue(f"{path}: no {BOXES} in it or its folders; give the folder of the sequences")
    return found


def _line(values: list[str], row: int, sparse: bool, where: str) -> tuple[int, list[float] | None]:
    """Frame and box of a line; None where nothing is known."""
    if len(values) != (5 if sparse else 4):
        raise BadValue(
            f"{where}: {len(values)} values, not {'frame,x,y,w,h' if sparse else 'x,y,w,h'}; "
            "correct it"
        )
    frame_id = to_int(values[0], where, "frame") if sparse else row
    box = [to_float(text, where, name) for text, name in zip(values[-4:], "xywh", strict=True)]
    return frame_id, None if all(map(math.isnan, box)) else box


def _column(count: int, ids: np.ndarray, values: np.ndarray, otherwise: float) -> str:
    column = np.full(count, otherwise, dtype=values.dtype)
    column[ids] = values
    return "".join(f"{to_text(value)}\n" for value in column.tolist())


def _meta_text(folder: str, video: VideoBoxes, item: ObjectTrack) -> str:
    values = {
        "object_class": item.label,
        "resolution": None if video.size is None else f"({video.size[0]}, {video.size[1]})",
        "anno_fps": None if video.fps is None else f"{to_text(video.fps)}Hz",
        "video": video.video if video.video != folder.rpartition("/")[2] else None,
        "object": item.object_id if item.object_id != DEFAULT_OBJECT else None,
    }
    return "[METAINFO]\n" + "".join(
        f"{key}: {_quoted(value)}\n" for key, value in values.items() if value is not None
    )


def _quoted(text: str) -> str:
    """A value as the file has it; one with spaces around it or quotes before it as JSON has it."""
    return json.dumps(text) if text != text.strip() or text.startswith('"') else text


def _read_meta(path: Path) -> dict[str, str]:
    values = {}
    for number, line in enumerate(read_lines(path) if path.is_file() else [], 1):
        key, colon, value = line.partition(":")
        value = value.strip()
        if value.startswith('"'):
            try:
                value = str(json.loads(value))
            except ValueError:
                raise BadValue(
                    f"{path} line {number}: {value[:60]} is no text in quotes; correct it"
                ) from None
        if colon:
            values[key.strip()] = value
    return values


def _size(meta: dict[str, str], path: Path) -> tuple[int, int] | None:
    if not meta.get("resolution"):
        return None
    found = re.fullmatch(r"\(?\s*(\d{1,9})\s*[,x]\s*(\d{1,9})\s*\)?", meta["resolution"])
    if not found or "0" in (found[1], found[2]):
        raise BadValue(
            f"{path}: resolution is '{meta['resolution'][:40]}', not (width, height); correct it"
        )
    return int(found[1]), int(found[2])


def _fps(meta: dict[str, str], path: Path) -> float | None:
    if not meta.get("anno_fps"):
        return None
    fps = to_float(meta["anno_fps"].removesuffix("Hz").removesuffix("fps"), str(path), "anno_fps")
    return fps if math.isfinite(fps) and fps > 0 else None


def _flags(path: Path, count: int) -> np.ndarray:
    """0 or another number for each line of boxes, one or many a line of the file."""
    flags = [
        to_float(text, f"{path} line {number}", "a flag")
        for number, line in enumerate(read_lines(path), 1)
        for text in line.replace(",", " ").split()
    ]
    _check_count(path, len(flags), count)
    return np.array(flags)


def _confidences(path: Path, count: int) -> list[float]:
    lines = read_lines(path)
    _check_count(path, len(lines), count)
    return [
        to_float(line, f"{path} line {number}", "the confidence")
        for number, line in enumerate(lines, 1)
    ]


def _check_count(path: Path, found: int, count: int) -> None:
    if found != count:
        raise BadValue(
            f"{path} has {found} entries for {count} lines of boxes; copy the sequence again"
        )
