"""Collects the boxes of a file, in whatever order it has them, and checks each with the line or
field it came from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

DEFAULT_OBJECT = "1"  # the object of files that have but one
PIXEL_DIGITS = (
    6  # decimals that coordinates keep which a format stores as something else, such as percent
)
MOST_FRAMES = 10**7  # four days of video; more is a mistake
_ABSENT = (math.nan,) * 4


class BoxTable:
    """Rows by video, object and frame. Videos and objects stay in the order in which they first
    come.
    """

    def __init__(self, path: Path, infos: Infos):
        self.path, self.infos = path, infos
        self._videos: dict[str, _Video] = {}

    def video(
        self,
        name: str,
        frame_count: int | None = None,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
    ) -> None:
        """Declare a video with what the file says of it; what is known from the video itself comes
        first.
        """
        if name not in self._videos:
            info = self.infos.of(name)
            self._videos[name] = _Video(info.frame_count, info.size, info.fps)
        video = self._videos[name]
        video.frame_count = frame_count if video.frame_count is None else video.frame_count
        video.size, video.fps = video.size or size, video.fps or fps

    def object(self, video: str, object_id: str, label: str = "", where: str = "") -> None:
        """Declare an object, so that it is there without boxes too."""
        if video not in self._videos:
            self.video(video)
        objects = self._videos[video].objects
        if object_id not in objects:
            objects[object_id] = _Object(label)
        elif label and objects[object_id].label != label:
            if objects[object_id].label:
                raise BadValue(
                    f"{where or self.path}: object '{object_id}' of video '{video}' is a "
                    f"'{label}' here and a "
                    f"'{objects[object_id].label}' before; correct one of them"
                )
            objects[object_id].label = label

    def size(self, video: str) -> tuple[int, int] | None:
        """Width and height of a declared video, None where neither the file nor the caller says."""
        return self._videos[video].size

    def frame_count(self, video: str) -> int | None:
        """Number of frames of a declared video, None where not known."""
        return self._videos[video].frame_count

    def add(
        self,
        where: str,
        video: str,
        object_id: str,
        frame_id: int,
        box_xywh: Sequence[float] | None,
        confidence: float = 1.0,
        human: bool | None = None,
        label: str = "",
    ) -> None:
        """Add a box, or with None an absence. `human` None: drawn by a person where the confidence
        is 1.

        Raises BadValue, beginning with `where`, for anything that is no box in this video or is
        there already.
        """
        entry = self._videos.get(video)
        item = entry.objects.get(object_id) if entry is not None else None
        if item is None or (label and item.label != label):
            self.object(video, object_id, label, where)
            entry = self._videos[video]
            item = entry.objects[object_id]
        if not 0 <= frame_id < (MOST_FRAMES if entry.frame_count is None else entry.frame_count):
            last = " and on" if entry.frame_count is None else f" to {entry.frame_count - 1}"
            raise BadValue(
                f"{where}: video '{video}' has no frame {frame_id}, its frames are 0{last}; "
                "correct it"
            )
        if frame_id in item.rows:
            raise BadValue(
                f"{where}: frame {frame_id} of object '{object_id}' in video '{video}' has two "
                "boxes; remove one, "
                "or give two objects different ids"
            )
        if box_xywh is None:
            box_xywh = _ABSENT
        elif not (math.isfinite(sum(box_xywh)) and box_xywh[2] > 0 and box_xywh[3] > 0):
            values = ", ".join(f"{value:g}" for value in box_xywh)
            raise BadValue(
                f"{where}: {values} is no box x,y,w,h, its numbers must be finite and width and "
                "height above 0; "
                "correct it"
            )
        if not 0 <= confidence <= 1:
            raise BadValue(
                f"{where}: the confidence {confidence:g} is not within 0 to 1; correct it"
            )
        item.rows[frame_id] = (*box_xywh, confidence, confidence == 1 if human is None else human)

    def videos(self) -> list[VideoBoxes]:
        """All that was added."""
        return [
            VideoBoxes(
                name,
                tuple(item.boxes(object_id) for object_id, item in video.objects.items()),
                video.frame_count,
                video.size,
                video.fps,
            )
            for name, video in self._videos.items()
        ]


class _Video:
    def __init__(self, frame_count: int | None, size: tuple[int, int] | None, fps: float | None):
        self.frame_count, self.size, self.fps = frame_count, size, fps
        self.objects: dict[str, _Object] = {}


class _Object:
    def __init__(self, label: str):
        self.label = label
        self.rows: dict[int, tuple[float, ...]] = {}  # frame -> x, y, w, h, confidence, human

    def boxes(self, object_id: str) -> ObjectTrack:
        frame_ids = np.fromiter(self.rows, np.int64, len(self.rows))
        values = np.array(list(self.rows.values()), np.float64).reshape(-1, 6)
        order = np.argsort(frame_ids)
        values = values[order]
        return ObjectTrack(
            object_id,
            frame_ids[order],
            values[:, :4].copy(),
            values[:, 4].copy(),
            values[:, 5] == 1,
            self.label,
        )


def rounded(box_xywh: Sequence[float]) -> tuple[float, ...]:
    """Coordinates that were computed from other numbers, to a millionth of a pixel: what was
    written comes back.
    """
    return tuple(round(value, PIXEL_DIGITS) for value in box_xywh)
