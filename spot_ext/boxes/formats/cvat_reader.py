"""Reads CVAT's XML in one pass, with the line of every mistake.

A document type declaration, by which XML can grow without bounds or name other files, is refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from ltr.admin.errors import BadInput, BadValue
from spot_ext.boxes.formats.infos import stem
from spot_ext.boxes.formats.numbers import to_float, to_int
from spot_ext.boxes.formats.origin import drawn_by_person
from spot_ext.boxes.formats.table import MOST_FRAMES, BoxTable, rounded

logger = logging.getLogger(__name__)

# CVAT wants a label, so that objects without one get this.
NO_LABEL = "object"

_OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")
_STEP = "step="


@dataclass
class _Task:
    """A task or job of the file's head; texts as they stand there."""

    kind: str = "task"
    texts: dict[str, str] = field(default_factory=dict)
    video: str = ""
    offset: int = 0  # frames by which a project's export shifts this task

    def number(self, key: str, where: str) -> int:
        """Return a whole number of the head; 0 where it is absent or empty."""
        text = self.texts.get(key, "").strip()
        return to_int(text, where, key) if text else 0

    def frames_used(self, where: str) -> int:
        """Return how many frame numbers a project's export sets aside for this task."""
        step = self.texts.get("frame_filter", "").strip()
        step_size = to_int(step.removeprefix(_STEP), where, "frame_filter") if step else 1
        return self.number("start_frame", where) + max(1, step_size) * self.number("size", where)


class _Box(NamedTuple):
    """A box of a track, before its frame is known."""

    where: str
    frame_id: int
    box_xywh: tuple[float, ...] | None
    confidence: float
    human: bool
    lists_absences: bool  # ours lists every absent frame, CVAT the first of each stretch


@dataclass
class _Track:
    """A track, kept until the whole file says how its frames are counted."""

    where: str
    task: _Task
    object_id: str
    label: str
    source: str
    boxes: list[_Box] = field(default_factory=list)


def read_file(path: Path, table: BoxTable) -> None:
    """Add the tracks of one XML file to `table`. Raises BadValue with the line."""
    _Reader(path, table).read()


class _Reader:
    def __init__(self, path: Path, table: BoxTable):
        self.path, self.table = path, table
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text_part
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.open: list[str] = []  # names of the elements around
        self.text: list[str] = []
        self.is_project = False
        self.head: dict[str, str] = {}  # what stands in <meta> beside the tasks
        self.tasks: list[_Task] = []
        self.tracks: list[_Track] = []
        self.track: _Track | None = None
        self.other_shapes = 0

    def read(self) -> None:
        try:
            with open(self.path, "rb") as file:
                self.parser.ParseFile(file)
        except expat.ExpatError as error:
            raise BadValue(
                f"{self.path} line {error.lineno}: not XML "
                f"({expat.errors.messages.get(error.code, 'damaged')}); export it again"
            ) from None
        except (LookupError, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadValue(
                f"{self.path} cannot be read as XML ({error}); save it as UTF-8"
            ) from None
        self._set_offsets()
        for track in self.tracks:
            self._add_track(track)
        if self.other_shapes:
            logger.warning(
                "%s: %d shapes that are no boxes are left out", self.path, self.other_shapes
            )

    @property
    def where(self) -> str:
        return f"{self.path} line {self.parser.CurrentLineNumber}"

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise BadValue(
            f"{self.where}: a document type declaration (<!DOCTYPE {name}>), which CVAT never "
            "writes; export the file from CVAT again"
        )

    # -- elements ----------------------------------------------------------------------------------

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.open and name != "annotations":
            raise BadValue(
                f"{self.where}: begins with <{name}>, not <annotations>; export the task as 'CVAT "
                "for video 1.1'"
            )
        self.open.append(name)
        self.text = []
        if name in ("task", "job") and "meta" in self.open:
            self.tasks.append(_Task(name))
        elif name == "project" and "meta" in self.open:
            self.is_project = True
        elif name == "image":
            raise BadValue(
                f"{self.where}: 'CVAT for images' has no tracks; export the task as 'CVAT for "
                "video 1.1'"
            )
        elif name == "track":
            self._start_track(attributes)
        elif name == "box" and self.track is not None:
            self._box(self.track, attributes)
        elif name in _OTHER_SHAPES:
            self.other_shapes += 1

    def _text_part(self, text: str) -> None:
        self.text.append(text)

    def _end(self, name: str) -> None:
        self.open.pop()
        if name == "track":
            self.track = None
        elif name == "meta":
            self._end_meta()
        elif "meta" in self.open:
            text = "".join(self.text)
            if "task" in self.open or "job" in self.open:
                if self.open[-1] in ("task", "job", "original_size"):
                    self.tasks[-1].texts[name] = text
            elif self.open[-1] in ("meta", "original_size"):
                self.head[name] = text

    def _end_meta(self) -> None:
        """Name the video of each task, once all of the head is known.

        Older versions have <source> and <original_size> beside the one <task>, and so has a job.
        """
        if len(self.tasks) == 1:
            for key in ("source", "width", "height"):
                if key in self.head:
                    self.tasks[0].texts.setdefault(key, self.head[key])
        seen: set[str] = set()
        for task in self.tasks:
            task.video = self._video_of(task)
            if task.video in seen:
                raise BadValue(f"{self.where}: two tasks are the video '{task.video}'; rename one")
            seen.add(task.video)
            self._declare(task)

    def _video_of(self, task: _Task) -> str:
        infos = self.table.infos
        source, name = task.texts.get("source", "").strip(), task.texts.get("name", "").strip()
        for written in (source, name):
            if written and infos.name(written) in infos:
                return infos.name(written)
        if source:
            return stem(source)
        # A task of images names none, and a job has not even a name.
        if len(self.tasks) == 1 and len(infos) == 1:
            return next(iter(infos))
        return name or infos.only(self.path.stem, self.path)

    def _declare(self, task: _Task) -> None:
        count, width, height = (task.number(key, self.where) for key in ("size", "width", "height"))
        # The frames of a job are a part of its task's.
        is_whole_video = (
            task.kind == "task"
            and task.texts.get("start_frame", "0").strip() in ("", "0")
            and not task.texts.get("frame_filter", "").strip()
        )
        self.table.video(
            task.video,
            count if count > 0 and is_whole_video else None,
            (width, height) if width > 0 and height > 0 else None,
            where=self.where,
        )

    def _start_track(self, attributes: dict[str, str]) -> None:
        object_id = attributes.get("object") or self._need(attributes, "id", "track")
        label = "" if attributes.get("unlabelled") == "1" else attributes.get("label", "")
        task = self._task_of(attributes)
        source = attributes.get("source", "")
        self.track = _Track(self.where, task, object_id, label, source)
        self.tracks.append(self.track)

    def _task_of(self, attributes: dict[str, str]) -> _Task:
        task_id = attributes.get("task_id")
        if task_id is not None and self.tasks:
            for task in self.tasks:
                if task.texts.get("id", task.video) == task_id:
                    return task
            raise BadValue(f"{self.where}: there is no task with id {task_id}; correct task_id")
        if len(self.tasks) > 1:
            raise BadValue(
                f"{self.where}: the file has {len(self.tasks)} tasks and this track does not say "
                "to which it belongs; add task_id, or export each task by itself"
            )
        if not self.tasks:
            video = self.table.infos.only(self.path.stem, self.path)
            self.tasks.append(_Task(video=video))
        return self.tasks[0]

    def _box(self, track: _Track, attributes: dict[str, str]) -> None:
        where = self.where
        frame_id = to_int(self._need(attributes, "frame", "box"), where, "frame")
        if abs(to_float(attributes.get("rotation", "0"), where, "rotation")) > 1e-6:
            raise BadValue(
                f"{where}: the box is rotated, which boxes here cannot be; draw it upright"
            )
        box = None
        if not self._flag(attributes, "outside", "0"):
            left, top, right, bottom = (
                to_float(self._need(attributes, name, "box"), where, name)
                for name in ("xtl", "ytl", "xbr", "ybr")
            )
            box = rounded((left, top, right - left, bottom - top))
        for name in ("keyframe", "human"):
            self._flag(attributes, name, "1")
        human = drawn_by_person(where, attributes, {"source": track.source})
        confidence = to_float(attributes.get("confidence", "1"), where, "confidence")
        is_drawn = True if human is None else human
        track.boxes.append(_Box(where, frame_id, box, confidence, is_drawn, "human" in attributes))

    # -- frames ------------------------------------------------------------------------------------

    def _set_offsets(self) -> None:
        """Find the frames by which CVAT's export of a project shifts its tasks.

        CVAT counts the frames of a subset's tasks through, in the order of their ids (its issue
        4502). A task whose boxes do not lie where that puts them was written by a program that
        counts each task from 0, and then so are the others.
        """
        if not self.is_project:
            return
        # Ours and other programs' project files say no subset.
        if not any("subset" in task.texts for task in self.tasks):
            return
        offsets: dict[int, int] = {}
        used: dict[str, int] = {}
        for task in sorted(self.tasks, key=lambda task: task.number("id", str(self.path))):
            subset = task.texts.get("subset", "")
            offsets[id(task)] = used.get(subset, 0)
            used[subset] = offsets[id(task)] + task.frames_used(str(self.path))
        for track in self.tracks:
            first = offsets[id(track.task)]
            last = first + track.task.frames_used(str(self.path))
            # The first frame after the end closes a track with "outside".
            if any(not first <= box.frame_id <= last for box in track.boxes):
                logger.warning(
                    "%s: frames are taken as counted from 0 in each task; counted through the "
                    "tasks, as CVAT does it, frame %d would not be one of video '%s'",
                    self.path,
                    next(b.frame_id for b in track.boxes if not first <= b.frame_id <= last),
                    track.task.video,
                )
                return
        for task in self.tasks:
            task.offset = offsets[id(task)]

    def _add_track(self, track: _Track) -> None:
        video = track.task.video
        self.table.object(video, track.object_id, track.label, track.where)
        absent_since: int | None = None
        for box in track.boxes:
            frame_id = box.frame_id - track.task.offset
            self._add_absences(track, absent_since, frame_id, box.where)
            self.table.add(
                box.where,
                video,
                track.object_id,
                frame_id,
                box.box_xywh,
                box.confidence,
                box.human,
                track.label,
            )
            is_open_end = box.box_xywh is None and not box.lists_absences
            absent_since = frame_id if is_open_end else None
        self._add_absences(track, absent_since, self.table.frames_in_file(video) or 0, track.where)

    def _add_absences(
        self, track: _Track, absent_since: int | None, frame_id: int, where: str
    ) -> None:
        """List the absent frames between CVAT's first one and the next box."""
        if absent_since is not None and frame_id <= MOST_FRAMES:
            self.table.add_absences(
                where,
                track.task.video,
                track.object_id,
                absent_since + 1,
                frame_id,
                True,
                track.label,
            )

    def _flag(self, attributes: dict[str, str], name: str, otherwise: str) -> bool:
        text = attributes.get(name, otherwise)
        if text not in ("0", "1"):
            raise BadValue(f"{self.where}: {name} is '{text[:40]}', not 0 or 1; correct it")
        return text == "1"

    def _need(self, attributes: dict[str, str], name: str, element: str) -> str:
        if name not in attributes:
            raise BadValue(
                f"{self.where}: <{element}> has no '{name}'; export the task as 'CVAT for video "
                "1.1'"
            )
        return attributes[name]
