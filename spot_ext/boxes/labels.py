"""Labelled frames, as they travel between the code that chooses them, their files and the data sets
that use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, suggestion

MODES = {"key_frames": "kf", "det": "det", "mot": "mot"}  # mode -> its short form in file names


@dataclass(frozen=True, eq=False)
class TargetPath:
    """One object in one video, labelled on `frame_ids` (0-based, sorted, each once).

    `boxes_xywh` is float64 of shape (len(frame_ids), 4) and read-only. None means that the boxes
    are the data set's own at exactly these frames; anything else (a detector, a short track) brings
    its boxes along, and may say with a `quality` in 0..1 how far to trust them.
    """

    frame_ids: tuple[int, ...]
    boxes_xywh: np.ndarray | None = None
    quality: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_ids", _checked_frame_ids(self.frame_ids))
        if self.quality is not None and not 0 <= self.quality <= 1:  # also refuses NaN
            raise BadValue(f"quality {self.quality} is not a number from 0 to 1")
        if self.boxes_xywh is not None:
            object.__setattr__(
                self, "boxes_xywh", _checked_boxes(self.boxes_xywh, len(self.frame_ids))
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TargetPath):
            return NotImplemented
        return (self.frame_ids, self.quality) == (other.frame_ids, other.quality) and _same_boxes(
            self.boxes_xywh, other.boxes_xywh
        )

    def __hash__(self) -> int:
        return hash(self.frame_ids)


@dataclass(frozen=True)
class VideoLabels:
    """The labelled object paths of one video; `sequence` is the key of
    `key_frames.sequence_key`.
    """

    sequence: str
    paths: tuple[TargetPath, ...]


@dataclass(frozen=True)
class LabelSet:
    """All labelled frames of one data set and split: the content of one result file.

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
                f"mode '{self.mode}' of a label set is unknown{suggestion(self.mode, MODES)};"
                f" use one of {', '.join(MODES)}"
            )

    @property
    def name(self) -> str:
        """The name its file carries, e.g. `LaSOT_train_kf_003`."""
        return f"{self.dataset}_{self.split}_{MODES[self.mode]}_{self.num:03d}"

    @property
    def num_labels(self) -> int:
        """Labelled frames over all paths of all videos."""
        return sum(len(path.frame_ids) for video in self.videos.values() for path in video.paths)


def _checked_frame_ids(frame_ids: Any) -> tuple[int, ...]:
    ids = tuple(frame_ids)
    if not ids:
        raise BadValue("no labelled frame: a path needs at least one frame id")
    for frame_id in ids:
        if isinstance(frame_id, (bool, np.bool_)) or not isinstance(frame_id, (int, np.integer)):
            raise BadValue(f"frame id {frame_id!r} is not a whole number")
    ids = tuple(int(frame_id) for frame_id in ids)
    for before, after in zip((-1, *ids), ids, strict=False):
        if after < 0:
            raise BadValue(f"frame id {after} is negative: ids count from 0")
        if after == before:
            raise BadValue(f"frame id {after} is listed twice")
        if after < before:
            raise BadValue(f"frame id {after} follows {before}: ids must be sorted")
    return ids


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
    bad = np.flatnonzero(~np.isfinite(boxes).all(1) | ~(boxes[:, 2:] > 0).all(1))
    if len(bad):
        raise BadValue(
            f"box number {bad[0]} is {boxes[bad[0]].tolist()}:"
            " it must be finite with width and height above 0"
        )
    boxes.setflags(write=False)
    return boxes


def _same_boxes(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one, other)
