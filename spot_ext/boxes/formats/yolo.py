"""YOLO: `labels/<video>/<frame>.txt` with a line `class cx cy w h` an object, relative to the
frame's size.

Where several objects, or confidences, are to be told apart, a line goes on with `confidence id`,
the two columns that Ultralytics writes when it tracks; such files train no detector. An empty file
is a frame in which all objects of the video are absent. Class names are in `data.yaml` and
`classes.txt`. Files are named after the video's images where these are known, else 000001 and on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.dataset.annotations import read_lines
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.folders import (
    NO_LABEL,
    check_target,
    class_names,
    numbers_of,
    write_tree,
)
from spot_ext.boxes.formats.frame_files import frame_name, frames_by_name
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.numbers import to_float, to_int, to_text
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable, rounded
from spot_ext.boxes.formats.yolo_names import CLASSES, DATA, class_files, read_names
from spot_ext.boxes.track import VideoBoxes

LABELS = "labels"
_VIDEO_AND_FRAME = re.compile(r"(.+)_(\d+)")  # Ultralytics' name for a frame of a video file


def looks_like(place: Candidate) -> bool:
    """A folder with class names, or with text files that are named after frames."""
    return place.holds(
        DATA, CLASSES, f"{LABELS}/*.txt", f"{LABELS}/*/*.txt", "*[0-9].txt", "*/*[0-9].txt"
    )


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of all text files below a folder. Every video needs its size from `infos`."""
    if not path.is_dir():
        raise BadValue(
            f"{path} is a file; YOLO's labels are a folder with a text file a frame, give that"
        )
    names = read_names(path)
    table = BoxTable(path, infos)
    for video, files in _files_by_video(path, infos).items():
        size = infos.of(video).size
        if size is None:
            raise BadValue(
                f"{path}: YOLO's boxes are relative and the size of video '{video}' is not known; "
                "give the folder "
                "of the videos with --videos"
            )
        table.video(video)
        _read_video(video, files, size, names, table)
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """A folder with a text file for each frame that has a box, or is known to have none."""
    names = class_names(videos)
    check_target(path, videos, {LABELS, DATA, CLASSES})
    plain = all(map(_needs_no_columns, videos))
    texts: dict[str, str] = {}
    for video in videos:
        for frame_id, text in _frame_texts(video, names, plain).items():
            texts[
                f"{LABELS}/{video.video}/{frame_name(frame_id, infos.of(video.video), '.txt')}"
            ] = text
    if (path / LABELS).is_dir():
        files = (
            file.relative_to(path).as_posix() for file in sorted((path / LABELS).rglob("*.txt"))
        )
        other = next((name for name in files if name not in texts), None)
        if other is not None:
            raise BadValue(
                f"{path / other} is of another export and would be read as a part of this one; "
                "name a new folder"
            )
    return write_tree(path, {**texts, **class_files(names)})


def _needs_no_columns(video: VideoBoxes) -> bool:
    """Whether there is one object, of the usual id, whose boxes are all sure."""
    return [item.object_id for item in video.objects] in ([], [DEFAULT_OBJECT]) and all(
        (item.confidences[~item.absent] == 1).all() for item in video.objects
    )


def _frame_texts(video: VideoBoxes, names: list[str], plain: bool) -> dict[int, str]:
    if video.size is None:
        raise BadValue(
            f"YOLO's boxes are relative and the size of video '{video.video}' is not known; give "
            "the folder of the "
            "videos with --videos"
        )
    width, height = video.size
    texts: dict[int, str] = {}
    absences: dict[int, int] = {}
    for number, item in zip(numbers_of(video.objects), video.objects, strict=True):
        kind = names.index(item.label or NO_LABEL)
        for frame_id, (x, y, w, h), absent, confidence in zip(
            item.frame_ids.tolist(),
            item.boxes_xywh.tolist(),
            item.absent.tolist(),
            item.confidences.tolist(),
            strict=True,
        ):
            if absent:
                absences[frame_id] = absences.get(frame_id, 0) + 1
                continue
            values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height] + (
                [] if plain else [confidence]
            )
            line = f"{kind} {' '.join(map(to_text, values))}" + ("" if plain else f" {number}")
            texts[frame_id] = texts.get(frame_id, "") + line + "\n"
    empty = {frame_id: "" for frame_id, count in absences.items() if count == len(video.objects)}
    return dict(sorted({**texts, **empty}.items()))


def _files_by_video(path: Path, infos: Infos) -> dict[str, dict[Path, int]]:
    """Video -> its text files -> their frames."""
    root = path / LABELS if (path / LABELS).is_dir() else path
    found: dict[str, dict[Path, str]] = {}
    for file in sorted(root.rglob("*.txt")):
        if file.name in (CLASSES, "labels.txt") or file.name.startswith("."):
            continue
        flat = _VIDEO_AND_FRAME.fullmatch(file.stem)
        if file.parent != root:
            video, name = infos.name(file.parent.name), file.stem
        elif flat:
            video, name = infos.name(flat[1]), flat[2]
        else:
            video, name = (
                infos.only(root.resolve().name if root == path else path.resolve().name, path),
                file.stem,
            )
        found.setdefault(video, {})[file] = name
    if not found:
        raise BadValue(
            f"{path}: no text files with labels in it; give the folder 'labels' or the one above"
        )
    frames = {}
    for video, names in found.items():
        by_name = frames_by_name(
            names.values(), infos.of(video), f"{path}: labels of video '{video}'"
        )
        frames[video] = {file: by_name[name] for file, name in names.items()}
    return frames


def _read_video(
    video: str, files: Mapping[Path, int], size: tuple[int, int], names: list[str], table: BoxTable
) -> None:
    rows = [
        (f"{file} line {number}", frame_id, line.split())
        for file, frame_id in files.items()
        for number, line in enumerate(read_lines(file), 1)
        if line.strip()
    ]
    for where, _, cells in rows:
        if not 5 <= len(cells) <= 7:
            raise BadValue(
                f"{where}: {len(cells)} values, not class cx cy w h with or without confidence "
                "and id; correct it"
            )
    six_is_id = all(cells[5].isdigit() for _, _, cells in rows if len(cells) == 6)
    kinds = sorted(
        {to_int(cells[0], where, "class") for where, _, cells in rows if len(cells) == 5}
    )
    labels: dict[str, str] = {}
    for where, frame_id, cells in rows:
        kind = to_int(cells[0], where, "class")
        if kind < 0 or (names and kind >= len(names)):
            raise BadValue(
                f"{where}: class {kind}, and the names are those of 0 to {len(names) - 1}; "
                "correct one of them"
            )
        has_id = len(cells) == 7 or (len(cells) == 6 and six_is_id)
        object_id = (
            str(to_int(cells[-1], where, "id"))
            if has_id
            else DEFAULT_OBJECT
            if len(kinds) <= 1
            else names[kind]
            if names
            else str(kind)
        )
        has_confidence = len(cells) == 7 or (len(cells) == 6 and not six_is_id)
        confidence = to_float(cells[5], where, "confidence") if has_confidence else 1.0
        label = labels.setdefault(object_id, names[kind] if names else "")
        table.add(
            where, video, object_id, frame_id, _pixels(cells, size, where), confidence, None, label
        )
    objects = list(labels) or [DEFAULT_OBJECT]
    empty = set(files.values()) - {frame_id for _, frame_id, _ in rows}
    by_frame = {frame_id: file for file, frame_id in files.items()}
    for frame_id in sorted(empty):
        for object_id in objects:
            table.add(str(by_frame[frame_id]), video, object_id, frame_id, None)


def _pixels(cells: list[str], size: tuple[int, int], where: str) -> tuple[float, ...]:
    cx, cy, w, h = (
        to_float(cell, where, name)
        for cell, name in zip(cells[1:5], ("cx", "cy", "w", "h"), strict=True)
    )
    if min(cx, cy, w, h) > 2:  # boxes may reach beyond the frame, but not that far
        raise BadValue(
            f"{where}: {w:g} x {h:g} is no size relative to the frame; divide by its width and "
            "height"
        )
    return rounded(((cx - w / 2) * size[0], (cy - h / 2) * size[1], w * size[0], h * size[1]))


FORMAT = Format(
    name="yolo",
    text="YOLO text: labels/<video>/<frame>.txt, classes.txt, data.yaml; sizes needed",
    order=90,
    looks_like=looks_like,
    read=read,
    write=write,
)
