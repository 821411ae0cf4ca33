"""Label Studio: tasks whose regions are of type VideoRectangle.

A region is a sequence of key frames, counted from 1, with its box in percent of the frame.
`enabled: false` means that the object is not seen after that key frame until the next one. Boxes a
person drew are written as annotations; where some are not, all become predictions, which Label
Studio shows for correction. Confidences, origins and single absences are further fields of the key
frames, which Label Studio keeps until someone edits them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import json_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos, stem
from spot_ext.boxes.formats.origin import drawn_by_person
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import FRAMES_OF_DIFFERENCE, MOST_FRAMES, BoxTable, rounded
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

FILE_NAME = "tasks.json"
FROM_NAME, TO_NAME, MODEL = (
    "box",
    "video",
    "spot",
)  # the tags of the labelling configuration in docs/formats.md

# Seconds by which the sound of a video may outlast its pictures.
LONGEST_OVERHANG = 0.25


class _Region(NamedTuple):
    """An object of a task."""

    where: str
    region_id: str
    value: Mapping[str, Any]
    size: tuple[int, int] | None  # of the video, where the region says it


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
    size = table.infos.of(video).size or _size(data, where, "")
    if size is None:
        size = next((region.size for region in regions if region.size), None)
    # Boxes are in percent, so that a video of any size has room for them.
    table.video(
        video,
        json_file.positive(data, "frames", where),
        size,
        json_file.positive(data, "fps", where, whole=False),
        where,
    )
    for region in regions:
        _read_region(region, video, drawn, table)


def _read_region(region: _Region, video: str, drawn: bool, table: BoxTable) -> None:
    where, value = region.where, region.value
    clock = _Clock.of(value, video, where, table)
    size = table.size(video)
    if size is None:
        raise BadValue(
            f"{where}: boxes are in percent and the size of video '{video}' is not known; give "
            "the folder of the videos with --videos, or 'width' and 'height' in the task's data"
        )
    names = value.get("labels") or value.get("rectanglelabels") or []
    label = str(names[0]) if isinstance(names, list) and names else ""
    table.object(video, region.region_id, label, where)
    for place, absence in json_file.records(value, "absentBefore", where):
        _add_absence(place, absence, video, region.region_id, drawn, table)
    items = _key_frames(value, where, clock)
    end = table.frame_count(video) or 0
    for number, (frame_id, place, item) in enumerate(items):
        origin = _origin(item, place, drawn)
        box = _pixels(item, size, place)
        table.add(place, video, region.region_id, frame_id, box, *origin)
        if item.get("enabled", True):
            continue
        if "absent" in item:
            for inner, absence in json_file.records(item, "absent", place):
                _add_absence(inner, absence, video, region.region_id, drawn, table)
            continue
        # Not ours: the object is absent until the next key frame.
        next_frame = items[number + 1][0] if number + 1 < len(items) else end
        table.add_absences(place, video, region.region_id, frame_id + 1, next_frame, drawn)


def _key_frames(
    value: Mapping[str, Any], where: str, clock: _Clock
) -> list[tuple[int, str, Mapping[str, Any]]]:
    """Return frame of the video, place and item of each box, ascending, one a frame.

    Where several of the file's frames are one picture of the video, a person's box comes first,
    then the earlier one.
    """
    items = [
        (json_file.integer(item, "frame", place), place, item)
        for place, item in json_file.records(value, "sequence", where)
    ]
    if not clock.converts:
        counts = Counter(number for number, _, _ in items)
        for number, place, _ in items:
            if counts[number] > 1:
                raise BadValue(f"{place}: frame {number} has two boxes; remove one")
    found: dict[int, tuple[int, str, Mapping[str, Any]]] = {}
    for number, place, item in sorted(items, key=lambda entry: entry[0]):
        frame_id = clock.frame_of(number)
        before = found.get(frame_id)
        is_better = before is not None and before[2].get("auto") and not item.get("auto")
        if before is None or is_better:
            found[frame_id] = (frame_id, place, item)
    return sorted(found.values(), key=lambda entry: entry[0])


@dataclass(frozen=True)
class _Clock:
    """Tells which picture of the video a frame of the file is.

    Label Studio counts from 1 at a frame rate of its own, framesCount / duration: its frame n is
    the picture shown at (n - 1) / rate seconds. The exported `time` is n / rate, one frame late and
    rounded, and is not used.
    """

    rate: float | None = None  # frames/s of the file; None where its frames are the video's
    fps: float | None = None  # frames/s of the video
    frame_count: int | None = None  # of the video

    @property
    def converts(self) -> bool:
        """Say whether the file's frames are other ones than the video's."""
        return self.rate is not None and self.fps is not None

    def frame_of(self, number: int) -> int:
        """Return the 0-based picture of a 1-based frame of the file."""
        frame_id = number - 1
        if self.rate is not None and self.fps is not None:
            # A millionth of a frame: (17 - 1) / 24 s at 30/s is frame 20, not 19.999….
            frame_id = math.floor(frame_id * self.fps / self.rate + 1e-6)
        if self.frame_count is None:
            return frame_id
        # The sound of a video may last a frame or two longer than its pictures.
        overhang = frame_id - (self.frame_count - 1)
        return self.frame_count - 1 if 0 < overhang <= FRAMES_OF_DIFFERENCE else frame_id

    @classmethod
    def of(cls, value: Mapping[str, Any], video: str, where: str, table: BoxTable) -> _Clock:
        """Compare what a region says of the video with the video that is there."""
        count = json_file.positive(value, "framesCount", where)
        duration = json_file.positive(value, "duration", where, whole=False)
        if count and count > MOST_FRAMES:
            raise BadValue(
                f"{where}: 'framesCount' is {count}, more than any video has; correct it"
            )
        known = table.infos.of(video)
        rate = count / duration if count and duration else None
        if known.frame_count is None:
            fps = round(rate, 6) if rate else None
            table.video(video, count, None, fps, where)
            return cls()
        if known.fps is None and rate is not None:
            # Of images the file alone says how many are shown in a second.
            table.video(video, None, None, round(rate, 6), where)
        if count is None or table.infos.options.mismatch == "ignore":
            return cls(frame_count=known.frame_count)
        if known.fps is None or duration is None:
            return cls._by_length(count, known.frame_count, video, where, table)
        video_duration = known.frame_count / known.fps
        slack = max(LONGEST_OVERHANG, FRAMES_OF_DIFFERENCE / min(known.fps, count / duration))
        if abs(duration - video_duration) > slack:
            raise BadValue(
                f"{where}: video '{video}' lasts {duration:g} s in the file and "
                f"{video_duration:g} s in the folder; give the video that was annotated, or "
                "convert with `export --mismatch ignore` (frame numbers stay as they are)"
            )
        # framesCount is rounded up, and counts the overhang of the sound too.
        fewest = (count - FRAMES_OF_DIFFERENCE) / duration
        if fewest <= known.fps <= (count + 1) / duration:
            return cls(frame_count=known.frame_count)
        return cls(count / duration, known.fps, known.frame_count)

    @classmethod
    def _by_length(
        cls, count: int, frame_count: int, video: str, where: str, table: BoxTable
    ) -> _Clock:
        """Compare numbers of frames, where a rate is not known."""
        if abs(count - frame_count) <= FRAMES_OF_DIFFERENCE:
            return cls(frame_count=frame_count)
        if table.infos.options.mismatch == "scale":
            return cls(float(count), float(frame_count), frame_count)
        raise BadValue(
            f"{where}: video '{video}' has {count} frames in the file and {frame_count} in the "
            "folder, and no frame rate says how they go together; convert with `export --mismatch "
            "scale` (frames by their share of the video) or `--mismatch ignore` (by their number)"
        )


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """Write one file, a task a video; a folder gets it as `tasks.json`.

    Every video needs its size.
    """
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
    assert video.size is not None  # `_task` has refused a video without one
    width, height = video.size
    sequence: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    for frame_id, box, confidence, human in item.rows():
        origin = {"frame": frame_id + 1, "confidence": confidence, "human": human}
        if box is None:
            if sequence:
                sequence[-1]["enabled"] = False
            (sequence[-1].setdefault("absent", []) if sequence else before).append(origin)
            continue
        x, y, w, h = box
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
            _Region(f"{where}: region {number}", str(number), value, None)
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
            region_id = str(region.get("id", number))
            yield _Region(place, region_id, value, _size(region, place, "original_"))


def _minimal_regions(task: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the regions of JSON-MIN, where a field of the task holds the list of its regions."""
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
    """Return confidence and origin; interpolated exports mark what nobody drew with `auto`."""
    human = drawn_by_person(where, item)
    confidence = json_file.number({"confidence": 1.0, **item}, "confidence", where)
    return confidence, drawn if human is None else human


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
    suffixes=(".json",),
)
