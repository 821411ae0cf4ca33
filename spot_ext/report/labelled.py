"""Read the output of `label`: confidence over every video, and the frames that it wants a person to
look at.

Reads `boxes.csv` and, where they are there, `review.csv` (columns `video`, `frame` and whatever
else says why) and `label.json` (how it was done), all in one folder. Frames are shown when the
videos' folder is known.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, MissingFile
from ltr.admin.invocation import spot_command
from ltr.dataset.video_folder import VideoFolder
from ltr.io.checkpoint import checkpoint_files
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.report.exploration import CELLS, CONFIDENCE, Strip, blend, png
from spot_ext.report.pictures import DOUBTFUL, HUMAN, Box, Picture, around, picture
from spot_ext.report.verdict import duration
from spot_ext.training.history import sampled_paths

BOXES, REVIEW, SUMMARY, RUNS = (
    "boxes.csv",
    "review.csv",
    "label.json",
    "adapt/checkpoints",
)  # the last: of the adaptation
SHOWN_ROWS, SHOWN_FRAMES = 20, 10


@dataclass(frozen=True)
class LabelledVideos:
    """Dense boxes of a folder: counts, a strip a track (a sample of many), the head of the review
    list, pictures of it.
    """

    videos: int
    tracks: int
    boxes: int
    human: int
    absent: int
    confidence: float  # mean over boxes that no person drew; NaN without one
    strips: list[Strip]
    columns: list[str] = field(default_factory=list)
    review: list[list[str]] = field(default_factory=list)
    review_total: int = 0
    pictures: list[Picture] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)  # how it was done
    notes: list[str] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """The numbers, for programs."""
        return {
            "videos": self.videos,
            "tracks": self.tracks,
            "boxes": self.boxes,
            "human": self.human,
            "absent": self.absent,
            "mean_confidence": None if np.isnan(self.confidence) else round(self.confidence, 4),
            "review": [dict(zip(self.columns, row, strict=True)) for row in self.review],
            "review_total": self.review_total,
        }


def is_labelled_folder(folder: Path) -> bool:
    """Tell if `label` wrote into `folder`."""
    return (Path(folder) / BOXES).is_file()


def adaptation_run(folder: Path) -> Path | None:
    """The run in which `label` taught the network these videos, the newest of several; None when it
    did not.
    """
    found = [file.path for run in (Path(folder) / RUNS).glob("*") for file in checkpoint_files(run)]
    return max(found, key=lambda path: path.stat().st_mtime).parent if found else None


def labelled_videos(folder: Path, videos_folder: Path | None = None) -> LabelledVideos:
    """Read the output of `label`; `videos_folder` holds the videos themselves, for pictures.
    MissingFile without boxes.
    """
    folder = Path(folder).expanduser()
    notes: list[str] = []
    if not is_labelled_folder(folder):
        raise MissingFile(
            f"{folder} holds no {BOXES}; give the folder that "
            f"`{spot_command('label')} … --out` wrote"
        )
    videos = formats.read(folder / BOXES, "csv")
    tracks = [(video, item) for video in videos for item in video.objects]
    confidences = np.concatenate(
        [np.empty(0), *(item.confidences[~item.human & ~item.absent] for _, item in tracks)]
    )
    columns, rows = _review(folder, notes)
    summary = _summary(folder, notes)
    settings = summary.get("settings") or {}
    videos_folder = videos_folder or (
        Path(settings["folder"]).expanduser() if settings.get("folder") else None
    )
    pictures = _pictures(videos, columns, rows, videos_folder, notes)
    several = any(len(video.objects) > 1 for video in videos)
    return LabelledVideos(
        len(videos),
        len(tracks),
        sum(int((~item.absent).sum()) for _, item in tracks),
        sum(int(item.human.sum()) for _, item in tracks),
        sum(int(item.absent.sum()) for _, item in tracks),
        float(confidences.mean()) if len(confidences) else float("nan"),
        [_strip(*tracks[index], several) for index in sampled_paths(len(tracks))],
        columns,
        rows[:SHOWN_ROWS],
        len(rows),
        pictures,
        _facts(summary),
        notes,
    )


def _strip(video: VideoBoxes, item: ObjectTrack, several: bool) -> Strip:
    length = video.frame_count or int(item.frame_ids.max(initial=0)) + 1
    cells = min(CELLS, length)
    shown = ~item.absent
    cell_of = item.frame_ids[shown] * cells // length
    known = np.bincount(cell_of, minlength=cells)
    means = np.bincount(cell_of, item.confidences[shown], cells) / np.maximum(known, 1)
    per_cell = np.bincount(np.arange(length) * cells // length, minlength=cells)
    strip = png(blend(CONFIDENCE, means), np.minimum(1, known / per_cell))
    name = f"{video.video} · {item.label or item.object_id}" if several else video.video
    return Strip(
        name,
        f"{name}: {int(shown.sum())} boxes, {int(item.human.sum())} drawn by a person, "
        f"{int(item.absent.sum())} frames without the object",
        float(shown.sum() / length),
        strip,
        None,
        tuple(((item.frame_ids[item.human] + 0.5) / length).tolist()),
    )


def _review(folder: Path, notes: list[str]) -> tuple[list[str], list[list[str]]]:
    path = folder / REVIEW
    if not path.is_file():
        notes.append(f"There is no {REVIEW}, so no frame is named to look at.")
        return [], []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        notes.append(f"{path} could not be read ({error}).")
        return [], []
    columns = lines[0] if lines else []
    return columns, [(line + [""] * len(columns))[: len(columns)] for line in lines[1:]]


def _summary(folder: Path, notes: list[str]) -> dict[str, Any]:
    """Return what `label` reports of its work; videos that it could not do become notes."""
    path = folder / SUMMARY
    try:
        summary = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        notes += [
            f"{video} could not be labelled: {why}"
            for video, why in (summary.get("failed") or {}).items()
        ]
        return summary
    except (OSError, ValueError, AttributeError) as error:
        notes.append(f"{path} could not be read ({error}).")
        return {}


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    settings = summary.get("settings") or {}
    facts = [(name, str(settings[name])) for name in ("net", "device", "seed") if name in settings]
    if settings.get("adapt"):
        facts.append(("adapted for", f"{settings.get('epochs')} epochs"))
    return facts + [
        (f"time to {name}", duration(seconds))
        for name, seconds in (summary.get("seconds") or {}).items()
    ]


def _pictures(
    videos: list[VideoBoxes],
    columns: list[str],
    rows: list[list[str]],
    folder: Path | None,
    notes: list[str],
) -> list[Picture]:
    """The first frames of the review list, each video at most twice: one bad stretch would fill the
    page otherwise.
    """
    if not rows or not {"video", "frame"} <= set(columns):
        return []
    if folder is None:
        notes.append(
            "Frames are left out, because the videos' folder is not known: name it with --root."
        )
        return []
    pictures = []
    used: dict[str, int] = {}
    by_name = {video.video: video for video in videos}
    try:
        dataset = VideoFolder(root=str(folder))
        for row in (dict(zip(columns, line, strict=True)) for line in rows):
            name, frame_id = row["video"], int(row["frame"])
            if used.get(name, 0) >= 2 or name not in dataset.sequence_list or name not in by_name:
                continue
            used[name] = used.get(name, 0) + 1
            frame = dataset.get_frame(dataset.sequence_list.index(name), frame_id)
            pictures.append(_picture(frame, by_name[name], row, frame_id))
            if len(pictures) == SHOWN_FRAMES:
                break
    except (BadInput, OSError, ValueError) as error:
        notes.append(f"Frames of the review list could not be shown: {error}.")
    return pictures


def _picture(frame: np.ndarray, video: VideoBoxes, row: dict[str, str], frame_id: int) -> Picture:
    caption = f"{video.video} · {frame_id}"
    for item in video.objects:
        at = np.flatnonzero(item.frame_ids == frame_id)
        if (
            row.get("object", item.object_id) == item.object_id
            and len(at)
            and np.isfinite(item.boxes_xywh[at[0]]).all()
        ):
            box = item.boxes_xywh[at[0]]
            colour = HUMAN if item.human[at[0]] else DOUBTFUL
            return around(
                frame,
                box,
                [Box(box, colour)],
                f"{caption} · {item.confidences[at[0]]:.2f}",
                200,
                context=2,
            )
    return picture(frame, [], f"{caption} · not seen", 200)
