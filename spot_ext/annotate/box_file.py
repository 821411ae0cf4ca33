"""The boxes people draw, held in memory and in one CSV file that is written anew, in one step, with
every change.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.io import outputs
from spot_ext.boxes import formats
from spot_ext.boxes.formats import VideoInfo
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

Box = tuple[float, float, float, float]  # x, y, w, h in pixels


@dataclass(frozen=True)
class Edit:
    """Describe one change. With a frame: its box (None: the object is absent there), or `remove`.
    Without: the class name `label`, or `remove` for the object with all its boxes.
    """

    video: str
    object_id: str
    frame_id: int | None = None
    box_xywh: Box | None = None
    label: str | None = None
    remove: bool = False


@dataclass(frozen=True)
class Row:
    """Hold one object in one frame; `box_xywh` None: absent."""

    box_xywh: Box | None
    confidence: float = 1.0
    human: bool = True


@dataclass
class Track:
    """Hold one object's rows by frame."""

    label: str = ""
    rows: dict[int, Row] = field(default_factory=dict)


class BoxFile:
    """The CSV file `path`, made by the first change. Videos and boxes in it that nobody touches
    stay as they are.

    `apply` returns only when the change is on disk. A file that another program changed meanwhile
    is read again first, so its boxes are kept. Safe to call from several threads.
    """

    def __init__(self, path: str | os.PathLike, frame_counts: Mapping[str, int]):
        self.path = Path(path)
        self._known = {name: VideoInfo(count) for name, count in frame_counts.items()}
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._videos: dict[str, VideoBoxes] = {}  # as read, for what is known besides boxes
        self._tracks: dict[str, dict[str, Track]] = {}
        if self.path.suffix.lower() != ".csv":
            raise BadValue(
                f"--boxes {self.path}: the page keeps boxes in a CSV file; name one that ends in "
                ".csv"
            )
        outputs.current().add_edited(self.path)
        self._read_if_changed()

    def tracks(self, video: str) -> dict[str, Track]:
        """Return the objects of a video by id, a copy.

        It does not wait for a change that is being written: the tracks of a state never change, a
        change makes new ones.
        """
        return {
            name: Track(track.label, dict(track.rows))
            for name, track in self._tracks.get(video, {}).items()
        }

    def count(self) -> int:
        """Return the number of boxes drawn, and frames marked absent, by people."""
        tracks = [track for video in self._tracks.values() for track in video.values()]
        return sum(row.human for track in tracks for row in track.rows.values())

    def apply(self, edits: Sequence[Edit]) -> None:
        """Make all changes, or none where the file cannot be read or written (BadInput or OSError
        says why).
        """
        with self._lock:
            self._read_if_changed()
            # The old state stays, for the case that writing fails.
            changed = _with_edits(self._tracks, edits)
            self._write(changed)
            self._tracks = changed

    def _read_if_changed(self) -> None:
        found = _stamp(self.path)
        if found == self._seen:
            return
        if found is None and self._seen is not None:
            # someone deleted the file while the page is open: what is here is all there is, keep it
            self._seen = None
            return
        videos = formats.read(self.path, "csv", self._known)
        self._videos = {video.video: video for video in videos}
        self._tracks = {
            video.video: {item.object_id: _track(item) for item in video.objects}
            for video in videos
        }
        self._seen = found

    def _write(self, tracks: dict[str, dict[str, Track]]) -> None:
        videos = []
        for name in sorted({*self._videos, *tracks}):
            before = self._videos.get(name, VideoBoxes(name, ()))
            objects = tuple(
                _object_boxes(object_id, track)
                for object_id, track in tracks.get(name, {}).items()
                if track.rows
            )
            if objects:
                videos.append(dataclasses.replace(before, objects=objects))
        formats.write(videos, self.path, "csv", self._known)
        self._seen = _stamp(self.path)


def tracks_by_video(
    path: str | os.PathLike, frame_counts: Mapping[str, int]
) -> dict[str, dict[str, Track]]:
    """Boxes to show for correction, from a file in any known format."""
    return {
        video.video: {item.object_id: _track(item) for item in video.objects}
        for video in formats.read(
            path, None, {name: VideoInfo(count) for name, count in frame_counts.items()}
        )
    }


def merged(drawn: dict[str, Track], proposed: dict[str, Track]) -> dict[str, Track]:
    """Objects of both; a row that a person drew hides the proposal in the same frame, and so does a
    row of the same file.
    """
    result = {}
    for name in [*drawn, *(name for name in proposed if name not in drawn)]:
        mine, other = drawn.get(name, Track()), proposed.get(name, Track())
        rows = {
            frame_id: Row(row.box_xywh, row.confidence, human=False)
            for frame_id, row in other.rows.items()
        }
        result[name] = Track(mine.label or other.label, {**rows, **mine.rows})
    return result


def _with_edits(
    before: Mapping[str, Mapping[str, Track]], edits: Sequence[Edit]
) -> dict[str, dict[str, Track]]:
    """Return the tracks with all changes made; those of `before` stay as they are.

    A track is copied once, however many of its boxes change.
    """
    videos = {name: dict(tracks) for name, tracks in before.items()}
    copied: set[tuple[str, str]] = set()
    for edit in edits:
        tracks = videos.setdefault(edit.video, {})
        if (edit.video, edit.object_id) not in copied:
            track = tracks.get(edit.object_id, Track())
            tracks[edit.object_id] = Track(track.label, dict(track.rows))
            copied.add((edit.video, edit.object_id))
        _apply(tracks, edit)
        if edit.object_id not in tracks:
            copied.discard((edit.video, edit.object_id))
    return videos


def _apply(tracks: dict[str, Track], edit: Edit) -> None:
    """Change one track, which is a copy."""
    track = tracks[edit.object_id]
    if edit.label is not None:
        track.label = edit.label
    if edit.frame_id is None:
        if edit.remove:
            del tracks[edit.object_id]
    elif edit.remove:
        track.rows.pop(edit.frame_id, None)
    else:
        track.rows[edit.frame_id] = Row(edit.box_xywh)


def _track(item: ObjectTrack) -> Track:
    rows = zip(
        item.frame_ids.tolist(),
        item.boxes_xywh.tolist(),
        item.absent.tolist(),
        item.confidences.tolist(),
        item.human.tolist(),
        strict=True,
    )
    return Track(
        item.label,
        {
            frame_id: Row(None if absent else tuple(box), confidence, human)
            for frame_id, box, absent, confidence, human in rows
        },
    )


def _object_boxes(object_id: str, track: Track) -> ObjectTrack:
    frame_ids = sorted(track.rows)
    rows = [track.rows[frame_id] for frame_id in frame_ids]
    boxes = np.array([row.box_xywh or (np.nan,) * 4 for row in rows], dtype=np.float64).reshape(
        -1, 4
    )
    return ObjectTrack(
        object_id,
        np.array(frame_ids, dtype=np.int64),
        boxes,
        np.array([row.confidence for row in rows]),
        np.array([row.human for row in rows], dtype=bool),
        track.label,
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return values that change when a file is written; None where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); check its rights") from error
    return status.st_mtime_ns, status.st_size


def object_ids(tracks: Iterable[str]) -> list[str]:
    """Ids in the order in which they are shown: numbers first, by value."""
    return sorted(tracks, key=_place_of_id)


def _place_of_id(name: str) -> tuple[bool, int, str, str]:
    """Return the key by which ids are sorted: numbers by their length and digits, so by value."""
    is_number = name.isascii() and name.isdecimal()
    digits = name.lstrip("0") if is_number else ""
    return not is_number, len(digits), digits, name
