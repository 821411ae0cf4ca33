"""Collects the boxes of a file, in whatever order it has them, and checks each where it came from.

Two things are decided here for all formats: whether a box is one of this video at all, and whether
what the file declares of a video (length, size, frame rate) fits the video that is there.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ltr.admin.errors import BadValue, in_short
from spot_ext.boxes.checks import check_box
from spot_ext.boxes.formats.infos import Infos, VideoInfo
from spot_ext.boxes.track import ObjectTrack, TrackRow, VideoBoxes

logger = logging.getLogger(__name__)

# The object of files that have but one.
DEFAULT_OBJECT = "1"

# Decimals that coordinates keep which a format stores as something else, such as percent.
PIXEL_DIGITS = 6

# Four days of video; a larger frame number is a mistake.
MOST_FRAMES = 10**7

# Frames that one absence may last in a video that is not there to tell its length: two hours. A
# few bytes could otherwise stand for millions of rows.
LONGEST_ABSENCE = 200_000

# Frames of all such absences of one file together: they take seconds and some 400 MB.
MOST_CLAIMED_ABSENCES = 1_000_000

# Frames by which two programs may count one video differently: containers with a sound track that
# is longer than the pictures, and pictures that a decoder drops at the end.
FRAMES_OF_DIFFERENCE = 2

# Share by which two frame rates may differ that mean the same: 29.97 and 30.
RATE_TOLERANCE = 0.01


@dataclass
class _Object:
    label: str
    rows: dict[int, TrackRow] = field(default_factory=dict)  # by frame


@dataclass
class _Video:
    name: str
    known: VideoInfo  # of the video that is there
    declared: VideoInfo = field(default_factory=VideoInfo)  # by the file
    objects: dict[str, _Object] = field(default_factory=dict)
    untracked: dict[int, int] = field(default_factory=dict)  # frame -> boxes without an object
    unplaced: list[tuple[str, TrackRow]] = field(default_factory=list)  # while no size is known
    frame_scale: float = 1.0  # frames of the video for each frame of the file
    box_scale: tuple[float, float] = (1.0, 1.0)  # pixels of the video for each of the file
    mismatch: str = ""  # the sentence that refuses what is declared

    @property
    def frame_count(self) -> int | None:
        known = self.known.frame_count
        return self.declared.frame_count if known is None else known

    @property
    def size(self) -> tuple[int, int] | None:
        return self.known.size or self.declared.size

    @property
    def fps(self) -> float | None:
        return self.known.fps or self.declared.fps


class BoxTable:
    """Rows by video, object and frame; videos and objects stay in the order they first come in."""

    def __init__(self, path: Path, infos: Infos):
        self.path, self.infos = path, infos
        self._videos: dict[str, _Video] = {}
        self._claimed_absences = 0

    def video(
        self,
        name: str,
        frame_count: int | None = None,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        where: str = "",
    ) -> None:
        """Declare a video with what the file says of it.

        What is known from the video itself comes first, and what differs from it is refused, see
        `ReadOptions.mismatch`.
        """
        video = self._videos.get(name)
        if video is None:
            video = self._videos[name] = _Video(name, self.infos.of(name))
        before = video.declared
        video.declared = VideoInfo(
            frame_count if before.frame_count is None else before.frame_count,
            before.size or size,
            before.fps or fps,
        )
        if size is not None and before.size is not None and size != before.size:
            raise BadValue(
                f"{where or self.path}: video '{name}' is {_size_text(size)} here and "
                f"{_size_text(before.size)} before; export it again"
            )
        if video.declared != before:
            self._compare(video, where or str(self.path))

    def object(self, video: str, object_id: str, label: str = "", where: str = "") -> None:
        """Declare an object, so that it is there without boxes too."""
        if video not in self._videos:
            self.video(video)
        objects = self._videos[video].objects
        if object_id not in objects:
            objects[object_id] = _Object(label)
        elif label and objects[object_id].label != label:
            if objects[object_id].label:
                before = in_short(objects[object_id].label)
                raise BadValue(
                    f"{where or self.path}: object '{in_short(object_id)}' of video "
                    f"'{in_short(video)}' is a '{in_short(label)}' here and a '{before}' before; "
                    "correct one of them"
                )
            objects[object_id].label = label

    def size(self, video: str) -> tuple[int, int] | None:
        """Return width and height of a declared video, None where nobody says."""
        return self._videos[video].size

    def frame_count(self, video: str) -> int | None:
        """Return the number of frames of a declared video, None where not known."""
        return self._videos[video].frame_count

    def frames_in_file(self, video: str) -> int | None:
        """Return the number of frames of a declared video as the file counts them."""
        entry = self._videos[video]
        count = entry.frame_count
        return count if count is None else math.ceil(count / entry.frame_scale)

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
        """Add a box, or with None an absence. `human` None: drawn by a person if confidence is 1.

        Raises BadValue, beginning with `where`, for anything that is no box in this video or is
        there already.
        """
        self.object(video, object_id, label, where)
        entry = self._videos[video]
        frame_id = self._checked_frame(where, entry, frame_id)
        rows = entry.objects[object_id].rows
        if frame_id in rows:
            if entry.frame_scale < 1:
                # Several frames of the file are one of the video; the first stands for them.
                return
            raise BadValue(
                f"{where}: frame {frame_id} of object '{object_id}' in video '{video}' has two "
                "boxes; remove one, or give two objects different ids"
            )
        box = None if box_xywh is None else _scaled(check_box(list(box_xywh), where), entry)
        if not 0 <= confidence <= 1:
            raise BadValue(
                f"{where}: the confidence {confidence:g} is not within 0 to 1; correct it"
            )
        drawn = confidence == 1 if human is None else human
        rows[frame_id] = row = TrackRow(frame_id, box, confidence, drawn)
        if self.infos.options.keeps_outside or box is None:
            return
        if entry.size is None:
            entry.unplaced.append((where, row))
        else:
            check_box(box, where, entry.size)

    def add_absences(
        self,
        where: str,
        video: str,
        object_id: str,
        first: int,
        end: int,
        human: bool,
        label: str = "",
    ) -> None:
        """Add an absence in every frame of the file from `first` to before `end`.

        Raises BadValue for one that lasts longer than videos do, where no video tells its length.
        """
        is_there = self._videos[video].known.frame_count is not None
        if not is_there:
            self._claimed_absences += max(0, end - first)
        is_too_long = not is_there and end - first > LONGEST_ABSENCE
        if is_too_long or self._claimed_absences > MOST_CLAIMED_ABSENCES:
            raise BadValue(
                f"{where}: object '{in_short(object_id)}' of video '{in_short(video)}' would be "
                f"absent for {in_short(end - first)} frames from frame {first} on; correct it, or "
                "give the folder of the videos with --videos"
            )
        for frame_id in range(first, end):
            self.add(where, video, object_id, frame_id, None, 1.0, human, label)

    def add_untracked(
        self,
        where: str,
        video: str,
        frame_id: int,
        box_xywh: Sequence[float] | None,
        confidence: float = 1.0,
        human: bool | None = None,
        label: str = "",
    ) -> None:
        """Add a box that names no object, beside others that do: an object of this frame alone.

        Nothing says to which object it belongs, so it is given to none of them.
        """
        if video not in self._videos:
            self.video(video)
        counts = self._videos[video].untracked
        counts[frame_id] = counts.get(frame_id, 0) + 1
        object_id = f"frame-{frame_id}-{counts[frame_id]}"
        self.add(where, video, object_id, frame_id, box_xywh, confidence, human, label)

    def videos(self) -> list[VideoBoxes]:
        """Return all that was added."""
        found = []
        for video in self._videos.values():
            if video.mismatch and any(item.rows for item in video.objects.values()):
                raise BadValue(video.mismatch)
            if video.size is not None:
                for where, row in video.unplaced:
                    if row.box_xywh is not None:
                        check_box(row.box_xywh, where, video.size)
            tracks = [
                ObjectTrack.from_rows(object_id, item.rows.values(), item.label)
                for object_id, item in video.objects.items()
            ]
            found.append(
                VideoBoxes(video.name, tuple(tracks), video.frame_count, video.size, video.fps)
            )
        return found

    def declared(self, video: str) -> VideoInfo:
        """Return what the file itself says of a video."""
        return self._videos[video].declared

    # -- declared against real ---------------------------------------------------------------------

    def _compare(self, video: _Video, where: str) -> None:
        """Refuse, scale or pass over differences between what is declared and the video."""
        size_text = self._size_difference(video)
        length_text = self._length_difference(video)
        texts = [text for text in (size_text, length_text) if text]
        if not texts:
            return
        mismatch = self.infos.options.mismatch
        if mismatch == "refuse":
            # Kept until the boxes are read: a damaged line is the more useful thing to say.
            video.mismatch = (
                f"{where}: video '{video.name}' is {', and '.join(texts)}; give the video that was "
                "annotated, or convert with `export --mismatch scale` (boxes are scaled, frames "
                "converted by time) or `--mismatch ignore` (numbers stay as they are)"
            )
        if mismatch != "scale":
            return
        declared, known = video.declared, video.known
        if size_text and declared.size and known.size:
            video.box_scale = (
                known.size[0] / declared.size[0],
                known.size[1] / declared.size[1],
            )
        if length_text:
            video.frame_scale = _frames_for_each(declared, known)

    def _size_difference(self, video: _Video) -> str:
        declared, known = video.declared.size, video.known.size
        if declared is None or known is None or declared == known:
            return ""
        return f"{_size_text(declared)} in the file and {_size_text(known)} in the folder"

    def _length_difference(self, video: _Video) -> str:
        declared, known = video.declared, video.known
        if declared.frame_count is not None and known.frame_count is not None:
            difference = abs(declared.frame_count - known.frame_count)
            if difference > FRAMES_OF_DIFFERENCE:
                return (
                    f"{declared.frame_count} frames long in the file and {known.frame_count} in "
                    "the folder"
                )
            if difference:
                logger.warning(
                    "%s: video '%s' is %d frames long in the file and %d in the folder; frames are "
                    "taken by their number",
                    self.path,
                    video.name,
                    declared.frame_count,
                    known.frame_count,
                )
            return ""
        if declared.fps and known.fps and _rates_differ(declared.fps, known.fps):
            return f"of {declared.fps:g} frames/s in the file and {known.fps:g} in the folder"
        return ""

    def _checked_frame(self, where: str, video: _Video, frame_id: int) -> int:
        """Return the frame of the video that a frame of the file is."""
        frame_id = math.floor(frame_id * video.frame_scale + 1e-6)
        count = video.frame_count
        if not 0 <= frame_id < (MOST_FRAMES if count is None else count):
            if video.mismatch and frame_id >= 0:
                raise BadValue(video.mismatch)
            last = " and on" if count is None else f" to {count - 1}"
            raise BadValue(
                f"{where}: video '{video.name}' has no frame {in_short(frame_id)}, its "
                f"frames are 0{last}; correct it"
            )
        return frame_id


def rounded(box_xywh: Sequence[float]) -> tuple[float, ...]:
    """Return coordinates computed from other numbers, to a millionth of a pixel.

    What was written comes back that way.
    """
    return tuple(round(value, PIXEL_DIGITS) for value in box_xywh)


def _scaled(box_xywh: tuple[float, float, float, float], video: _Video):
    across, down = video.box_scale
    if across == down == 1.0:
        return box_xywh
    x, y, w, h = box_xywh
    return rounded((x * across, y * down, w * across, h * down))


def _frames_for_each(declared: VideoInfo, known: VideoInfo) -> float:
    """Return how many frames of the video one frame of the file lasts."""
    if declared.fps and known.fps and _rates_differ(declared.fps, known.fps):
        return known.fps / declared.fps
    if declared.frame_count and known.frame_count:
        return known.frame_count / declared.frame_count
    return 1.0


def _rates_differ(rate: float, other: float) -> bool:
    return abs(rate - other) > RATE_TOLERANCE * other


def _size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
