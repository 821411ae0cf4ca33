"""Checks boxes and names before any format writes them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from ltr.admin.errors import BadValue
from spot_ext.boxes.checks import check_box
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

_NOT_IN_NAMES = {
    "Cc": "a control character",
    "Cs": "half a character",
    "Zl": "a line break",
    "Zp": "a line break",
}


def check_videos(videos: Sequence[VideoBoxes]) -> None:
    """Raise BadValue for two videos of one name, unusable names, boxes without area and confidences
    outside 0 to 1.
    """
    seen = set()
    for video in videos:
        _check_name(video.video, "the video name")
        if video.video in seen:
            raise BadValue(
                f"video '{video.video}' is there twice; put all its objects into one VideoBoxes"
            )
        seen.add(video.video)
        for item in video.objects:
            where = f"video '{video.video}', object '{item.object_id}'"
            _check_name(item.object_id, f"video '{video.video}': the object id")
            if item.label:
                _check_name(item.label, f"{where}: the label")
            _check_object(item, where, video.frame_count)
            _check_places(item, where, video.size)


def check_folder_names(videos: Sequence[VideoBoxes]) -> None:
    """Raise BadValue where a video's name cannot be that of a folder below the place that is
    written to.
    """
    for video in videos:
        if (
            video.video.startswith(".")
            or any(sign in video.video for sign in "/\\")
            or len(video.video.encode()) > 200
        ):
            raise BadValue(
                f"the video name '{video.video}' cannot be a folder's name; rename it or write "
                "another format"
            )


def _check_name(name: str, what: str) -> None:
    if not name:
        raise BadValue(f"{what} is empty; give one")
    for character in name:
        kind = _NOT_IN_NAMES.get(unicodedata.category(character))
        if kind or character in "\ufffe\uffff":
            raise BadValue(
                f"{what} {name!r} holds {kind or 'a character no file can hold'}; rename it"
            )


def _check_places(item: ObjectTrack, where: str, size: tuple[int, int] | None) -> None:
    """Refuse boxes of a person outside the frame: no reader that knows its size takes them.

    Trackers keep their boxes within it; what one found in hours is not refused here.
    """
    if size is None:
        return
    for row in item.present.rows():
        if row.human:
            check_box(row.box_xywh, f"{where}, frame {row.frame_id}", size)


def _check_object(item: ObjectTrack, where: str, frame_count: int | None) -> None:
    present = ~item.absent
    bad = present & ~(np.isfinite(item.boxes_xywh).all(1) & (item.boxes_xywh[:, 2:] > 0).all(1))
    if bad.any():
        row = int(np.argmax(bad))
        raise BadValue(
            f"{where}, frame {item.frame_ids[row]}: {item.boxes_xywh[row].tolist()} is no box, "
            "width and height "
            "must be above 0; NaN marks an absent object"
        )
    bad = ~((item.confidences >= 0) & (item.confidences <= 1))
    if bad.any():
        row = int(np.argmax(bad))
        raise BadValue(
            f"{where}, frame {item.frame_ids[row]}: the confidence {item.confidences[row]} is not "
            "within 0 to 1"
        )
    if frame_count is not None and len(item.frame_ids) and item.frame_ids[-1] >= frame_count:
        raise BadValue(
            f"{where}: there is no frame {item.frame_ids[-1]}, the video has {frame_count}; "
            "correct it"
        )
