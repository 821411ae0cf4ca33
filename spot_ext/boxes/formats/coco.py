"""COCO: images and annotations, with the tracks of COCO-video, TAO and YouTube-VIS.

An image belongs to the video of its `video_id`, else to the folder in its `file_name`; its frame is
`frame_id` or `frame_index`, counted from 0, else the number of the file. An object is a `track_id`
or `instance_id`; in files without, the one object of its category. Absences, for which COCO has no
place, are listed in our `tracks`, where other programs look past them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from spot_ext.boxes.formats import json_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.frame_files import (
    first_number,
    first_of_file,
    frame_name,
    frames_by_name,
    parse_name,
)
from spot_ext.boxes.formats.infos import Infos, VideoInfo, stem
from spot_ext.boxes.formats.origin import drawn_by_person
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

logger = logging.getLogger(__name__)

FILE_NAME = "annotations.json"
# The category of objects without one.
NO_LABEL = "object"

# What our own files say of themselves; their `frame_id` counts from 0.
DESCRIPTION = "boxes of objects in videos"

# Fields of an image that hold its frame, the surer one first. TAO's `frame_index` counts from 0;
# `frame_id` counts from 0 in CocoVID and from 1 in files of the MOT converters.
_FRAME_KEYS = ("frame_index", "frame_id")

# Images from which a list without gaps says that it counts from 1.
SHORTEST_RUN = 3

# Folders that lay out a data set and are no video.
_LAYOUT_FOLDERS = ("/", "img", "img1", "images", "train", "val", "valid", "test", "data")


def looks_like(place: Candidate) -> bool:
    """JSON with annotations of images or videos."""
    return (
        isinstance(place.json, dict)
        and "annotations" in place.json
        and ("images" in place.json or "videos" in place.json)
    )


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of a COCO file; annotations of crowds are left out."""
    content = json_file.load(path)
    if not isinstance(content, dict) or "annotations" not in content:
        near = suggestion("annotations", content) if isinstance(content, dict) else ""
        raise BadValue(
            f"{path}: no list 'annotations'{near}; give a COCO file with images and annotations"
        )
    return _Reader(content, str(path), BoxTable(path, infos)).read()


class _Reader:
    def __init__(self, content: Mapping[str, Any], path: str, table: BoxTable):
        self.content, self.path, self.table = content, path, table
        self.infos = table.infos
        self.categories = {
            json_file.needed_identity(item, "id", where): str(json_file.need(item, "name", where))
            for where, item in self._records("categories")
        }
        self.videos: dict[str, str] = {}  # id -> name
        self.tracks: dict[str, dict[str, Any]] = {}
        self.first_of_file: int | None = None  # number of the first frame in names of images
        annotations = list(self._records("annotations"))
        self.used_categories = {
            json_file.identity(item, "category_id", where) for where, item in annotations
        }
        # Where some annotations name their object, one that names none belongs to none of those.
        self.has_tracks = any(_track_id(item, where) is not None for where, item in annotations)

    def read(self) -> list[VideoBoxes]:
        self._read_videos()
        images = self._images()
        self._read_tracks()
        crowds = 0
        for where, item in self._records("annotations"):
            if item.get("iscrowd"):
                crowds += 1
            elif "bboxes" in item and "image_id" not in item:
                self._add_boxes_of_track(where, item)
            else:
                self._add_annotation(where, item, images)
        if crowds:
            logger.warning("%s: %d annotations of crowds are left out", self.path, crowds)
        return self.table.videos()

    def _records(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        return json_file.records(self.content, key, self.path)

    def _read_videos(self) -> None:
        for where, item in self._records("videos"):
            name = _video_name(item, where, self.infos)
            if name not in self.infos and self._count("videos") == 1 and len(self.infos) == 1:
                name = next(iter(self.infos))
            self.videos[json_file.needed_identity(item, "id", where)] = name
            frames = item.get("file_names")
            count = json_file.positive(item, "length", where)
            if count is None and isinstance(frames, list) and frames:
                count = len(frames)
            fps = json_file.positive(item, "fps", where, whole=False)
            self.table.video(name, count, _size(item, where), fps, where)

    def _count(self, key: str) -> int:
        return len(self.content.get(key) or [])

    # -- images ------------------------------------------------------------------------------------

    def _images(self) -> dict[str, tuple[str, int]]:
        """Return video and frame of each image id."""
        by_video: dict[str, dict[str, dict[str, Any]]] = {}
        seen: set[str] = set()
        for where, item in self._records("images"):
            image_id = json_file.needed_identity(item, "id", where)
            if image_id in seen:
                raise BadValue(f"{where}: the id {image_id} is used twice; give each image its own")
            seen.add(image_id)
            video = self._video_of_image(where, item)
            self.table.video(video, size=_size(item, where), where=where)
            by_video.setdefault(video, {})[image_id] = item
        all_images = [item for images in by_video.values() for item in images.values()]
        self.first_of_file = first_of_file(
            str(item["file_name"]) for item in all_images if "file_name" in item
        )
        found = {}
        for video, images in by_video.items():
            for image_id, frame_id in self._frames(video, images).items():
                found[image_id] = video, frame_id
        return found

    def _frames(self, video: str, images: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
        """Return the frame of each image of one video, by its number or else by its name."""
        where = f"{self.path}: images of video '{video}'"
        info = self.infos.of(video)
        first_frame = self.infos.options.first_frame
        names = {i: str(item["file_name"]) for i, item in images.items() if "file_name" in item}
        keys = {next((k for k in _FRAME_KEYS if k in item), None) for item in images.values()}
        key = keys.pop() if len(keys) == 1 else None
        if key is None:
            for image_id in images.keys() - names.keys():
                raise BadValue(f"{where}: image {image_id} has no 'file_name'; add it")
            frames = frames_by_name(names.values(), info, where, first_frame, self.first_of_file)
            return {image_id: frames[name] for image_id, name in names.items()}
        numbers = {i: json_file.integer(item, key, where) for i, item in images.items()}
        if info.frame_names is not None and len(names) == len(images):
            try:
                frames = frames_by_name(names.values(), info, where)
            except BadValue:
                frames = {}
            if frames:
                return {image_id: frames[name] for image_id, name in names.items()}
        usual_first = self._usual_first(key, numbers, names, images)
        if usual_first is None:
            usual_first = 0
            self._warn_of_two_readings(where, key, numbers, self._frame_count(video, info))
        place = f"{where}: {key} {min(numbers.values())}"
        frame_count = self._frame_count(video, info)
        first = first_number(numbers.values(), frame_count, place, first_frame, usual_first)
        return {image_id: number - first for image_id, number in numbers.items()}

    def _warn_of_two_readings(
        self, where: str, key: str, numbers: Mapping[str, int], frame_count: int | None
    ) -> None:
        lowest, highest = min(numbers.values()), max(numbers.values())
        is_decided = self.infos.options.first_frame is not None or lowest == 0
        if is_decided or (frame_count is not None and highest >= frame_count):
            return
        logger.warning(
            "%s: %s %d to %d is read as counted from 0; where the program that wrote it counts "
            "from 1, frame %d is meant by %d: convert it with `export --first-frame 1`",
            where,
            key,
            lowest,
            highest,
            lowest - 1,
            lowest,
        )

    def _frame_count(self, video: str, info: VideoInfo) -> int | None:
        return self.table.frame_count(video) if info.frame_count is None else info.frame_count

    def _usual_first(
        self,
        key: str,
        numbers: Mapping[str, int],
        names: Mapping[str, str],
        images: Mapping[str, Mapping[str, Any]],
    ) -> int | None:
        """Return the number of the first frame in files of the program that wrote this one."""
        if key == "frame_index" or _is_ours(self.content):
            return 0
        if any("prev_image_id" in item or "next_image_id" in item for item in images.values()):
            return 1
        in_names = {i: parse_name(name, _folder(name)) for i, name in names.items()}
        if any(parts.program == "MOTChallenge" for parts in in_names.values()):
            return 1
        # Names count from 1 where they count from anything else than the field does.
        in_name = {i: parts.number for i, parts in in_names.items() if parts.number is not None}
        if {in_name[i] - number for i, number in numbers.items() if i in in_name} == {1}:
            return 0
        # Converters list every frame: 1, 2, … N without a 0 counts from 1.
        every_frame = sorted(numbers.values()) == list(range(1, len(numbers) + 1))
        if every_frame and len(numbers) >= SHORTEST_RUN:
            return 1
        return None

    def _video_of_image(self, where: str, item: Mapping[str, Any]) -> str:
        if "video_id" in item and self.videos:
            return self._video(item, where)
        path = PurePosixPath(str(item.get("file_name", "")).replace("\\", "/"))
        folders = [part for part in path.parts[:-1] if part.lower() not in _LAYOUT_FOLDERS]
        known = [folder for folder in folders if self.infos.name(folder) in self.infos]
        if known:
            return self.infos.name(known[-1])
        in_name = self._video_in_name(path.name)
        if in_name in self.infos or (in_name and not folders and not self.infos):
            return in_name
        if folders:
            return folders[-1]
        if "video_id" in item:
            return self.infos.name(json_file.needed_identity(item, "video_id", where))
        return self.infos.only(Path(self.path).stem, Path(self.path))

    def _video_in_name(self, name: str) -> str:
        """Return the video that an image's name holds; empty where it holds none."""
        parts = parse_name(name)
        is_known = bool(parts.video) and self.infos.name(parts.video) in self.infos
        return self.infos.name(parts.video) if is_known or parts.program == "Roboflow" else ""

    # -- tracks and annotations --------------------------------------------------------------------

    def _read_tracks(self) -> None:
        for where, item in self._records("tracks"):
            track_id = json_file.needed_identity(item, "id", where)
            self.tracks[track_id] = item
            # Some files list tracks that say no more than their ids.
            if "video_id" not in item or not self.videos:
                continue
            video, object_id = self._video(item, where), self._object_id(track_id)
            self.table.object(video, object_id, self._label(where, item, track_id), where)
            for place, absence in json_file.records(item, "absent", where):
                frame_id = json_file.integer(absence, "frame_id", place)
                self.table.add(place, video, object_id, frame_id, None, *_origin(absence, place))

    def _add_annotation(
        self, where: str, item: Mapping[str, Any], images: Mapping[str, tuple[str, int]]
    ) -> None:
        image_id = json_file.needed_identity(item, "image_id", where)
        if image_id not in images:
            raise BadValue(f"{where}: there is no image with id {image_id}; correct image_id")
        video, frame_id = images[image_id]
        box = json_file.box(json_file.need(item, "bbox", where), where)
        self._add(where, item, video, frame_id, box)

    def _add_boxes_of_track(self, where: str, item: Mapping[str, Any]) -> None:
        """Add YouTube-VIS's annotation: a track's boxes of all frames, null where it is absent."""
        video = self._video(item, where)
        if not isinstance(item["bboxes"], list):
            raise BadValue(f"{where}: 'bboxes' is no list of boxes; correct it")
        record = {"track_id": item.get("id"), **item}
        for frame_id, values in enumerate(item["bboxes"]):
            box = None if values is None else json_file.box(values, where, f"bboxes[{frame_id}]")
            self._add(where, record, video, frame_id, box)

    def _add(
        self,
        where: str,
        item: Mapping[str, Any],
        video: str,
        frame_id: int,
        box: Sequence[float] | None,
    ) -> None:
        track_id = _track_id(item, where)
        label = self._label(where, item, track_id)
        origin = _origin(item, where)
        if track_id is not None:
            self.table.add(where, video, self._object_id(track_id), frame_id, box, *origin, label)
        elif self.has_tracks:
            self.table.add_untracked(where, video, frame_id, box, *origin, label)
        else:
            # In files without tracks each category is one object.
            object_id = label if label and len(self.used_categories) > 1 else DEFAULT_OBJECT
            self.table.add(where, video, object_id, frame_id, box, *origin, label)

    def _video(self, item: Mapping[str, Any], where: str) -> str:
        video_id = json_file.needed_identity(item, "video_id", where)
        if video_id not in self.videos:
            raise BadValue(f"{where}: there is no video with id {video_id}; correct video_id")
        return self.videos[video_id]

    def _object_id(self, track_id: str) -> str:
        return str(self.tracks.get(track_id, {}).get("object_id", track_id))

    def _label(self, where: str, item: Mapping[str, Any], track_id: str | None) -> str:
        track = {} if track_id is None else self.tracks.get(track_id, {})
        if "label" in track:
            return str(track["label"])
        category_id = json_file.identity(item, "category_id", where)
        return "" if category_id is None else self.categories.get(category_id, "")


def _attributes(item: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = item.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _track_id(item: Mapping[str, Any], where: str) -> str | None:
    """Return the object that an annotation names; YouTube-VIS's annotations are objects."""
    for record in (item, _attributes(item)):
        for key in ("track_id", "instance_id"):
            if record.get(key) is not None:
                return json_file.identity(record, key, where)
    return None


def _is_ours(content: Mapping[str, Any]) -> bool:
    info = content.get("info")
    return isinstance(info, dict) and info.get("description") == DESCRIPTION


def _folder(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).parent.name


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """Write one file; a folder gets it as `annotations.json`.

    Images are those that some object has a box or an absence in.
    """
    labels = dict.fromkeys(item.label or NO_LABEL for video in videos for item in video.objects)
    categories = {label: number for number, label in enumerate(labels, 1)}
    content: dict[str, Any] = {
        "info": {"description": DESCRIPTION},
        "videos": [],
        "images": [],
        "tracks": [],
        "annotations": [],
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }
    for video in videos:
        _add_video(video, categories, infos, content)
    return json_file.save(content, path, FILE_NAME)


def _add_video(
    video: VideoBoxes, categories: Mapping[str, int], infos: Infos, content: dict[str, Any]
) -> None:
    size = {} if video.size is None else {"width": video.size[0], "height": video.size[1]}
    known = {"length": video.frame_count, "fps": video.fps}
    video_id, first_image = len(content["videos"]) + 1, len(content["images"]) + 1
    content["videos"].append(
        {
            "id": video_id,
            "name": video.video,
            **size,
            **{key: value for key, value in known.items() if value is not None},
        }
    )
    frames = sorted({frame_id for item in video.objects for frame_id in item.frame_ids.tolist()})
    images = {frame_id: number for number, frame_id in enumerate(frames, first_image)}
    info = infos.of(video.video)
    content["images"] += [
        {
            "id": number,
            "file_name": f"{video.video}/{frame_name(frame_id, info)}",
            **size,
            "video_id": video_id,
            "frame_id": frame_id,
        }
        for frame_id, number in images.items()
    ]
    for track in video.objects:
        _add_track(track, video_id, categories[track.label or NO_LABEL], images, content)


def _add_track(
    track: ObjectTrack,
    video_id: int,
    category_id: int,
    images: Mapping[int, int],
    content: dict[str, Any],
) -> None:
    """Add a track, its boxes and its absences; `images` are the image ids of frames."""
    track_id = len(content["tracks"]) + 1
    absences: list[dict[str, Any]] = []
    content["tracks"].append(
        {
            "id": track_id,
            "video_id": video_id,
            "category_id": category_id,
            "object_id": track.object_id,
            "label": track.label,
            "absent": absences,
        }
    )
    for row in track.rows():
        origin = {"score": row.confidence, "human": row.human}
        if row.box_xywh is None:
            absences.append({"frame_id": row.frame_id, **origin})
            continue
        x, y, w, h = row.box_xywh
        content["annotations"].append(
            {
                "id": len(content["annotations"]) + 1,
                "image_id": images[row.frame_id],
                "video_id": video_id,
                "track_id": track_id,
                "category_id": category_id,
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
                **origin,
            }
        )


def _origin(item: Mapping[str, Any], where: str) -> tuple[float, bool | None]:
    score = 1.0 if item.get("score") is None else json_file.number(item, "score", where)
    return score, drawn_by_person(where, item, _attributes(item))


def _video_name(item: Mapping[str, Any], where: str, infos: Infos) -> str:
    if "name" in item:
        return infos.name(str(item["name"]))
    names = item.get("file_names")
    if isinstance(names, list) and names and "/" in str(names[0]):
        return infos.name(str(names[0]).replace("\\", "/").rsplit("/", 2)[-2])
    return (
        stem(str(item["file_name"]))
        if "file_name" in item
        else str(json_file.need(item, "name", where))
    )


def _size(item: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    width, height = (
        json_file.positive(item, "width", where),
        json_file.positive(item, "height", where),
    )
    return (width, height) if width and height else None


FORMAT = Format(
    name="coco",
    text="COCO JSON with videos and tracks (also reads plain COCO, TAO, YouTube-VIS)",
    order=30,
    looks_like=looks_like,
    read=read,
    write=write,
    suffixes=(".json",),
)
