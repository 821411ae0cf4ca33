"""Films: a video with the boxes of all its objects drawn in, to look at or to show.

A label names the object and its confidence. A box that a person drew is thicker and says `drawn`.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.wrappers import Frames
from ltr.io.progress import CountProgress
from pytracking.evaluation.display import write_label
from pytracking.evaluation.video import CODECS, VideoWriter
from pytracking.utils.plotting import draw_box, object_color
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.folder_frames import FolderFrames

SUFFIX = ".mp4"
# A line is one pixel wide for so many pixels of the shorter side, and never thinner than two.
PIXELS_PER_LINE = 240
LEAST_LINE = 2


def write_films(videos: Sequence[VideoBoxes], folder: VideoFolder, out: Path) -> list[Path]:
    """Write a film of each video and return the files.

    `out` is a folder, which gets `VIDEO.mp4` of each; or, where there is one video, a file.
    Raises BadValue before the first film where a video is not in `folder`.
    """
    seq_ids = {name: seq_id for seq_id, name in enumerate(folder.sequence_list)}
    missing = [video.video for video in videos if video.video not in seq_ids]
    if missing:
        raise BadValue(
            f"{folder.root} holds no video '{missing[0]}', of which there are boxes; give the "
            "folder of the videos with --videos"
        )
    paths = film_paths([video.video for video in videos], out)
    infos = formats.infos_of(folder)
    for video, path in zip(videos, paths, strict=True):
        frames = FolderFrames(folder, seq_ids[video.video])
        # Of images nothing tells a rate; the writer then takes the usual one.
        fps = infos.of(video.video).fps or video.fps or 0.0
        write_film(video, frames, path, fps, folder.frame_path(seq_ids[video.video], 0))
    return paths


def film_paths(names: Sequence[str], out: Path) -> list[Path]:
    """Return the file of each video's film. Raises BadValue for one file for several videos."""
    if out.suffix.lower() not in CODECS or out.is_dir():
        return [out / f"{name}{SUFFIX}" for name in names]
    if len(names) > 1:
        raise BadValue(f"{out}: there are {len(names)} videos; name a folder with --out")
    return [out for _name in names]


def write_film(
    video: VideoBoxes,
    frames: Frames,
    path: Path,
    fps: float,
    source: str | os.PathLike[str],
    first: int = 0,
) -> None:
    """Write the frames from `first` on with their boxes; `source` is what must not be replaced."""
    writer = VideoWriter(path, fps, not_over=source)
    progress = CountProgress(video.video, "frames", len(frames) - first)
    try:
        for frame_id in range(first, len(frames)):
            writer.write(draw_tracks(frames.read(frame_id), video.objects, frame_id))
            progress.step("writing the film")
    finally:
        progress.close()
        writer.close()


def draw_tracks(frame: np.ndarray, objects: Sequence[ObjectTrack], frame_id: int) -> np.ndarray:
    """Return a copy of the RGB frame with the boxes that `objects` have in it."""
    picture = frame.copy()
    height, width = picture.shape[:2]
    line = max(LEAST_LINE, round(min(height, width) / PIXELS_PER_LINE))
    for number, track in enumerate(objects):
        row = track.row_of(frame_id)
        if row is None or track.absent[row]:
            continue
        box_xywh = clip_to_picture(track.boxes_xywh[row], width, height)
        if box_xywh is None:
            continue
        is_human = bool(track.human[row])
        color = object_color(number)
        x, y, _w, _h = draw_box(picture, box_xywh, color, 2 * line if is_human else line)
        certainty = "drawn" if is_human else f"{track.confidences[row]:.2f}"
        write_label(picture, f"{_title(track)} {certainty}", (x, y), color, line)
    return picture


def clip_to_picture(
    box_xywh: np.ndarray, width: int, height: int
) -> tuple[float, float, float, float] | None:
    """Return the part of the box that lies in the picture; None where there is none."""
    left, top = np.maximum(box_xywh[:2], 0)
    right = min(box_xywh[0] + box_xywh[2], width - 1)
    bottom = min(box_xywh[1] + box_xywh[3], height - 1)
    if right <= left or bottom <= top:
        return None
    return float(left), float(top), float(right - left), float(bottom - top)


def _title(track: ObjectTrack) -> str:
    """Return the object's name in the letters that OpenCV can draw."""
    name = f"{track.label} {track.object_id}" if track.label else track.object_id
    # An accent is split from its letter and left out; OpenCV draws ASCII alone.
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return plain or "object"
