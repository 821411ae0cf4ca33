"""Frames that are worth a person's look, in one file layout.

`label` asks for the frames it doubts, `suggest` for those whose labels would teach most; `annotate`
reads what they write. A CSV file has the columns of `COLUMNS`. A JSON file is an object whose list
`requests` holds the same names, and may add `boxes`: boxes to show beside the request. The most
wanted frame comes first.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue, MissingFile, in_short
from ltr.admin.invocation import spot_command
from ltr.io.files import write_text

COLUMNS = ("video", "object", "frame", "score", "reason")
REQUESTS = "requests"

Box = tuple[float, float, float, float]  # x, y, w, h in frame pixels

# Digits of an object's number.
LONGEST_NUMBER = 19


@dataclass(frozen=True)
class FrameRequest:
    """A frame that someone should look at.

    An empty `object_id` means the whole frame. The score is 0..1, and a higher one is more urgent;
    None says that no score was given.
    """

    video: str
    object_id: str
    frame_id: int  # 0-based
    score: float | None = None
    reason: str = ""
    # by name, for example where each of two walks saw the object
    boxes_xywh: Mapping[str, Box] = field(default_factory=dict)


@dataclass(frozen=True)
class FileEntry:
    """A request as a file holds it."""

    where: str  # names the line or entry in an error
    request: FrameRequest
    # Files of an earlier version list every doubtful frame without saying which belong together.
    is_old_review: bool = False


def csv_text(requests: Sequence[FrameRequest]) -> str:
    """Return the requests as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for request in requests:
        score = "" if request.score is None else f"{request.score:.4f}"
        writer.writerow([request.video, request.object_id, request.frame_id, score, request.reason])
    return text.getvalue()


def write_csv(path: Path, requests: Sequence[FrameRequest]) -> None:
    """Write the requests as CSV, in one step."""
    write_text(path, csv_text(requests))


def plain(requests: Sequence[FrameRequest], about: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON file: what it is `about`, then the requests."""
    return {**about, REQUESTS: [_plain_request(request) for request in requests]}


def write_json(path: Path, requests: Sequence[FrameRequest], about: Mapping[str, Any]) -> None:
    """Write the requests as JSON, in one step."""
    write_text(path, json.dumps(plain(requests, about), indent=2) + "\n")


def _plain_request(request: FrameRequest) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "video": request.video,
        "object": request.object_id,
        "frame": request.frame_id,
        "score": None if request.score is None else round(request.score, 4),
        "reason": request.reason,
    }
    if request.boxes_xywh:
        entry["boxes"] = {
            name: [round(float(value), 1) for value in box]
            for name, box in request.boxes_xywh.items()
        }
    return entry


def read(path: Path) -> list[FileEntry]:
    """Read a CSV or JSON file, in its order; only video and frame have to be there.

    Files of earlier versions are read as well: `review.csv` with a confidence instead of a score,
    and suggestions with the number of the object from 0 (`path`). BadInput names the line or entry
    that cannot be read.
    """
    if not path.is_file():
        raise MissingFile(
            f"there is no file {path} with frames to label; write it with "
            f"`{spot_command('suggest')}`"
        )
    if path.suffix.lower() == ".json":
        rows = _json_rows(path)
    else:
        rows = _csv_rows(path)
    return [_entry(where, row) for where, row in rows]


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Line 1 is the header.
            for number, row in enumerate(csv.DictReader(file), 2):
                yield f"{path} line {number}", row
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadValue(
            f"{path} is not a CSV file in UTF-8 ({in_short(error)}); write it again"
        ) from None


def _json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadValue(f"{path} is not a JSON file ({in_short(error)}); write it again") from None
    lists = [content]
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
    is_list_of_objects = (
        len(lists) == 1
        and isinstance(lists[0], list)
        and all(isinstance(row, dict) for row in lists[0])
    )
    if not is_list_of_objects:
        raise BadValue(
            f"{path} holds no list of frames, each with video and frame; write it with "
            f"`{spot_command('suggest')}`"
        )
    for number, row in enumerate(lists[0], 1):
        yield f"{path} entry {number}", row


def _entry(where: str, row: Mapping[str, Any]) -> FileEntry:
    video = row.get("video")
    frame = row.get("frame")
    if video is None or frame is None:
        raise BadValue(
            f"{where}: has no video or no frame; the columns are video, frame and perhaps object, "
            "score and reason"
        )
    is_old_review = "confidence" in row and "score" not in row
    value = row.get("confidence") if is_old_review else row.get("score")
    try:
        frame_id = int(str(frame))
        score = None if value in (None, "") else float(str(value))
    except ValueError:
        raise BadValue(
            f"{where}: frame '{in_short(frame)}' or score '{in_short(value)}' is no number; "
            "correct it"
        ) from None
    if is_old_review and score is not None:
        score = 1 - score
    request = FrameRequest(
        video=str(video),
        object_id=_object_id(row),
        frame_id=frame_id,
        score=score,
        reason=str(row.get("reason") or ""),
        boxes_xywh=_boxes(where, row.get("boxes")),
    )
    return FileEntry(where, request, is_old_review)


def _object_id(row: Mapping[str, Any]) -> str:
    """Return the object's name; earlier suggestions count the objects of a video from 0."""
    old_number = str(row.get("path") if row.get("path") is not None else "")
    if old_number.isdecimal() and len(old_number) < LONGEST_NUMBER:
        return str(int(old_number) + 1)
    return str(row.get("object") or "")


def _boxes(where: str, boxes: Any) -> dict[str, Box]:
    try:
        return {
            str(name): (float(x), float(y), float(w), float(h))
            for name, (x, y, w, h) in (boxes or {}).items()
        }
    except (AttributeError, TypeError, ValueError):
        raise BadValue(
            f"{where}: 'boxes' must hold four numbers x, y, w, h by name; correct it"
        ) from None
