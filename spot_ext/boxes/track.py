"""Boxes of objects in videos, as every file format and verb here exchanges them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ltr.admin.errors import BadValue


@dataclass(frozen=True, eq=False)
class ObjectTrack:
    """One object's boxes in some frames of a video, sparse or dense.

    A frame in which the object is known to be absent has a box of NaN; a frame that is not listed
    says nothing. Two are equal when all they hold is, where NaN equals NaN.
    """

    object_id: str
    frame_ids: np.ndarray  # (T,) int64, ascending, 0-based
    boxes_xywh: np.ndarray  # (T, 4) float64 frame pixels, 0-based
    confidences: np.ndarray  # (T,) float64 in 0..1; 1 for boxes a person drew
    human: np.ndarray  # (T,) bool: drawn by a person, never to be moved
    label: str = ""  # class name, where one is known

    def __post_init__(self) -> None:
        count = len(self.frame_ids)
        if not (
            self.boxes_xywh.shape == (count, 4)
            and len(self.confidences) == len(self.human) == count
        ):
            raise BadValue(
                f"object '{self.object_id}': {count} frames, boxes of shape "
                f"{self.boxes_xywh.shape}, "
                f"{len(self.confidences)} confidences and {len(self.human)} marks of origin do "
                "not go together"
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
            and np.array_equal(self.frame_ids, other.frame_ids)
            and np.array_equal(self.human, other.human)
            and np.array_equal(self.boxes_xywh, other.boxes_xywh, equal_nan=True)
            and np.array_equal(self.confidences, other.confidences)
        )

    def __hash__(self) -> int:
        return hash((self.object_id, self.label, len(self.frame_ids)))

    @classmethod
    def drawn(cls, object_id: str, frame_ids, boxes_xywh, label: str = "") -> ObjectTrack:
        """Boxes a person drew, in any order of frames; NaN rows mark absence."""
        frame_ids = np.asarray(frame_ids, dtype=np.int64).reshape(-1)
        order = np.argsort(frame_ids, kind="stable")
        count = len(frame_ids)
        return cls(
            object_id,
            frame_ids[order],
            np.asarray(boxes_xywh, dtype=np.float64).reshape(-1, 4)[order],
            np.ones(count),
            np.ones(count, dtype=bool),
            label,
        )

    @property
    def absent(self) -> np.ndarray:
        """(T,) bool: the object is known not to be seen."""
        return np.isnan(self.boxes_xywh).any(1)


@dataclass(frozen=True)
class VideoBoxes:
    """All objects of one video."""

    # its name as the data set VideoFolder gives it: folder name, or file name without suffix
    video: str
    objects: tuple[ObjectTrack, ...]
    frame_count: int | None = None  # None: the file did not say
    size: tuple[int, int] | None = None  # width, height in pixels
    fps: float | None = None

    def __post_init__(self) -> None:
        names = [item.object_id for item in self.objects]
        if len(set(names)) < len(names):
            raise BadValue(
                f"video '{self.video}': an object id is used twice in {', '.join(names)}; give "
                "each its own"
            )
