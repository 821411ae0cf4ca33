"""Which frames the page asks to be labelled: k per video by the paper's rule, and later those that
a file suggests.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.seeding import generator
from ltr.dataset.video_folder import VideoFolder
from spot_ext.boxes import key_frames
from spot_ext.boxes.formats import label_file

REVIEWED_APART = (
    10  # frames of review.csv nearer to one already wanted than this show the same mistake
)


@dataclass(frozen=True)
class WantedFrame:
    """A frame to label; `suggested` says that a file asked for it, with the `score` and the reason
    it gave.
    """

    frame_id: int
    suggested: bool = False
    score: float | None = None
    reason: str = ""


def by_rule(dataset: VideoFolder, seq_id: int, k: int, seed: int = 0) -> list[WantedFrame]:
    """The k key frames of one video, the same as `python -m spot_ext sample folder` draws with this
    seed; some in any case.
    """
    if k < 1:
        raise BadValue(f"--k {k}: ask for at least 1 frame per video")
    visible = dataset.get_selectable(seq_id)
    draw = generator(seed, "key_frames", key_frames.sequence_key(dataset, seq_id))
    chosen = (
        key_frames.draw_key_frames(visible, k, draw)
        or key_frames.draw_key_frames(
            np.ones_like(visible), k, draw, key_frames.WindowRule(min_visible=1)
        )
        or (0,)
    )  # the last for videos of one frame
    return [WantedFrame(frame_id) for frame_id in chosen]


def from_file(
    path: Path, frame_counts: dict[str, int]
) -> tuple[dict[str, list[WantedFrame]], bool]:
    """Frames by video, most wanted first where the file says so, and whether they replace the
    rule's (a file of `sample`).

    A CSV file has the columns video, frame and perhaps path, score and reason, a JSON file a list
    of objects with these keys, alone or in an object. `review.csv` of `label`, which has a column
    confidence instead, lists every doubtful frame: of those close together only the first is
    wanted. BadInput names the line or entry of an unknown video or frame.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFile(
            f"there is no file {path} with frames to label; write it with `python -m spot_ext "
            "suggest`"
        )
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BadValue(f"{path} is not a JSON file ({error}); write it again") from None
        if isinstance(content, dict) and label_file.RESULT in content:
            return _sampled(path, frame_counts), True
        entries = _entries(content, path)
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            entries = [
                (f"{path} line {number}", row) for number, row in enumerate(csv.DictReader(file), 2)
            ]
    wanted: dict[str, list[WantedFrame]] = {}
    for where, entry in entries:
        video, frame = _wanted_frame(where, entry, frame_counts)
        apart = REVIEWED_APART if "confidence" in entry else 1
        if all(
            abs(frame.frame_id - other.frame_id) >= apart for other in wanted.setdefault(video, [])
        ):
            wanted[video].append(frame)
    return wanted, False


def _sampled(path: Path, frame_counts: dict[str, int]) -> dict[str, list[WantedFrame]]:
    labels = label_file.read(path, frame_counts)
    wanted = {}
    for name, video in labels.videos.items():
        frame_ids = sorted({frame_id for target in video.paths for frame_id in target.frame_ids})
        for frame_id in frame_ids:
            _check_frame(f"{path}: '{name}'", frame_id, name, frame_counts)
        wanted[name] = [WantedFrame(frame_id) for frame_id in frame_ids]
    return wanted


def _entries(content: object, path: Path) -> list[tuple[str, dict]]:
    lists = (
        [content]
        if isinstance(content, list)
        else [value for value in content.values() if isinstance(value, list)]
        if isinstance(content, dict)
        else []
    )
    if len(lists) != 1 or not all(isinstance(entry, dict) for entry in lists[0]):
        raise BadValue(
            f"{path} holds no list of frames, each with video and frame; write it with `python -m "
            "spot_ext suggest`"
        )
    return [(f"{path} entry {number}", entry) for number, entry in enumerate(lists[0], 1)]


def _wanted_frame(where: str, entry: dict, frame_counts: dict[str, int]) -> tuple[str, WantedFrame]:
    video, frame, score = (
        entry.get("video"),
        entry.get("frame"),
        entry.get("score", entry.get("confidence")),
    )
    if video is None or frame is None:
        raise BadValue(
            f"{where}: has no video or no frame; the columns are video, frame and perhaps score"
        )
    try:
        frame_id = int(str(frame))
        score = None if score in (None, "") else float(score)
    except ValueError:
        raise BadValue(
            f"{where}: frame '{frame}' or score '{score}' is no number; correct it"
        ) from None
    _check_frame(where, frame_id, str(video), frame_counts)
    return str(video), WantedFrame(frame_id, True, score, _reason(entry))


def _reason(entry: dict) -> str:
    """The file's reason, with the number of the target where it is not the video's first."""
    reason, path = str(entry.get("reason") or ""), str(entry.get("path") or "")
    return f"object {int(path) + 1}: {reason}" if path.isdecimal() and int(path) > 0 else reason


def _check_frame(
    where: str, frame_id: int, video: str, frame_counts: Collection[str] | dict[str, int]
) -> None:
    if video not in frame_counts:
        raise BadValue(
            f"{where}: there is no video '{video}'{suggestion(video, frame_counts)}; give the "
            "file of this folder"
        )
    if not 0 <= frame_id < frame_counts[video]:
        raise BadValue(
            f"{where}: '{video}' has frames 0 to {frame_counts[video] - 1}, not {frame_id}; give "
            "the file of this "
            "folder"
        )
