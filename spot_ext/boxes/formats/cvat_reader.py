"""Reads CVAT's XML in one pass, with the line of every mistake. A document type declaration, by
which XML can grow without bounds or name other files, is refused.
"""

from __future__ import annotations

import logging
from pathlib import Path
from xml.parsers import expat

from ltr.admin.errors import BadInput, BadValue
from spot_ext.boxes.formats.infos import stem
from spot_ext.boxes.formats.numbers import to_float, to_int
from spot_ext.boxes.formats.table import MOST_FRAMES, BoxTable, rounded

logger = logging.getLogger(__name__)

NO_LABEL = "object"  # CVAT wants a label
_OTHER_SHAPES = ("polygon", "polyline", "points", "ellipse", "cuboid", "mask", "skeleton")


def read_file(path: Path, table: BoxTable) -> None:
    """Add the tracks of one XML file to `table`. Raises BadValue with the line."""
    _Reader(path, table).read()


class _Reader:
    def __init__(self, path: Path, table: BoxTable):
        self.path, self.table = path, table
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler, self.parser.EndElementHandler = self._start, self._end
        self.parser.CharacterDataHandler = self._text_part
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.open: list[str] = []  # names of the elements around
        self.text: list[str] = []
        self.task: dict[str, str] = {}  # what <task> or <job> says so far
        self.tasks: dict[str, str] = {}  # task id -> video
        self.track: tuple[str, str, str] | None = None  # video, object, label
        self.absent_since: int | None = (
            None  # frame of the track's last box, where that was "outside" and is not ours
        )
        self.other_shapes = 0

    def read(self) -> None:
        try:
            with open(self.path, "rb") as file:
                self.parser.ParseFile(file)
        except expat.ExpatError as error:
            raise BadValue(
                f"{self.path} line {error.lineno}: not XML "
                f"({expat.errors.messages.get(error.code, 'damaged')}); "
                "export it again"
            ) from None
        except (LookupError, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadValue(
                f"{self.path} cannot be read as XML ({error}); save it as UTF-8"
            ) from None
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
            "writes; export the "
            "file from CVAT again"
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.open and name != "annotations":
            raise BadValue(
                f"{self.where}: begins with <{name}>, not <annotations>; export the task as 'CVAT "
                "for video 1.1'"
            )
        self.open.append(name)
        self.text = []
        if name in ("task", "job") and "meta" in self.open:
            self.task = {}
        elif name == "image":
            raise BadValue(
                f"{self.where}: 'CVAT for images' has no tracks; export the task as 'CVAT for "
                "video 1.1'"
            )
        elif name == "track":
            self._start_track(attributes)
        elif name == "box" and self.track is not None:
            self._box(attributes)
        elif name in _OTHER_SHAPES:
            self.other_shapes += 1

    def _text_part(self, text: str) -> None:
        self.text.append(text)

    def _end(self, name: str) -> None:
        self.open.pop()
        if name == "track":
            self._absent_until(self.table.frame_count(self.track[0]) or 0)
            self.track = self.absent_since = None
        if "meta" not in self.open:
            return
        if name in ("task", "job"):
            self._end_task()
        elif self.open[-1] in ("task", "job", "original_size"):
            self.task[name] = "".join(self.text)

    def _end_task(self) -> None:
        task, infos = self.task, self.table.infos
        names = [infos.name(task[key]) for key in ("source", "name") if task.get(key)]
        known = [name for name in names if name in infos]
        if known:
            video = known[0]
        elif task.get("source"):
            video = stem(task["source"])
        else:
            video = task.get("name") or self.path.stem
        if video in self.tasks.values():
            raise BadValue(f"{self.where}: two tasks are the video '{video}'; rename one")
        self.tasks[task.get("id", video)] = video
        count, width, height = (
            to_int(task[key], self.where, key) if task.get(key, "").strip() else 0
            for key in ("size", "width", "height")
        )
        whole = (
            task.get("start_frame", "0").strip() in ("", "0")
            and not task.get("frame_filter", "").strip()
        )
        self.table.video(
            video,
            count if count > 0 and whole else None,
            (width, height) if width > 0 and height > 0 else None,
        )

    def _start_track(self, attributes: dict[str, str]) -> None:
        task_id = attributes.get("task_id")
        if task_id is not None and self.tasks:
            if task_id not in self.tasks:
                raise BadValue(f"{self.where}: there is no task with id {task_id}; correct task_id")
            video = self.tasks[task_id]
        elif len(self.tasks) > 1:
            raise BadValue(
                f"{self.where}: the file has {len(self.tasks)} tasks and this track does not say "
                "to which it "
                "belongs; add task_id, or export each task by itself"
            )
        else:
            video = next(iter(self.tasks.values()), None) or self.table.infos.only(
                self.path.stem, self.path
            )
        object_id = attributes.get("object") or self._need(attributes, "id", "track")
        label = "" if attributes.get("unlabelled") == "1" else attributes.get("label", "")
        self.table.object(video, object_id, label, self.where)
        self.track = video, object_id, label

    def _box(self, attributes: dict[str, str]) -> None:
        where = self.where
        video, object_id, label = self.track
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
        human = self._flag(attributes, "human", attributes.get("keyframe", "1"))
        confidence = to_float(attributes.get("confidence", "1"), where, "confidence")
        self._absent_until(frame_id)
        self.table.add(where, video, object_id, frame_id, box, confidence, human, label)
        self.absent_since = frame_id if box is None and "human" not in attributes else None

    def _absent_until(self, frame_id: int) -> None:
        """CVAT lists the first frame of an absence only; ours lists each that is known."""
        if self.absent_since is not None and frame_id <= MOST_FRAMES:
            video, object_id, label = self.track
            for absent in range(self.absent_since + 1, frame_id):
                self.table.add(self.where, video, object_id, absent, None, 1.0, True, label)

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
