"""Makes dense boxes of one video from its human ones: walks in both directions, fused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue
from ltr.frames.wrappers import Frames
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.earlier import EarlierResults, changed_gaps
from spot_ext.propagate.fuse import Fused, fuse
from spot_ext.propagate.fusion_config import DEFAULT, FusionConfig
from spot_ext.propagate.key_frame_tracker import KeyFrameTracker, OnlineTracker

# Pixels; nothing can be tracked from a smaller box.
LEAST_SIDE = 1


def human_only(video: VideoBoxes) -> VideoBoxes:
    """Return what a person drew, absences included. Boxes that a program made are no evidence."""
    objects = []
    for item in video.objects:
        rows = item.human
        if rows.any():
            objects.append(
                ObjectTrack(
                    item.object_id,
                    item.frame_ids[rows],
                    item.boxes_xywh[rows],
                    item.confidences[rows],
                    item.human[rows],
                    item.label,
                )
            )
    return VideoBoxes(video.video, tuple(objects), video.frame_count, video.size, video.fps)


def check_boxes(video: VideoBoxes, frame_count: int) -> None:
    """Raise BadValue for a box of a frame that the video does not have, or without an area."""
    for item in video.objects:
        if item.frame_ids[-1] >= frame_count:
            raise BadValue(
                f"video '{video.video}', object '{item.object_id}': there is a box for frame "
                f"{item.frame_ids[-1]}, but the video has frames 0 to {frame_count - 1}; correct "
                "the boxes"
            )
        has_area = (item.boxes_xywh[:, 2:] >= LEAST_SIDE).all(1)
        too_small = np.flatnonzero(~item.absent & ~has_area)
        if len(too_small):
            raise BadValue(
                f"video '{video.video}', object '{item.object_id}', frame "
                f"{item.frame_ids[too_small[0]]}: the box is less than a pixel wide or high; "
                "correct it"
            )


def propagate(
    frames: Frames,
    video: VideoBoxes,
    make_tracker: Callable[[], OnlineTracker],
    tick: Callable[[], None] = lambda: None,
    config: FusionConfig = DEFAULT,
    earlier: EarlierResults | None = None,
) -> list[Fused]:
    """Return dense boxes of every object of `video`, whose boxes are all human.

    Each frame is decoded once per direction, and the key frames once more; `tick` is called after
    each frame of each direction. Gaps between the same boxes as in the `earlier` results are not
    followed again.
    """
    frame_count = len(frames)
    check_boxes(video, frame_count)
    results_before: EarlierResults = earlier or {}
    found_before = [results_before.get(item.object_id) for item in video.objects]
    gaps = [
        changed_gaps(item, before, frame_count)
        for item, before in zip(video.objects, found_before, strict=True)
    ]
    tracker = KeyFrameTracker(frames, video.objects, make_tracker(), gaps)
    forward = tracker.walk(forward=True, count=frame_count, tick=tick)
    backward = tracker.walk(forward=False, count=frame_count, tick=tick)
    return [
        fuse(item, forward[number], backward[number], config, gaps[number], found_before[number])
        for number, item in enumerate(video.objects)
    ]


def dense(video: VideoBoxes, fused: list[Fused], **known: Any) -> VideoBoxes:
    """Return `video` with a row for every frame; `known` are frame count, size and rate.

    Human boxes stay exactly as given, others are rounded to a hundredth of a pixel.
    """
    objects = []
    for item, found in zip(video.objects, fused, strict=True):
        boxes = np.where(found.human[:, None], found.boxes_xywh, found.boxes_xywh.round(2))
        objects.append(
            ObjectTrack(
                item.object_id,
                np.arange(len(boxes)),
                boxes,
                found.confidences.round(4),
                found.human,
                item.label,
            )
        )
    return VideoBoxes(video.video, tuple(objects), **known)
