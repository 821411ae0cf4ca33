"""Labelled frames, as they travel between what chooses them, their files and training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, in_short, suggestion
from spot_ext.boxes.checks import check_box
from spot_ext.boxes.track import ObjectTrack

# mode of a label set -> its short form in file names
MODES = {"key_frames": "kf", "det": "det", "mot": "mot"}


def labelled_track(
    frame_ids: Any, boxes_xywh: Any = None, quality: float | None = None
) -> ObjectTrack:
    """Make the track of one labelled object, checked number by number.

    `frame_ids` are whole numbers from 0, sorted, each once. Without `boxes_xywh` the boxes are the
    data set's own at these frames; what a detector or a tracker found brings its boxes along, and
    may say with a `quality` in 0..1 how far to trust them. BadValue says what is wrong; the caller
    puts file and line before it.
    """
    ids = _checked_frame_ids(frame_ids)
    # Also refuses NaN, for which no comparison holds.
    if quality is not None and not 0 <= quality <= 1:
        raise BadValue(f"quality {quality} is not a number from 0 to 1")
    if boxes_xywh is None:
        track = ObjectTrack.key_frames(ids)
    else:
        track = ObjectTrack.drawn("1", ids, _checked_boxes(boxes_xywh, len(ids)))
    if quality is not None:
        confidences = np.full(len(ids), float(quality))
        track = replace(track, confidences=confidences, human=np.zeros(len(ids), dtype=bool))
    return track


def quality_of(track: ObjectTrack) -> float | None:
    """Return how far a machine's key frames are to be trusted; None for a person's."""
    if track.human.all():
        return None
    first = float(track.confidences[0])
    return first if (track.confidences == first).all() else float(track.confidences.mean())


@dataclass(frozen=True, eq=False)
class SequenceTrack:
    """A track with its place: key of the sequence, number within it, frames of the video.

    `track.human` marks the key frames, whose boxes nobody moves. `length` None: not known yet.
    """

    sequence: str
    number: int
    track: ObjectTrack
    length: int | None = None

    @classmethod
    def labelled(
        cls, sequence: str, number: int, track: ObjectTrack, boxes_xywh: Any, length: int
    ) -> SequenceTrack:
        """Make the entry of a track of which nothing but its labels is known.

        `boxes_xywh` (T, 4) are the boxes on its frames, the track's own or the data set's.
        """
        boxes = np.asarray(boxes_xywh, dtype=np.float64)
        if boxes.shape != (len(track), 4):
            raise BadValue(
                f"'{sequence}', track {number}: boxes of shape {boxes.shape} for {len(track)} "
                "labelled frames; give one box [x, y, w, h] for each"
            )
        keys = np.ones(len(track), dtype=bool)
        labels = replace(track, boxes_xywh=boxes, human=keys, has_boxes=True)
        return cls(sequence, number, labels, length)

    @property
    def key_ids(self) -> np.ndarray:
        """The labelled frames, ascending."""
        return self.track.frame_ids[self.track.human]


@dataclass(frozen=True)
class VideoLabels:
    """The labelled objects of one video; `sequence` is the key of `key_frames.sequence_key`.

    Objects have no names in label files: their ids are 1, 2, … in the order they are given.
    """

    sequence: str
    tracks: tuple[ObjectTrack, ...]

    def __post_init__(self) -> None:
        numbered = (replace(track, object_id=str(i)) for i, track in enumerate(self.tracks, 1))
        object.__setattr__(self, "tracks", tuple(numbered))


@dataclass(frozen=True)
class LabelSet:
    """All labelled frames of one data set and split: the content of one label file.

    `num` is the number of labels per video, `seed` the one they were drawn with (None: unknown, as
    in files of the reference), `failures` the videos left out. `extra` keeps settings of foreign
    files that we do not interpret.
    """

    dataset: str
    split: str
    mode: str
    num: int
    seed: int | None = None
    videos: dict[str, VideoLabels] = field(default_factory=dict)
    failures: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadValue(
                f"mode '{in_short(self.mode)}' of a label set is unknown"
                f"{suggestion(self.mode, MODES)}; use one of {', '.join(MODES)}"
            )

    @property
    def name(self) -> str:
        """The name its file carries, e.g. `LaSOT_train_kf_003`."""
        return f"{self.dataset}_{self.split}_{MODES[self.mode]}_{self.num:03d}"

    @property
    def num_labels(self) -> int:
        """Labelled frames over all tracks of all videos."""
        return sum(len(track) for video in self.videos.values() for track in video.tracks)


def _checked_frame_ids(frame_ids: Any) -> list[int]:
    ids = list(frame_ids)
    if not ids:
        raise BadValue("no labelled frame: a track needs at least one frame id")
    for frame_id in ids:
        if isinstance(frame_id, (bool, np.bool_)) or not isinstance(frame_id, (int, np.integer)):
            raise BadValue(f"frame id {frame_id!r} is not a whole number")
    before = -1
    for frame_id in map(int, ids):
        if frame_id < 0:
            raise BadValue(f"frame id {frame_id} is negative: ids count from 0")
        if frame_id == before:
            raise BadValue(f"frame id {frame_id} is listed twice")
        if frame_id < before:
            raise BadValue(f"frame id {frame_id} follows {before}: ids must be sorted")
        before = frame_id
    return [int(frame_id) for frame_id in ids]


def _checked_boxes(boxes_xywh: Any, count: int) -> np.ndarray:
    try:
        boxes = np.array(boxes_xywh, dtype=np.float64)
    except (TypeError, ValueError):
        raise BadValue("boxes must be rows of four numbers [x, y, width, height]") from None
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise BadValue(
            f"boxes of shape {boxes.shape} must be rows of four numbers [x, y, width, height]"
        )
    if len(boxes) != count:
        raise BadValue(f"{len(boxes)} boxes for {count} frame ids: give one box per frame id")
    for row, box in enumerate(boxes):
        check_box(box, f"box number {row}")
    return boxes
