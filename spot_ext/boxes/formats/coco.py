"""COCO: images and annotations, with the tracks of COCO-video, TAO and YouTube-VIS.

An image belongs to the video of its `video_id`, else to the folder in its `file_name`; its frame is
`frame_id` or `frame_index`, counted from 0, else the number of the file. An object is a `track_id`
or `instance_id`; in files without, the one object of its category. Absences, for which COCO has no
place, are listed in our `tracks`, where other programs look past them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from spot_ext.boxes.formats import json_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.frame_files import frame_name, frames_by_name
from spot_ext.boxes.formats.infos import Infos, stem
from spot_ext.boxes.formats.registry import Format
from spot_ext.boxes.formats.table import DEFAULT_OBJECT, BoxTable
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

logger = logging.getLogger(__name__)

FILE_NAME = "annotations.json"
NO_LABEL = "object"  # the category of objects without one


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
        self.categories = {
            json_file.needed_identity(item, "id", where): str(json_file.need(item, "name", where))
            for where, item in json_file.records(content, "categories", path)
        }
        self.used = {
            json_file.identity(item, "category_id", where)
            for where, item in json_file.records(content, "annotations", path)
        }
        self.videos: dict[Any, str] = {}  # id -> name
        self.tracks: dict[Any, dict[str, Any]] = {}

    def read(self) -> list[VideoBoxes]:
        for where, item in json_file.records(self.content, "videos", self.path):
            name = _video_name(item, where, self.table.infos)
            self.videos[json_file.needed_identity(item, "id", where)] = name
            frames = item["file_names"] if isinstance(item.get("file_names"), list) else None
            count = json_file.positive(item, "length", where) or (len(frames) if frames else None)
            self.table.video(
                name, count, _size(item, where), json_file.positive(item, "fps", where, whole=False)
            )
        images = self._images()
        self._tracks()
        crowds = 0
        for where, item in json_file.records(self.content, "annotations", self.path):
            crowds += bool(item.get("iscrowd"))
            if item.get("iscrowd"):
                continue
            if "bboxes" in item and "image_id" not in item:
                self._boxes_of_track(where, item)
                continue
            image_id = json_file.needed_identity(item, "image_id", where)
            if image_id not in images:
                raise BadValue(f"{where}: there is no image with id {image_id}; correct image_id")
            video, frame_id = images[image_id]
            self._add(
                where,
                item,
                video,
                frame_id,
                json_file.box(json_file.need(item, "bbox", where), where),
            )
        if crowds:
            logger.warning("%s: %d annotations of crowds are left out", self.path, crowds)
        return self.table.videos()

    def _images(self) -> dict[Any, tuple[str, int]]:
        """Video and frame of each image id."""
        found: dict[Any, tuple[str, int]] = {}
        by_file: dict[
            str, dict[Any, str]
        ] = {}  # video -> image id -> name, of images whose frame only their name tells
        for where, item in json_file.records(self.content, "images", self.path):
            image_id = json_file.needed_identity(item, "id", where)
            if image_id in found:
                raise BadValue(f"{where}: the id {image_id} is used twice; give each image its own")
            video = self._video_of_image(where, item)
            self.table.video(video, size=_size(item, where))
            key = next((key for key in ("frame_id", "frame_index") if key in item), None)
            found[image_id] = video, -1 if key is None else json_file.integer(item, key, where)
            if key is None:
                by_file.setdefault(video, {})[image_id] = str(
                    json_file.need(item, "file_name", where)
                )
        for video, names in by_file.items():
            frames = frames_by_name(
                names.values(),
                self.table.infos.of(video),
                f"{self.path}: images of video '{video}'",
            )
            found.update({image_id: (video, frames[name]) for image_id, name in names.items()})
        return found

    def _video_of_image(self, where: str, item: Mapping[str, Any]) -> str:
        if "video_id" in item and self.videos:
            return self._video(item, where)
        folders = [
            part
            for part in PurePosixPath(str(item.get("file_name", "")).replace("\\", "/")).parts[:-1]
            if part not in ("/", "img", "images")
        ]
        if folders:
            known = [part for part in folders if part in self.table.infos]
            return known[-1] if known else folders[-1]
        if "video_id" in item:
            return self.table.infos.name(str(item["video_id"]))
        return self.table.infos.only(Path(self.path).stem, Path(self.path))

    def _tracks(self) -> None:
        for where, item in json_file.records(self.content, "tracks", self.path):
            track_id = json_file.needed_identity(item, "id", where)
            self.tracks[track_id] = item
            if (
                "video_id" not in item or not self.videos
            ):  # a list of tracks that says no more than their ids
                continue
            video, object_id, label = (
                self._video(item, where),
                self._object_id(track_id),
                self._label(where, item, track_id),
            )
            self.table.object(video, object_id, label, where)
            for place, absence in json_file.records(item, "absent", where):
                self.table.add(
                    place,
                    video,
                    object_id,
                    json_file.integer(absence, "frame_id", place),
                    None,
                    *_origin(absence, place),
                )

    def _boxes_of_track(self, where: str, item: Mapping[str, Any]) -> None:
        """YouTube-VIS: one annotation holds a track's boxes of all frames, null where the object is
        not seen.
        """
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
        attributes = item.get("attributes") if isinstance(item.get("attributes"), dict) else {}
        track_id = next(
            (
                json_file.identity(source, key, where)
                for source in (item, attributes)
                for key in ("track_id", "instance_id")
                if key in source
            ),
            None,
        )
        label = self._label(where, item, track_id)
        if track_id is not None:
            object_id = self._object_id(track_id)
        else:
            object_id = label if label and len(self.used) > 1 else DEFAULT_OBJECT
        self.table.add(where, video, object_id, frame_id, box, *_origin(item, where), label)

    def _video(self, item: Mapping[str, Any], where: str) -> str:
        video_id = json_file.needed_identity(item, "video_id", where)
        if video_id not in self.videos:
            raise BadValue(f"{where}: there is no video with id {video_id}; correct video_id")
        return self.videos[video_id]

    def _object_id(self, track_id: Any) -> str:
        return str(self.tracks.get(track_id, {}).get("object_id", track_id))

    def _label(self, where: str, item: Mapping[str, Any], track_id: Any) -> str:
        if "label" in self.tracks.get(track_id, {}):
            return str(self.tracks[track_id]["label"])
        return self.categories.get(json_file.identity(item, "category_id", where), "")


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """One file; a folder gets it as `annotations.json`. Images are those that some object has a box
    or an absence in.
    """
    labels = dict.fromkeys(item.label or NO_LABEL for video in videos for item in video.objects)
    categories = {label: number for number, label in enumerate(labels, 1)}
    content: dict[str, Any] = {
        "info": {"description": "boxes of objects in videos"},
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
    for item in video.objects:
        track_id, category_id = len(content["tracks"]) + 1, categories[item.label or NO_LABEL]
        absences: list[dict[str, Any]] = []
        content["tracks"].append(
            {
                "id": track_id,
                "video_id": video_id,
                "category_id": category_id,
                "object_id": item.object_id,
                "label": item.label,
                "absent": absences,
            }
        )
        for frame_id, box, absent, origin in _rows(item):
            if absent:
                absences.append({"frame_id": frame_id, **origin})
                continue
            content["annotations"].append(
                {
                    "id": len(content["annotations"]) + 1,
                    "image_id": images[frame_id],
                    "video_id": video_id,
                    "track_id": track_id,
                    "category_id": category_id,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                    **origin,
                }
            )


def _rows(item: ObjectTrack):
    for frame_id, box, absent, confidence, human in zip(
        item.frame_ids.tolist(),
        item.boxes_xywh.tolist(),
        item.absent.tolist(),
        item.confidences.tolist(),
        item.human.tolist(),
        strict=True,
    ):
        yield frame_id, box, absent, {"score": confidence, "human": human}


def _origin(item: Mapping[str, Any], where: str) -> tuple[float, bool | None]:
    score = 1.0 if item.get("score") is None else json_file.number(item, "score", where)
    return score, json_file.flag(item, "human", where)


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
)
