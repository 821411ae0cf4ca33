"""The key frames that `sample` chooses and recipes train on, with boxes: see
`spot_ext.boxes.formats.label_file`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.formats.candidate import Candidate
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.formats.table import BoxTable
from spot_ext.boxes.labels import LabelSet, TargetPath, VideoLabels
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

NAME, TEXT = "keyframes", "the JSON of key frames that `sample` writes and recipes train on"
DATASET, SPLIT, MODE = "folder", "train", "key_frames"  # what the settings of a written file say


def looks_like(place: Candidate) -> bool:
    """JSON with the two parts that each such file has."""
    return isinstance(place.json, dict) and {label_file.SETTINGS, label_file.RESULT} <= set(
        place.json
    )


def read(path: Path, infos: Infos) -> list[VideoBoxes]:
    """Boxes of a result file; an object's id is its number in the video, from 1. A file of frame
    numbers only, as `sample` writes it, stands for the boxes that lie beside the videos
    (`groundtruth.txt`), and is refused where there are none.
    """
    table = BoxTable(path, infos)
    for key, labels in label_file.read(path).videos.items():
        video = _video(key, infos)
        for number, target in enumerate(labels.paths, 1):
            where = f"{path}: '{key}', path {number - 1}"
            boxes = (
                infos.boxes(video, target.frame_ids)
                if target.boxes_xywh is None
                else target.boxes_xywh
            )
            if boxes is None and video not in infos and len(infos):
                continue  # of another folder; nothing is known of it here
            if boxes is None or not np.isfinite(boxes).all():
                raise BadValue(
                    f"{where}: frame numbers without boxes, and no groundtruth.txt of the video "
                    "has them; draw "
                    "them: `python -m spot_ext annotate FOLDER --suggest` this file"
                )
            for frame_id, box in zip(target.frame_ids, boxes.tolist(), strict=True):
                table.add(where, video, str(number), frame_id, box)
    return table.videos()


def write(videos: Sequence[VideoBoxes], path: Path, infos: Infos) -> list[Path]:
    """One file; a folder gets it under its usual name. Frames without a box are left out, and
    objects without any.
    """
    kept = {}
    for video in videos:
        paths = [_path(item) for item in video.objects if not item.absent.all()]
        if paths:
            kept[video.video] = VideoLabels(video.video, tuple(paths))
    most = max(
        (len(target.frame_ids) for labels in kept.values() for target in labels.paths), default=0
    )
    return [label_file.write(LabelSet(DATASET, SPLIT, MODE, most, videos=kept), path)]


def _path(item: ObjectTrack) -> TargetPath:
    present = np.flatnonzero(~item.absent)
    return TargetPath(tuple(item.frame_ids[present].tolist()), item.boxes_xywh[present])


def _video(key: str, infos: Infos) -> str:
    """A key is a video's name, or has that of its data set before it."""
    name = infos.name(key)
    parts = key.split("_")
    behind = ["_".join(parts[start:]) for start in (1, 2)]
    return name if name in infos else next((rest for rest in behind if rest in infos), name)
