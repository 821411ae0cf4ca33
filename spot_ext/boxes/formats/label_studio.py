"""Label Studio: tasks whose regions are of type VideoRectangle.

A region is a sequence of key frames, counted from 1, with its box in percent of the frame.
`enabled: false` means that the object is not seen after that key frame until the next one. Boxes a
person drew are written as annotations; where some are not, all become predictions, which Label
Studio shows for correction. Confidences, origins and single absences are further fields of the key
frames, which Label Studio keeps until someone edits them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import json_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos, stem
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import MOST_FRAMES, BoxTable, rounded
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

FILE_NAME = "tasks.json"
FROM_NAME, TO_NAME, MODEL = (
    "box",
    "video",
    "spot",
)  # the tags of the labelling configuration in docs/formats.md
_Region = tuple[
    str, str, Mapping[str, Any], tuple[int, int] | None
]  # where, id, value, size of the video


def looks_like(place: Candidate) -> bool:
    """JSON with tasks: a list of them or one."""
    content = place.json[0] if isinstance(place.json, list) and place.json else place.json
    return isinstance(content, dict) and ("data" in content or bool(_minimal_regions(content)))


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of all tasks: of the last annotation that was not cancelled, else of the last
    prediction.
    """
    content = json_file.load(path)
    tasks = {"task": content if isinstance(content, list) else [content]}
    table = BoxTable(path, infos)
    for where, task in json_file.records(tasks, "task", str(path)):
        _read_task(task, where, table)
    return table.videos()


def _read_task(task: Mapping[str, Any], where: str, table: BoxTable) -> None:
    data = task.get("data", task)
    if not isinstance(data, dict):
        raise BadValue(
            f"{where}: 'data' is no object with fields; export the project again as JSON"
        )
    video = _video_name(data, where, table.infos)
    regions, drawn = _regions(task, where)
    values = [(place, region_id, value, size) for place, region_id, value, size in regions]
    sizes = [size for _, _, _, size in values if size]
    table.video(
        video,
        json_file.positive(data, "frames", where),
        _size(data, where, "") or next(iter(sizes), None),
        json_file.positive(data, "fps", where, whole=False),
    )
    for place, region_id, value, _ in values:
        _read_region(place, region_id, value, video, drawn, table)


def _read_region(
    where: str, region_id: str, value: Mapping[str, Any], video: str, drawn: bool, table: BoxTable
) -> None:
    count = json_file.positive(value, "framesCount", where)
    duration = json_file.positive(value, "duration", where, whole=False)
    if count and count > MOST_FRAMES:
        raise BadValue(f"{where}: 'framesCount' is {count}, more than any video has; correct it")
    table.video(video, count, None, round(count / duration, 6) if count and duration else None)
    size = table.size(video)
    if size is None:
        raise BadValue(
            f"{where}: boxes are in percent and the size of video '{video}' is not known; give "
            "the folder of the "
            "videos with --videos, or 'width' and 'height' in the task's data"
        )
    names = value.get("labels") or value.get("rectanglelabels") or []
    label = str(names[0]) if isinstance(names, list) and names else ""
    table.object(video, region_id, label, where)
    items = sorted(
        (
            (json_file.integer(item, "frame", place), place, item)
            for place, item in json_file.records(value, "sequence", where)
        ),
        key=lambda item: item[0],
    )
    for place, absence in json_file.records(value, "absentBefore", where):
        _add_absence(place, absence, video, region_id, drawn, table)
    end = (table.frame_count(video) or 0) + 1
    for number, (frame, place, item) in enumerate(items):
        table.add(
            place,
            video,
            region_id,
            frame - 1,
            _pixels(item, size, place),
            *_origin(item, place, drawn),
        )
        if item.get("enabled", True):
            continue
        if "absent" in item:
            for inner, absence in json_file.records(item, "absent", place):
                _add_absence(inner, absence, video, region_id, drawn, table)
        else:  # not ours: absent until the next key frame
            next_frame = items[number + 1][0] if number + 1 < len(items) else end
            for absent in range(frame + 1, next_frame):
                table.add(place, video, region_id, absent - 1, None, 1.0, drawn)


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """One file, a task a video; a folder gets it as `tasks.json`. Every video needs its size."""
    return json_file.save(
        [_task(number, video) for number, video in enumerate(videos, 1)], path, FILE_NAME
    )


def _task(number: int, video: VideoBoxes) -> dict[str, Any]:
    if video.size is None:
        raise BadValue(
            f"Label Studio has boxes in percent and the size of video '{video.video}' is not "
            "known; give the folder "
            "of the videos with --videos"
        )
    known = {
        "frames": video.frame_count,
        "fps": video.fps,
        "width": video.size[0],
        "height": video.size[1],
        "name": video.video if stem(video.video) != video.video else None,
    }
    drawn = all(item.human.all() for item in video.objects)
    result = {"result": [_region(video, item) for item in video.objects]}
    task = {
        "id": number,
        "data": {
            "video": video.video,
            **{key: value for key, value in known.items() if value is not None},
        },
    }
    if drawn:
        return {**task, "annotations": [result]}
    return {**task, "predictions": [{"model_version": MODEL, **result}]}


def _region(video: VideoBoxes, item: ObjectTrack) -> dict[str, Any]:
    width, height = video.size
    sequence: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    rows = zip(
        item.frame_ids.tolist(),
        item.boxes_xywh.tolist(),
        item.absent.tolist(),
        item.confidences.tolist(),
        item.human.tolist(),
        strict=True,
    )
    for frame_id, (x, y, w, h), absent, confidence, human in rows:
        origin = {"frame": frame_id + 1, "confidence": confidence, "human": human}
        if absent:
            if sequence:
                sequence[-1]["enabled"] = False
            (sequence[-1].setdefault("absent", []) if sequence else before).append(origin)
            continue
        time = {} if video.fps is None else {"time": frame_id / video.fps}
        sequence.append(
            {
                **origin,
                "enabled": True,
                "rotation": 0,
                "x": 100 * x / width,
                "y": 100 * y / height,
                "width": 100 * w / width,
                "height": 100 * h / height,
                **time,
            }
        )
    value: dict[str, Any] = {"sequence": sequence, "labels": [item.label] if item.label else []}
    if before:
        value["absentBefore"] = before
    if video.frame_count is not None:
        value["framesCount"] = video.frame_count
        if video.fps is not None:
            value["duration"] = video.frame_count / video.fps
    return {
        "id": item.object_id,
        "type": "videorectangle",
        "from_name": FROM_NAME,
        "to_name": TO_NAME,
        "value": value,
    }


def _regions(task: Mapping[str, Any], where: str) -> tuple[list[_Region], bool]:
    """(where, id, value, size) of each region of a task, and whether a person drew them."""
    if "data" not in task:
        return [
            (f"{where}: region {number}", str(number), value, None)
            for number, value in enumerate(_minimal_regions(task), 1)
        ], True
    for key in ("annotations", "completions", "predictions"):
        found = [
            (place, item)
            for place, item in json_file.records(task, key, where)
            if not item.get("was_cancelled")
        ]
        if found:
            return list(_rectangles(*found[-1])), key != "predictions"
    return [], True


def _rectangles(where: str, annotation: Mapping[str, Any]) -> Iterator[_Region]:
    for number, (place, region) in enumerate(json_file.records(annotation, "result", where), 1):
        if region.get("type") == "videorectangle":
            value = json_file.need(region, "value", place)
            if not isinstance(value, dict) or "sequence" not in value:
                raise BadValue(
                    f"{place}: a VideoRectangle without 'sequence'; export the project again as "
                    "JSON"
                )
            yield place, str(region.get("id", number)), value, _size(region, place, "original_")


def _minimal_regions(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Of JSON-MIN, where a field of the task holds the list of its regions."""
    return [
        item
        for value in task.values()
        if isinstance(value, list)
        for item in value
        if isinstance(item, dict) and isinstance(item.get("sequence"), list)
    ]


def _video_name(data: Mapping[str, Any], where: str, infos: Infos) -> str:
    value = (
        data.get("name")
        if isinstance(data.get("name"), str) and data["name"]
        else data.get("video")
    )
    if not isinstance(value, str):
        texts = [text for text in data.values() if isinstance(text, str)]
        if len(texts) != 1:
            raise BadValue(f"{where}: its data has no 'video'; name the video there")
        value = texts[0]
    if value == data.get("name"):
        return infos.name(value)
    name = infos.name(value)
    return name if name in infos else stem(value)


def _pixels(item: Mapping[str, Any], size: tuple[int, int], where: str) -> tuple[float, ...]:
    if abs(json_file.number({"rotation": 0, **item}, "rotation", where)) > 1e-6:
        raise BadValue(f"{where}: the box is rotated, which boxes here cannot be; draw it upright")
    x, y, w, h = (json_file.number(item, key, where) / 100 for key in ("x", "y", "width", "height"))
    return rounded((x * size[0], y * size[1], w * size[0], h * size[1]))


def _add_absence(
    where: str, item: Mapping[str, Any], video: str, region_id: str, drawn: bool, table: BoxTable
) -> None:
    table.add(
        where,
        video,
        region_id,
        json_file.integer(item, "frame", where) - 1,
        None,
        *_origin(item, where, drawn),
    )


def _origin(item: Mapping[str, Any], where: str, drawn: bool) -> tuple[float, bool]:
    human = json_file.flag(item, "human", where)
    return json_file.number(
        {"confidence": 1.0, **item}, "confidence", where
    ), drawn if human is None else human


def _size(record: Mapping[str, Any], where: str, prefix: str) -> tuple[int, int] | None:
    width, height = (json_file.positive(record, prefix + key, where) for key in ("width", "height"))
    return (width, height) if width and height else None


FORMAT = Format(
    name="labelstudio",
    text="Label Studio JSON, tasks with VideoRectangle regions (JSON or JSON-MIN)",
    order=40,
    looks_like=looks_like,
    read=read,
    write=write,
)
