"""Boxes that a detector found, from files: COCO JSON, or MOTChallenge text.

Several boxes of one kind in a frame are the normal case here, and ids say nothing; the readers in
`spot_ext.annotations` are for objects, which have one box a frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.dataset.annotations import read_lines
from spot_ext.boxes.formats import json_file
from spot_ext.boxes.formats.frame_files import frames_by_name
from spot_ext.boxes.formats.infos import VideoInfo, stem
from spot_ext.discover.linking import LONGEST_GAP
from spot_ext.discover.motion import NO_BOXES

FrameNames = Callable[
    [str], tuple[str, ...] | None
]  # video -> file names of its images, None where it has none
Row = tuple[int, list[float], float]  # frame id, box, score


@dataclass(frozen=True)
class VideoDetections:
    """The detections of one video."""

    frames: Mapping[
        int, tuple[np.ndarray, np.ndarray]
    ]  # frame id -> boxes (N, 4) px 0-based, scores (N,) 0..1

    def at(self, frame_id: int, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and scores in a frame; the image is not needed."""
        return self.frames.get(frame_id, (NO_BOXES, np.empty(0)))

    @property
    def longest_gap(self) -> int:
        """Frames that an object may be missed for, which is more where the detector looked at every
        n-th frame only.
        """
        ids = sorted(self.frames)
        return max(LONGEST_GAP, 2 * int(np.median(np.diff(ids)))) if len(ids) > 1 else LONGEST_GAP


def read_detections(
    path: Path, names: Sequence[str], frame_names: FrameNames, least_score: float = 0.0
) -> dict[str, VideoDetections]:
    """Detections by video, of the videos `names`, with a score of at least `least_score`.

    `path` is a COCO JSON file (`images` and `annotations`, scores in `score`), or MOT text: one
    file for one video, or a folder with `<video>.txt` or `<video>/det/det.txt`. Raises BadInput
    where nothing in it belongs to a video of `names`.
    """
    if not path.exists():
        raise MissingFile(f"there is no file of detections {path}; correct --detections")
    rows: dict[str, list[Row]] = {}
    for video, found in (
        _coco(path, names, frame_names) if path.suffix.lower() == ".json" else _mot(path, names)
    ):
        rows.setdefault(video, []).append(found)
    known = set(names)
    if not known & set(rows):
        raise BadInput(
            f"{path}: none of the {len(names)} videos (e.g. '{names[0]}') has a detection in it, "
            "its videos are "
            f"called {', '.join(sorted(rows)[:3]) or 'nothing'}; give the detections of these "
            "videos"
        )
    return {
        video: _by_frame([row for row in found if row[2] >= least_score])
        for video, found in rows.items()
        if video in known
    }


def _by_frame(rows: list[Row]) -> VideoDetections:
    frames: dict[int, tuple[list, list]] = {}
    for frame_id, box, score in rows:
        boxes, scores = frames.setdefault(frame_id, ([], []))
        boxes.append(box)
        scores.append(score)
    return VideoDetections(
        {
            frame_id: (np.array(boxes, float), np.array(scores))
            for frame_id, (boxes, scores) in frames.items()
        }
    )


def _mot(path: Path, names: Sequence[str]) -> Iterator[tuple[str, Row]]:
    for video, file in _mot_files(path, names):
        for number, line in enumerate(read_lines(file), 1):
            if not line.strip():
                continue
            values = line.replace(",", " ").split()
            try:
                frame, _, x, y, w, h, score = map(float, [*values, "1"][:7])
                if not all(map(math.isfinite, (frame, x, y, w, h, score))):
                    raise ValueError
            except ValueError:
                raise BadValue(
                    f"{file} line {number}: '{line.strip()[:60]}' is not "
                    "frame,id,x,y,w,h,confidence; "
                    "correct it"
                ) from None
            if frame < 1 or frame != int(frame):
                raise BadValue(
                    f"{file} line {number}: frame {values[0]}; MOT's frames count from 1"
                )
            yield (
                video,
                _row(
                    f"{file} line {number}",
                    int(frame) - 1,
                    [x - 1, y - 1, w, h],
                    1.0 if score == -1 else score,
                ),
            )


def _mot_files(path: Path, names: Sequence[str]) -> Iterator[tuple[str, Path]]:
    if path.is_file():
        yield (names[0] if len(names) == 1 else path.stem), path
        return
    found = False
    for name in names:
        file = next(
            (
                file
                for file in (path / f"{name}.txt", path / name / "det" / "det.txt")
                if file.is_file()
            ),
            None,
        )
        if file is not None:
            found = True
            yield name, file
    if not found:
        raise MissingFile(
            f"{path} holds neither <video>.txt nor <video>/det/det.txt of any video (e.g. "
            f"{names[0]}.txt); "
            "correct --detections"
        )


def _coco(path: Path, names: Sequence[str], frame_names: FrameNames) -> Iterator[tuple[str, Row]]:
    content = json_file.load(path)
    if not isinstance(content, dict) or "annotations" not in content or "images" not in content:
        raise BadValue(
            f"{path}: a list of results alone does not say which frame of which video an image "
            "is; give one file "
            '{"images": [...], "annotations": [...]} with the results as annotations'
        )
    images = _coco_images(content, path, names, frame_names)
    for where, item in json_file.records(content, "annotations", str(path)):
        image_id = json_file.needed_identity(item, "image_id", where)
        if image_id not in images:
            raise BadValue(f"{where}: there is no image with id {image_id}; correct image_id")
        video, frame_id = images[image_id]
        score = 1.0 if item.get("score") is None else json_file.number(item, "score", where)
        if not item.get("iscrowd"):
            yield (
                video,
                _row(
                    where,
                    frame_id,
                    json_file.box(json_file.need(item, "bbox", where), where),
                    score,
                ),
            )


def _coco_images(
    content: dict[str, Any], path: Path, names: Sequence[str], frame_names: FrameNames
) -> dict[Any, tuple[str, int]]:
    """Video and frame of each image id: by `video_id` and `frame_id` or `frame_index` (from 0),
    else by the file's name.
    """
    videos = {
        json_file.needed_identity(item, "id", where): stem(str(json_file.need(item, "name", where)))
        for where, item in json_file.records(content, "videos", str(path))
    }
    found: dict[Any, tuple[str, int]] = {}
    by_name: dict[str, dict[Any, str]] = {}
    for where, item in json_file.records(content, "images", str(path)):
        image_id = json_file.needed_identity(item, "id", where)
        file = PurePosixPath(str(item.get("file_name", "")).replace("\\", "/"))
        folders = [part for part in file.parts[:-1] if part not in ("/", "img", "images")]
        video = (
            videos.get(json_file.identity(item, "video_id", where) or "")
            or next((part for part in reversed(folders) if part in names), None)
            or (folders[-1] if folders else names[0] if len(names) == 1 else None)
        )
        if video is None:
            raise BadValue(
                f"{where}: neither video_id nor the folder in file_name says which of the "
                f"{len(names)} videos this "
                "is; write file_name as <video>/<image>"
            )
        key = next((key for key in ("frame_id", "frame_index") if key in item), None)
        if key is None:
            by_name.setdefault(video, {})[image_id] = file.name
        else:
            found[image_id] = video, json_file.integer(item, key, where)
    for video, files in by_name.items():
        info = VideoInfo(frame_names=frame_names(video) if video in names else None)
        frames = frames_by_name(
            files.values(), info, f"{path}: images of video '{video}'", usual_first=1
        )
        found.update({image_id: (video, frames[name]) for image_id, name in files.items()})
    return found


def _row(where: str, frame_id: int, box: Sequence[float], score: float) -> Row:
    values = [float(value) for value in box]
    if not np.isfinite([*values, score]).all() or min(values[2:]) <= 0 or frame_id < 0:
        raise BadValue(
            f"{where}: frame {frame_id}, box {values}, score {score}: width and height must be "
            "above 0 and the "
            "frame not negative; correct it"
        )
    return frame_id, values, min(max(float(score), 0.0), 1.0)
