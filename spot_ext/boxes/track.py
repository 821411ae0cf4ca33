"""Holds one object's boxes over frames, as labels, stores, formats and pages exchange them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ltr.admin.errors import BadValue

Box = tuple[float, float, float, float]  # x, y, w, h in frame pixels

_ABSENT = (float("nan"),) * 4


class TrackRow(NamedTuple):
    """A frame of a track; `box_xywh` None: the object is known to be absent."""

    frame_id: int
    box_xywh: Box | None
    confidence: float = 1.0
    human: bool = True


@dataclass(frozen=True, eq=False)
class ObjectTrack:
    """An object's boxes in some frames of a video, sparse or dense.

    A frame in which the object is known to be absent has a box of NaN; a frame that is not listed
    says nothing. Two tracks are equal when all they hold is, where NaN equals NaN.

    `has_boxes` is False for key frames that were chosen and carry no boxes of their own: their
    boxes are the data set's at these frames, `boxes_xywh` is NaN, and nobody is absent.
    """

    object_id: str
    frame_ids: np.ndarray  # (T,) int64, ascending, 0-based
    boxes_xywh: np.ndarray  # (T, 4) float64 frame pixels, 0-based
    confidences: np.ndarray  # (T,) float64 in 0..1; 1 for boxes a person drew
    human: np.ndarray  # (T,) bool: drawn by a person, never to be moved
    label: str = ""  # class name, where one is known
    has_boxes: bool = True

    def __post_init__(self) -> None:
        count = len(self.frame_ids)
        counts = {len(self.confidences), len(self.human)}
        if self.boxes_xywh.shape != (count, 4) or counts != {count}:
            raise BadValue(
                f"object '{self.object_id}': {count} frames, boxes of shape "
                f"{self.boxes_xywh.shape}, {len(self.confidences)} confidences and "
                f"{len(self.human)} marks of origin do not go together"
            )
        if (np.diff(self.frame_ids) <= 0).any() or (self.frame_ids < 0).any():
            raise BadValue(
                f"object '{self.object_id}': frame numbers must be 0 or more and ascend, one box "
                "a frame"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ObjectTrack):
            return NotImplemented
        return (
            (self.object_id, self.label) == (other.object_id, other.label)
            and self.has_boxes == other.has_boxes
            and np.array_equal(self.frame_ids, other.frame_ids)
            and np.array_equal(self.human, other.human)
            and np.array_equal(self.boxes_xywh, other.boxes_xywh, equal_nan=True)
            and np.array_equal(self.confidences, other.confidences)
        )

    def __hash__(self) -> int:
        return hash((self.object_id, self.label, len(self.frame_ids)))

    def __len__(self) -> int:
        """Return the number of frames listed."""
        return len(self.frame_ids)

    # -- making one --------------------------------------------------------------------------------

    @classmethod
    def drawn(cls, object_id: str, frame_ids: Any, boxes_xywh: Any, label: str = "") -> ObjectTrack:
        """Make a track of boxes a person drew, in any order of frames; NaN rows mark absence."""
        frame_ids = np.asarray(frame_ids, dtype=np.int64).reshape(-1)
        boxes_xywh = np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)
        order = np.argsort(frame_ids, kind="stable")
        count = len(frame_ids)
        human = np.ones(count, dtype=bool)
        return cls(object_id, frame_ids[order], boxes_xywh[order], np.ones(count), human, label)

    @classmethod
    def found(
        cls, object_id: str, frame_ids: Any, boxes_xywh: Any, confidences: Any, label: str = ""
    ) -> ObjectTrack:
        """Make a track of boxes a machine found, frames ascending, of one confidence or each."""
        frame_ids = np.asarray(frame_ids, dtype=np.int64).reshape(-1)
        boxes_xywh = np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)
        count = len(frame_ids)
        confidences = np.broadcast_to(np.asarray(confidences, dtype=np.float64), (count,)).copy()
        return cls(
            object_id, frame_ids, boxes_xywh, confidences, np.zeros(count, dtype=bool), label
        )

    @classmethod
    def key_frames(cls, frame_ids: Any, object_id: str = "1", label: str = "") -> ObjectTrack:
        """Make a track of chosen key frames, ascending, whose boxes are the data set's."""
        frame_ids = np.asarray(frame_ids, dtype=np.int64).reshape(-1)
        count = len(frame_ids)
        boxes_xywh = np.full((count, 4), np.nan)
        human = np.ones(count, dtype=bool)
        return cls(object_id, frame_ids, boxes_xywh, np.ones(count), human, label, has_boxes=False)

    @classmethod
    def from_rows(cls, object_id: str, rows: Iterable[TrackRow], label: str = "") -> ObjectTrack:
        """Make a track of rows in any order, one a frame."""
        rows = sorted(rows, key=lambda row: row.frame_id)
        boxes = [_ABSENT if row.box_xywh is None else row.box_xywh for row in rows]
        return cls(
            object_id,
            np.array([row.frame_id for row in rows], dtype=np.int64),
            np.array(boxes, dtype=np.float64).reshape(-1, 4),
            np.array([row.confidence for row in rows], dtype=np.float64),
            np.array([row.human for row in rows], dtype=bool),
            label,
        )

    @classmethod
    def empty(cls, object_id: str, label: str = "") -> ObjectTrack:
        """Make a track without a frame."""
        return cls.from_rows(object_id, (), label)

    # -- reading -----------------------------------------------------------------------------------

    @property
    def absent(self) -> np.ndarray:
        """(T,) bool: the object is known not to be seen."""
        if not self.has_boxes:
            return np.zeros(len(self.frame_ids), dtype=bool)
        return np.isnan(self.boxes_xywh).any(1)

    @property
    def present(self) -> ObjectTrack:
        """The frames that have a box, without the absences."""
        return self.select(~self.absent)

    def row_of(self, frame_id: int) -> int | None:
        """Return the place of a frame in the arrays; None where it is not listed."""
        row = int(np.searchsorted(self.frame_ids, frame_id))
        return row if row < len(self.frame_ids) and self.frame_ids[row] == frame_id else None

    def rows(self) -> Iterator[TrackRow]:
        """Yield the frames one by one, in plain Python numbers, for text and JSON."""
        columns = zip(
            self.frame_ids.tolist(),
            self.boxes_xywh.tolist(),
            self.absent.tolist(),
            self.confidences.tolist(),
            self.human.tolist(),
            strict=True,
        )
        for frame_id, box, absent, confidence, human in columns:
            yield TrackRow(frame_id, None if absent else tuple(box), confidence, human)

    # -- changing, into a new track ----------------------------------------------------------------

    def select(self, rows: np.ndarray) -> ObjectTrack:
        """Return the track reduced to some rows: a mask (T,) or ascending places."""
        return replace(
            self,
            frame_ids=self.frame_ids[rows],
            boxes_xywh=self.boxes_xywh[rows],
            confidences=self.confidences[rows],
            human=self.human[rows],
        )

    def with_row(self, row: TrackRow) -> ObjectTrack:
        """Return the track with one frame set or replaced."""
        rows = {item.frame_id: item for item in self.rows()}
        rows[row.frame_id] = row
        return ObjectTrack.from_rows(self.object_id, rows.values(), self.label)

    def without_frame(self, frame_id: int) -> ObjectTrack:
        """Return the track without one frame."""
        return self.select(self.frame_ids != frame_id)

    def as_proposal(self) -> ObjectTrack:
        """Return the track with all boxes marked as not drawn by a person."""
        return replace(self, human=np.zeros(len(self.frame_ids), dtype=bool))


@dataclass(frozen=True)
class VideoBoxes:
    """All objects of one video."""

    # The name that the data set VideoFolder gives it: folder name, or file name without suffix.
    video: str
    objects: tuple[ObjectTrack, ...]
    frame_count: int | None = None  # None: the file did not say
    size: tuple[int, int] | None = None  # width, height in pixels
    fps: float | None = None

    def __post_init__(self) -> None:
        names = [track.object_id for track in self.objects]
        if len(set(names)) < len(names):
            raise BadValue(
                f"video '{self.video}': an object id is used twice in {', '.join(names)}; give "
                "each its own"
            )

    @property
    def by_id(self) -> Mapping[str, ObjectTrack]:
        """The tracks by object id."""
        return {track.object_id: track for track in self.objects}
