"""`track`: follows one box through one video."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadValue
from ltr.frames.opening import open_video
from ltr.frames.wrappers import OneSize
from ltr.geometry.checks import check_box
from ltr.io.progress import CountProgress
from pytracking.evaluation.video import VideoWriter
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.film import write_film
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.fuse import fuse
from spot_ext.propagate.key_frame_tracker import KeyFrameTracker
from spot_ext.propagate.network import SHIPPED, open_network
from spot_ext.propagate.propagation import check_boxes, dense


@dataclass(frozen=True)
class TrackJob:
    """The work of `track`."""

    video: Path
    box_xywh: tuple[float, float, float, float]
    start: int = 0  # frame of the box
    out: Path | None = None  # csv
    annotated: Path | None = None  # video with the box drawn in
    net: str = SHIPPED
    device: str = "cpu"


def track(job: TrackJob) -> dict[str, Any]:
    """Do `job` and return a summary. Frames are decoded one after the other, and none is kept."""
    frames = OneSize(open_video(job.video), str(job.video))
    count = len(frames)
    name = job.video.stem if job.video.is_file() else job.video.absolute().name
    if not 0 <= job.start < count:
        raise BadValue(f"--start {job.start}: {job.video} has frames 0 to {count - 1}")
    given = VideoBoxes(name, (ObjectTrack.drawn("1", [job.start], [job.box_xywh]),))
    check_boxes(given, count)
    height, width = frames.read(job.start).shape[:2]
    _check_inside(job.box_xywh, width, height)
    if job.annotated is not None:
        # A place that cannot be written is told before the work.
        VideoWriter(job.annotated, frames.fps, not_over=job.video)

    tracker = open_network(job.net).make_tracker(job.device)()
    started = time.time()
    progress = CountProgress(name, "frames", count - job.start)
    try:
        follower = KeyFrameTracker(frames, given.objects, tracker)
        walk = follower.walk(True, count, lambda: progress.step("tracking"))[0]
    finally:
        progress.close()
    fused = fuse(given.objects[0], walk, Walk.empty(count))
    seconds = time.time() - started

    result = dense(given, [fused], frame_count=count, size=(width, height))
    result = _from_frame(result, job.start)
    if job.out is not None:
        formats.write([result], job.out, "csv")
    if job.annotated is not None:
        write_film(result, frames, job.annotated, frames.fps, job.video, job.start)
    boxes = result.objects[0]
    return {
        "video": str(job.video),
        "frames": count,
        "start": job.start,
        "without_box": int(boxes.absent.sum()),
        "confidence": round(float(boxes.confidences.mean()), 4),
        "seconds": round(seconds, 1),
        "frames_per_second": round((count - job.start) / max(seconds, 1e-9), 1),
        "out": job.out and str(job.out),
        "annotated": job.annotated and str(job.annotated),
    }


def _check_inside(box: tuple[float, float, float, float], width: int, height: int) -> None:
    numbers = ",".join(f"{value:g}" for value in box)
    check_box(box, f"--box {numbers}", (width, height), "give x,y,w,h in pixels")


def _from_frame(video: VideoBoxes, first: int) -> VideoBoxes:
    """Return the frames from `first` on: before it nothing was looked for."""
    objects = tuple(
        ObjectTrack(
            item.object_id,
            item.frame_ids[first:],
            item.boxes_xywh[first:],
            item.confidences[first:],
            item.human[first:],
            item.label,
        )
        for item in video.objects
    )
    return VideoBoxes(video.video, objects, video.frame_count, video.size, video.fps)
