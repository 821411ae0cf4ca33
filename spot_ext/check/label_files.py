"""The content of a file of boxes as it would be read, and what looks wrong, before anything is
trained.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from spot_ext.boxes import formats
from spot_ext.boxes.formats.infos import Infos
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.check.sources import is_dataset_name

# Boxes outside their frame that are named; the others are counted.
EXAMPLES = 3


@dataclass(frozen=True)
class VideoReport:
    """The content of a file for one video."""

    video: str
    objects: int
    boxes: int
    human_boxes: int
    absences: int
    first_frame: int | None
    last_frame: int | None
    declared_frames: int | None
    real_frames: int | None
    declared_size: tuple[int, int] | None
    real_size: tuple[int, int] | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelFileReport:
    """The content of a file of boxes as it would be read; `problems` are those of the file as a
    whole.
    """

    path: str
    format: str
    videos: tuple[VideoReport, ...]
    problems: tuple[str, ...] = ()
    without_boxes: tuple[str, ...] = field(default_factory=tuple)  # videos of the folder

    @property
    def is_sound(self) -> bool:
        """Say whether nothing looks wrong."""
        return not self.problems and not any(video.problems for video in self.videos)

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self)


def is_label_file(name: str, root: Path | None) -> bool:
    """Say whether the argument of `check` is a file or folder of boxes and no data set's name."""
    return root is None and not is_dataset_name(name) and Path(name).exists()


def check_label_file(
    path: str | Path,
    videos: str | Path | Any = None,
    format: str | None = None,
    options: formats.ReadOptions | None = None,
) -> LabelFileReport:
    """Read a file or folder of boxes and compare it with the folder of its videos.

    Nothing is written. A file that is refused is reported with the sentence that refuses it, and,
    where its numbers can be read all the same, with these. Raises BadInput where not even the
    format is recognised.
    """
    # Boxes outside their frame are findings of their own, all of them.
    options = dataclasses.replace(options or formats.ReadOptions(), keeps_outside=True)
    name = formats.guess(path) if format is None else format
    formats.check_name(name)
    known = formats.infos_of(videos)
    problems: list[str] = []
    try:
        found = formats.read(path, name, known, options)
    except BadInput as error:
        problems.append(str(error))
        found = _read_anyway(path, name, known, options)
    declared = _as_declared(path, name, options)
    # Without the folder a video may have another name, but its place in the file is the same.
    pairs: list[VideoBoxes | None] = [None] * len(found)
    if len(declared) == len(found):
        pairs = list(declared)
    reports = tuple(
        _video_report(video, alone, known) for video, alone in zip(found, pairs, strict=True)
    )
    named = {video.video for video in found}
    return LabelFileReport(
        str(path), name, reports, tuple(problems), tuple(v for v in known if v not in named)
    )


def report_text(report: LabelFileReport) -> str:
    """Return the report as lines for a terminal."""
    lines = [f"{report.path}: {report.format}, {_many(len(report.videos), 'video')}"]
    for video in report.videos:
        frames = "no frame"
        if video.first_frame is not None:
            frames = f"frames {video.first_frame} to {video.last_frame}"
        lines.append(
            f"{video.video}: {_many(video.objects, 'object')}, {_many(video.boxes, 'box')} "
            f"({video.human_boxes} drawn by a person), {_many(video.absences, 'absence')}, "
            f"{frames}"
        )
        lines.append(
            f"  length: {_text(video.declared_frames)} in the file, {_text(video.real_frames)} in "
            f"the folder; size: {_text(video.declared_size)} in the file, "
            f"{_text(video.real_size)} in the folder"
        )
        lines.extend(f"  problem: {problem}" for problem in video.problems)
    if report.without_boxes:
        count = _many(len(report.without_boxes), "video")
        lines.append(f"{count} of the folder without boxes, e.g. '{report.without_boxes[0]}'")
    lines.extend(f"problem: {problem}" for problem in report.problems)
    lines.append("nothing looks wrong" if report.is_sound else "not sound")
    return "\n".join(lines) + "\n"


def _read_anyway(
    path: str | Path, name: str, known: Infos, options: formats.ReadOptions
) -> list[VideoBoxes]:
    """Return what a refused file holds when its numbers are taken as they are."""
    for first_frame in (options.first_frame, 0):
        try:
            ignoring = formats.ReadOptions(first_frame, "ignore", keeps_outside=True)
            return formats.read(path, name, known, ignoring)
        except BadInput:
            continue
    return []


def _as_declared(path: str | Path, name: str, options: formats.ReadOptions) -> Sequence[VideoBoxes]:
    """Return the videos as the file alone describes them; nothing where it cannot."""
    try:
        return formats.read(path, name, None, options)
    except BadInput:
        return ()


def _video_report(video: VideoBoxes, declared: VideoBoxes | None, known: Infos) -> VideoReport:
    info = known.of(video.video)
    frame_ids = np.concatenate(
        [np.empty(0, np.int64), *(track.frame_ids for track in video.objects)]
    )
    absences = sum(int(track.absent.sum()) for track in video.objects)
    human = sum(int((track.human & ~track.absent).sum()) for track in video.objects)
    return VideoReport(
        video.video,
        len(video.objects),
        len(frame_ids) - absences,
        human,
        absences,
        int(frame_ids.min()) if len(frame_ids) else None,
        int(frame_ids.max()) if len(frame_ids) else None,
        None if declared is None else declared.frame_count,
        info.frame_count,
        None if declared is None else declared.size,
        info.size,
        tuple(_problems(video, human, known)),
    )


def _problems(video: VideoBoxes, human: int, known: Infos) -> list[str]:
    problems = []
    if len(known) and video.video not in known:
        problems.append("it is no video of the folder")
    unreadable = known.of(video.video).problem
    if unreadable is not None:
        problems.append(unreadable)
    if not human and any(len(track.present) for track in video.objects):
        problems.append("no box is a person's; `label` has nothing to start from")
    if known.of(video.video).size is not None:
        problems.extend(_boxes_outside(video, known.of(video.video).size))
    return problems


def _boxes_outside(video: VideoBoxes, size: tuple[int, int] | None) -> list[str]:
    """Name the boxes that lie wholly outside of their frame."""
    if size is None:
        return []
    found = []
    for track in video.objects:
        for frame_id in _frames_outside(track, size):
            found.append(f"object '{track.object_id}', frame {frame_id}")
    if not found:
        return []
    more = f" and {len(found) - EXAMPLES} more" if len(found) > EXAMPLES else ""
    size_text = f"{size[0]}x{size[1]}"
    places = "; ".join(found[:EXAMPLES])
    return [f"{_many(len(found), 'box')} outside the frame of {size_text}: {places}{more}"]


def _frames_outside(track: ObjectTrack, size: tuple[int, int]) -> list[int]:
    boxes = track.present
    low = boxes.boxes_xywh[:, :2]
    high = low + boxes.boxes_xywh[:, 2:]
    outside = (low >= np.array(size)).any(1) | (high <= 0).any(1)
    return boxes.frame_ids[outside].tolist()


def _text(value: Any) -> str:
    if value is None:
        return "not said"
    return f"{value[0]}x{value[1]}" if isinstance(value, tuple) else str(value)


def _many(count: int, what: str) -> str:
    plural = "boxes" if what == "box" else f"{what}s"
    return f"{count} {what if count == 1 else plural}"
