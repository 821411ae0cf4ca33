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
from spot_ext.boxes.formats.frame_files import (
    FrameName,
    first_of_file,
    frame_name,
    frames_by_name,
    parse_name,
)
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.numbers import to_float, to_int, to_text
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable, rounded
from spot_ext.boxes.formats.yolo_names import (
    CLASSES,
    CVAT_NAMES,
    DATA,
    class_files,
    read_names,
    written_here,
)
from spot_ext.boxes.track import VideoBoxes

LABELS = "labels"

# Numbers that are all above this are pixels, not shares of the frame.
LARGEST_RELATIVE = 2

# Text files of a data set that hold no labels.
_NO_LABELS = (CLASSES, "labels.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "README.txt")

# Folders that lay out a data set, of Ultralytics, Roboflow and CVAT, and are no video.
_LAYOUT_FOLDERS = (
    LABELS,
    "images",
    "train",
    "val",
    "valid",
    "validation",
    "test",
    "obj_train_data",
    "obj_valid_data",
    "obj_validation_data",
    "obj_test_data",
    "obj_default_data",
    "default",
)

# Label Studio puts eight digits, or more, before the name of what was uploaded.
_UPLOADED = re.compile(r"[0-9a-f]{8}-")


def looks_like(place: Candidate) -> bool:
    """Tell a folder with class names, or with text files that are named after frames."""
    return place.holds(
        DATA,
        CLASSES,
        CVAT_NAMES,
        f"{LABELS}/*.txt",
        f"{LABELS}/*/*.txt",
        f"*/{LABELS}/*.txt",
        "*[0-9].txt",
        "*/*[0-9].txt",
        "*.rf.*.txt",
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
    """Say whether there is one object, of the usual id, whose boxes are all sure."""
    if [item.object_id for item in video.objects] not in ([], [DEFAULT_OBJECT]):
        return False
    return all((item.present.confidences == 1).all() for item in video.objects)


def _frame_texts(video: VideoBoxes, names: list[str], plain: bool) -> dict[int, str]:
    """Return the text of each frame that has a box, or in which all objects are absent."""
    if video.size is None:
        raise BadValue(
            f"YOLO's boxes are relative and the size of video '{video.video}' is not known; give "
            "the folder of the videos with --videos"
        )
    width, height = video.size
    texts: dict[int, str] = {}
    absences: dict[int, int] = {}
    for number, item in zip(numbers_of(video.objects), video.objects, strict=True):
        kind = names.index(item.label or NO_LABEL)
        for row in item.rows():
            if row.box_xywh is None:
                absences[row.frame_id] = absences.get(row.frame_id, 0) + 1
                continue
            x, y, w, h = row.box_xywh
            values = [(x + w / 2) / width, (y + h / 2) / height, w / width, h / height]
            if not plain:
                values.append(row.confidence)
            line = f"{kind} {' '.join(map(to_text, values))}" + ("" if plain else f" {number}")
            texts[row.frame_id] = texts.get(row.frame_id, "") + line + "\n"
    for frame_id, count in absences.items():
        if count == len(video.objects):
            texts[frame_id] = ""
    return dict(sorted(texts.items()))


# -- which file is which frame ---------------------------------------------------------------------


def _files_by_video(path: Path, infos: Infos) -> dict[str, dict[Path, int]]:
    """Return the text files of each video, and their frames."""
    names: dict[str, dict[Path, str]] = {}
    programs: dict[str, set[int | None]] = {}
    for file in sorted(path.rglob("*.txt")):
        if file.name in _NO_LABELS or file.name.startswith("."):
            continue
        parts = parse_name(file.name, file.parent.name)
        video, is_flat = _video_of(file, parts, path, infos)
        names.setdefault(video, {})[file] = file.name
        # Ultralytics names the files of a video walk_1.txt, and counts from 1.
        programs.setdefault(video, set()).add(1 if is_flat else parts.first)
    if not names:
        raise BadValue(
            f"{path}: no text files with labels in it; give the folder 'labels' or the one above"
        )
    is_ours = written_here(path)
    of_all = first_of_file(name for files in names.values() for name in files.values())
    frames = {}
    for video, files in names.items():
        firsts = programs[video]
        usual_first = firsts.pop() if len(firsts) == 1 else None
        if usual_first is None:
            usual_first = 1 if is_ours else of_all
        by_name = frames_by_name(
            files.values(),
            infos.of(video),
            f"{path}: labels of video '{video}'",
            infos.options.first_frame,
            usual_first,
        )
        frames[video] = {file: by_name[name] for file, name in files.items()}
    return frames


def _video_of(file: Path, parts: FrameName, path: Path, infos: Infos) -> tuple[str, bool]:
    """Return the video of a file, and whether the file is named after it as Ultralytics does it.

    The nearest folder that is no part of a data set's layout names it, else the file's own name.
    """
    folders = [part for part in file.relative_to(path).parts[:-1] if not _is_layout(part)]
    for folder in reversed(folders):
        if infos.name(folder) in infos:
            return infos.name(folder), False
    if parts.video and (infos.name(parts.video) in infos or not folders):
        is_known = infos.name(parts.video) in infos
        is_flat = parts.program == ""
        if is_known or (len(infos) != 1 and not _UPLOADED.match(file.name)):
            return infos.name(parts.video), is_flat
    if folders:
        return folders[-1], False
    root = path.resolve()
    while _is_layout(root.name) and root.parent != root:
        root = root.parent
    return infos.only(infos.name(root.name), path), bool(parts.video) and parts.program == ""


def _is_layout(name: str) -> bool:
    return name.lower() in _LAYOUT_FOLDERS


# -- what a file says ------------------------------------------------------------------------------


def _read_video(
    video: str, files: Mapping[Path, int], size: tuple[int, int], names: list[str], table: BoxTable
) -> None:
    rows = _rows(files)
    six_is_id = all(cells[5].isdecimal() for _, _, cells in rows if len(cells) == 6)

    def has_id(cells: list[str]) -> bool:
        return len(cells) == 7 or (len(cells) == 6 and six_is_id)

    has_tracks = any(has_id(cells) for _, _, cells in rows)
    kinds = {to_int(cells[0], where, "class") for where, _, cells in rows if not has_id(cells)}
    labels: dict[str, str] = {}
    for where, frame_id, cells in rows:
        kind = to_int(cells[0], where, "class")
        if kind < 0 or (names and kind >= len(names)):
            raise BadValue(
                f"{where}: class {kind}, and the names are those of 0 to {len(names) - 1}; "
                "correct one of them"
            )
        is_sure = len(cells) == 5 or (len(cells) == 6 and six_is_id)
        confidence = 1.0 if is_sure else to_float(cells[5], where, "confidence")
        box = _pixels(cells, size, where)
        label = names[kind] if names else ""
        if has_tracks and not has_id(cells):
            table.add_untracked(where, video, frame_id, box, confidence, None, label)
            continue
        if has_id(cells):
            object_id = str(to_int(cells[-1], where, "id"))
        elif len(kinds) > 1:
            # Without ids each class is one object.
            object_id = label or str(kind)
        else:
            object_id = DEFAULT_OBJECT
        label = labels.setdefault(object_id, label)
        table.add(where, video, object_id, frame_id, box, confidence, None, label)
    _add_absences(video, files, {frame_id for _, frame_id, _ in rows}, list(labels), table)


def _rows(files: Mapping[Path, int]) -> list[tuple[str, int, list[str]]]:
    """Return place, frame and cells of each line with text."""
    rows = []
    for file, frame_id in files.items():
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            where, cells = f"{file} line {number}", line.split()
            if not 5 <= len(cells) <= 7:
                raise BadValue(
                    f"{where}: {len(cells)} values, not class cx cy w h with or without "
                    "confidence and id; correct it"
                )
            rows.append((where, frame_id, cells))
    return rows


def _add_absences(
    video: str,
    files: Mapping[Path, int],
    frames_with_boxes: set[int],
    objects: list[str],
    table: BoxTable,
) -> None:
    """Add the absence of all objects in the frames whose file is empty."""
    for file, frame_id in sorted(files.items(), key=lambda item: item[1]):
        if frame_id in frames_with_boxes:
            continue
        for object_id in objects or [DEFAULT_OBJECT]:
            table.add(str(file), video, object_id, frame_id, None)


def _pixels(cells: list[str], size: tuple[int, int], where: str) -> tuple[float, ...]:
    cx, cy, w, h = (
        to_float(cell, where, name)
        for cell, name in zip(cells[1:5], ("cx", "cy", "w", "h"), strict=True)
    )
    # Boxes may reach beyond the frame, but not that far.
    if min(cx, cy, w, h) > LARGEST_RELATIVE:
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
