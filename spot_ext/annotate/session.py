"""Keep what the page shows and changes: the videos of a folder, the frames wanted from them, boxes
drawn and boxes proposed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from ltr.dataset.video_folder import VideoFolder
from spot_ext.annotate import frame_requests as wanted_frames
from spot_ext.annotate.box_file import (
    BoxFile,
    Edit,
    Row,
    Track,
    merged,
    object_ids,
    tracks_by_video,
)
from spot_ext.annotate.frames import ShownFrames
from spot_ext.annotate.limits import check_label, check_object_name, checked_box, shortened
from spot_ext.boxes.frame_request import FrameRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """Hold one video; `problem` says in a sentence why it cannot be shown."""

    name: str
    seq_id: int
    frame_count: int
    wanted: tuple[FrameRequest, ...] = ()
    problem: str = ""
    suggested: frozenset[int] = frozenset()  # frames that a file asked for


class Session:
    """Serve one folder that is being annotated. Every answer is made of plain values that JSON can
    carry.
    """

    def __init__(
        self,
        folder: Path,
        boxes: Path | None = None,
        k: int = 3,
        seed: int = 0,
        propagated: Path | None = None,
        suggested: Sequence[Path] = (),
    ):
        self.folder = Path(folder)
        self.dataset = VideoFolder(self.folder)
        self.frames = ShownFrames(self.dataset)
        self.videos = {
            video.name: video
            for video in (self._open(i, k, seed) for i in range(len(self.dataset.sequence_list)))
        }
        self.frame_counts = {
            video.name: video.frame_count for video in self.videos.values() if not video.problem
        }
        if not self.frame_counts:
            raise BadInput(next(iter(self.videos.values())).problem)
        self.boxes = BoxFile(boxes or self.folder / "boxes.csv", self.frame_counts)
        self.proposed = (
            tracks_by_video(propagated, self.frame_counts) if propagated is not None else {}
        )
        for path in suggested:
            self._want(path)

    def overview(self) -> dict[str, Any]:
        """Folder, file, and every video with its progress."""
        return {
            "folder": str(self.folder.resolve()),
            "boxes_file": str(self.boxes.path.resolve()),
            "videos": [self.progress(name) for name in self.videos],
        }

    def progress(self, name: str) -> dict[str, Any]:
        """A video's wanted frames, each `open`, `part` (some objects are done) or `done`."""
        video = self.video(name)
        tracks = self.boxes.tracks(name)
        drawn = [
            track.rows for track in tracks.values() if any(row.human for row in track.rows.values())
        ]
        wanted = [
            {
                "frame": item.frame_id,
                "suggested": item.frame_id in video.suggested,
                "score": item.score,
                "reason": wanted_frames.text_of(item),
                "state": _state(item.frame_id, drawn),
            }
            for item in video.wanted
        ]
        return {
            "name": name,
            "frames": video.frame_count,
            "problem": video.problem,
            "wanted": wanted,
            "done": sum(item["state"] == "done" for item in wanted),
        }

    def video_state(self, name: str) -> dict[str, Any]:
        """Progress and all boxes of a video: by object, those of people by frame, and the proposed
        ones as columns.
        """
        tracks = merged(self.boxes.tracks(name), self.proposed.get(name, {}))
        objects = [_object_state(object_id, tracks[object_id]) for object_id in object_ids(tracks)]
        return {**self.progress(name), "objects": objects}

    def video(self, name: str) -> Video:
        """The video of that name; BadValue where there is none."""
        if name not in self.videos:
            raise BadValue(
                f"there is no video {shortened(name)}{suggestion(name, self.videos)}; "
                "GET api/state lists them"
            )
        return self.videos[name]

    def image(self, name: str, frame_id: int) -> tuple[bytes, str]:
        """Bytes and media type of a frame; BadInput where there is none."""
        video = self.video(name)
        if video.problem:
            raise BadInput(video.problem)
        if not 0 <= frame_id < video.frame_count:
            raise MissingFile(f"'{name}' has frames 0 to {video.frame_count - 1}, not {frame_id}")
        return self.frames.read(video.seq_id, frame_id)

    def save(self, edits: Sequence[Edit]) -> list[dict[str, Any]]:
        """Make all changes or none; returns the progress of the videos they touch. BadInput or
        OSError: the box file.
        """
        self.boxes.apply(edits)
        return [self.progress(name) for name in dict.fromkeys(edit.video for edit in edits)]

    def parsed(self, entries: object) -> list[Edit]:
        """Changes as the page sends them, checked; BadValue names the first that cannot be.

        Each has `video` and `object`, and `frame` with `box` ([x, y, w, h]), `absent` or `remove`,
        or, without a frame, `label` or `remove`.
        """
        if not isinstance(entries, list) or not entries:
            raise BadValue('send {"edits": [...]} with at least one change')
        return [self._edit(f"change {number}", entry) for number, entry in enumerate(entries, 1)]

    def _edit(self, where: str, entry: Any) -> Edit:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("video"), str)
            or not isinstance(entry.get("object"), str)
            or not entry["object"].strip()
        ):
            raise BadValue(f"{where}: give the names of a video and an object")
        check_object_name(where, entry["object"].strip())
        try:
            video = self.video(entry["video"])
        except BadValue as error:
            raise BadValue(f"{where}: {error}") from None
        frame_id, label = entry.get("frame"), entry.get("label")
        if label is not None:
            check_label(where, label)
        kinds = [
            kind for kind in ("box", "absent", "remove") if entry.get(kind) not in (None, False)
        ]
        if frame_id is None:
            if kinds not in ([], ["remove"]) or (not kinds and label is None):
                raise BadValue(f"{where}: without a frame, give either label or remove")
        elif (
            not isinstance(frame_id, int)
            or isinstance(frame_id, bool)
            or not 0 <= frame_id < video.frame_count
        ):
            raise BadValue(
                f"{where}: '{video.name}' has frames 0 to {video.frame_count - 1}, not "
                f"{shortened(frame_id)}"
            )
        elif len(kinds) != 1:
            raise BadValue(f"{where}: give exactly one of box, absent and remove")
        box = checked_box(where, entry["box"]) if "box" in kinds else None
        return Edit(
            video.name,
            entry["object"].strip(),
            frame_id,
            box,
            label and label.strip(),
            "remove" in kinds,
        )

    def _open(self, seq_id: int, k: int, seed: int) -> Video:
        name = self.dataset.sequence_list[seq_id]
        try:
            count = self.dataset.get_sequence_length(seq_id)
            return Video(
                name, seq_id, count, tuple(wanted_frames.by_rule(self.dataset, seq_id, k, seed))
            )
        except BadInput as error:
            if k < 1:
                raise
            logger.warning("%s", error)
            return Video(name, seq_id, 0, (), str(error))

    def _want(self, path: Path) -> None:
        chosen, replace = wanted_frames.from_file(path, self.frame_counts)
        for name, frames in chosen.items():
            video = self.videos[name]
            kept = (
                []
                if replace
                else [
                    item
                    for item in video.wanted
                    if item.frame_id not in {f.frame_id for f in frames}
                ]
            )
            self.videos[name] = Video(
                name,
                video.seq_id,
                video.frame_count,
                tuple(sorted([*kept, *frames], key=lambda item: item.frame_id)),
                suggested=video.suggested | {item.frame_id for item in frames},
            )


def _state(frame_id: int, drawn: list[dict[int, Row]]) -> str:
    count = sum(frame_id in rows and rows[frame_id].human for rows in drawn)
    return "open" if count == 0 else "part" if count < len(drawn) else "done"


def _object_state(object_id: str, track: Track) -> dict[str, Any]:
    proposed = [
        (frame_id, track.rows[frame_id])
        for frame_id in sorted(track.rows)
        if not track.rows[frame_id].human
    ]
    return {
        "id": object_id,
        "label": track.label,
        "drawn": {
            str(frame_id): row.box_xywh for frame_id, row in sorted(track.rows.items()) if row.human
        },
        "proposed": {
            "frames": [frame_id for frame_id, _ in proposed],
            "boxes": [
                row.box_xywh and [round(value, 2) for value in row.box_xywh] for _, row in proposed
            ],
            "confidences": [round(row.confidence, 4) for _, row in proposed],
        },
    }
