"""Dense boxes of one video from the human ones: walks in both directions, fused; kept in a file so
that it is done once.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue
from ltr.io.files import atomic_write
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.frames import Frames
from spot_ext.propagate.fusion import DEFAULT, Fused, FusionConfig, fuse
from spot_ext.propagate.walks import starts, walk

VERSION = 2  # of what is computed; another one makes kept files out of date


def human_only(video: VideoBoxes) -> VideoBoxes:
    """What a person drew, absences included; boxes that a program made are no evidence."""
    objects = [
        ObjectTrack(
            item.object_id,
            item.frame_ids[item.human],
            item.boxes_xywh[item.human],
            item.confidences[item.human],
            item.human[item.human],
            item.label,
        )
        for item in video.objects
    ]
    return VideoBoxes(
        video.video,
        tuple(item for item in objects if len(item.frame_ids)),
        video.frame_count,
        video.size,
        video.fps,
    )


def check_boxes(video: VideoBoxes, length: int) -> None:
    """BadValue for boxes of frames that the video does not have, and boxes that nothing can be
    tracked from.
    """
    for item in video.objects:
        if item.frame_ids[-1] >= length:
            raise BadValue(
                f"video '{video.video}', object '{item.object_id}': there is a box for frame "
                f"{item.frame_ids[-1]}, "
                f"but the video has frames 0 to {length - 1}; correct the boxes"
            )
        small = np.flatnonzero(~item.absent & ~(item.boxes_xywh[:, 2:] >= 1).all(1))
        if len(small):
            raise BadValue(
                f"video '{video.video}', object '{item.object_id}', frame "
                f"{item.frame_ids[small[0]]}: the box is "
                "less than a pixel wide or high; correct it"
            )


def propagate(
    frames: Frames,
    video: VideoBoxes,
    make_tracker: Callable[[], Any],
    tick: Callable[[], None] = lambda: None,
    config: FusionConfig = DEFAULT,
) -> list[Fused]:
    """Dense boxes of every object of `video`, whose boxes are all human. Each frame is decoded once
    per direction, and the key frames once more; `tick` is called after each frame of each
    direction.
    """
    count = len(frames)
    check_boxes(video, count)
    tracker = make_tracker()
    begins = [starts(frames, item, tracker) for item in video.objects]
    forward = walk(frames, video.objects, begins, True, count, tick)
    backward = walk(frames, video.objects, begins, False, count, tick)
    return [
        fuse(item, *walks, config)
        for item, *walks in zip(video.objects, forward, backward, strict=True)
    ]


def dense(video: VideoBoxes, found: list[Fused], **known: Any) -> VideoBoxes:
    """`video` with a row for every frame: human boxes exactly as given, others to a hundredth of a
    pixel.
    """
    objects = []
    for item, one in zip(video.objects, found, strict=True):
        boxes = np.where(one.human[:, None], one.boxes_xywh, one.boxes_xywh.round(2))
        objects.append(
            ObjectTrack(
                item.object_id,
                np.arange(len(boxes)),
                boxes,
                one.confidences.round(4),
                one.human,
                item.label,
            )
        )
    return VideoBoxes(video.video, tuple(objects), **known)


@dataclass(frozen=True)
class ResultCache:
    """A file with what was found in one video, for what it was computed from."""

    path: Path
    stamp: str

    @classmethod
    def of(cls, folder: Path, video: VideoBoxes, made_of: str) -> ResultCache:
        """The file in `folder` for a video and, in words, everything else that decides the
        result.
        """
        digest = hashlib.sha256(f"{VERSION} {made_of}".encode())
        for item in video.objects:
            digest.update(
                f"{item.object_id} {item.frame_ids.tolist()} {item.boxes_xywh.tolist()}".encode()
            )
        name = "".join(c if c.isalnum() or c in "-_" else "_" for c in video.video)
        return cls(
            folder / f"{name}-{hashlib.sha256(video.video.encode()).hexdigest()[:6]}.npz",
            digest.hexdigest(),
        )

    def read(self) -> list[Fused] | None:
        """What was found, None where nothing fitting is there."""
        try:
            with np.load(self.path, allow_pickle=False) as content:
                if str(content["stamp"]) != self.stamp:
                    return None
                return [
                    Fused(
                        **{
                            field.name: content[f"{i}_{field.name}"]
                            for field in dataclasses.fields(Fused)
                        }
                    )
                    for i in range(int(content["count"]))
                ]
        except (OSError, ValueError, KeyError, EOFError):  # not there, or of another program
            return None

    def write(self, found: list[Fused]) -> None:
        """Keep it."""
        arrays: dict[str, Any] = {"stamp": np.array(self.stamp), "count": np.array(len(found))}
        for i, one in enumerate(found):
            arrays |= {
                f"{i}_{field.name}": getattr(one, field.name) for field in dataclasses.fields(Fused)
            }
        with atomic_write(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
