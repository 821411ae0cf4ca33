"""What is known of videos besides their boxes: number of frames, size, names of their images."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, suggestion
from ltr.frames.sources import VIDEO_SUFFIXES
from spot_ext.boxes.track import VideoBoxes

logger = logging.getLogger(__name__)

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before the name of an uploaded file

_QUERY = re.compile(r"\?\w+=")  # Label Studio's /data/local-files/?d=folder/walk.mp4


@dataclass(frozen=True)
class VideoInfo:
    """None: not known."""

    frame_count: int | None = None
    size: tuple[int, int] | None = None  # width, height in pixels
    fps: float | None = None
    frame_names: tuple[str, ...] | None = None  # file names of the images, frame 0 first


class Infos(Mapping[str, VideoInfo]):
    """Video name -> VideoInfo. Of a folder, a video is opened when it is first asked for."""

    def __init__(
        self, names: Mapping[str, Any], look_up: Callable[[str], VideoInfo], dataset: Any = None
    ):
        self._names, self._look_up, self._dataset = (
            names,
            functools.lru_cache(maxsize=None)(look_up),
            dataset,
        )

    def __getitem__(self, name: str) -> VideoInfo:
        if name not in self._names:
            raise KeyError(name)
        return self._look_up(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def of(self, name: str) -> VideoInfo:
        """What is known of a video; of one that is not among them, nothing."""
        return self.get(name, _NOTHING)

    def boxes(self, name: str, frame_ids: Sequence[int]) -> np.ndarray | None:
        """Boxes xywh (N, 4) of these frames that lie beside the video itself, NaN where none does;
        None without a folder.
        """
        if self._dataset is None or name not in self._names:
            return None
        return self._dataset.get_boxes(self._names[name], frame_ids).astype(np.float64).round(3)

    def name(self, written: str) -> str:
        """The known video that a file means by `written`, which may be a path or URL; `written`
        itself where there is none.
        """
        if written in self._names or not self._names:
            return written
        name = stem(written)
        if name not in self._names and _UPLOAD.match(name):
            name = name[9:]
        return name if name in self._names else written

    def only(self, otherwise: str, path: Path) -> str:
        """The video that a file without names is about: the only one there is, or else the one
        called `otherwise`.
        """
        if len(self) == 1:
            return next(iter(self))
        if self and otherwise not in self._names:
            raise BadValue(
                f"{path} does not say which of the {len(self)} videos its boxes belong to; name "
                "the file after the "
                "video, or give it a header and a column 'video'"
            )
        return otherwise

    def matched(self, videos: list[VideoBoxes], path: Path) -> list[VideoBoxes]:
        """`videos` as they are; says which are not known, and refuses when none is."""
        unknown = [video.video for video in videos if video.video not in self._names]
        if not self._names or not unknown:
            return videos
        near = suggestion(unknown[0], self._names)
        if len(unknown) == len(videos):
            raise BadValue(
                f"{path}: none of its videos (e.g. '{unknown[0]}') is among the {len(self)} "
                f"given{near}; give the "
                "boxes of these videos, or the folder of those"
            )
        logger.warning(
            "%s: %d of %d videos are not among those given, e.g. '%s'%s",
            path,
            len(unknown),
            len(videos),
            unknown[0],
            near,
        )
        return videos


_NOTHING = VideoInfo()


def infos_of(videos: Any) -> Infos:
    """From what callers have: None, Infos, a mapping, a VideoFolder or the path of one."""
    if videos is None:
        videos = {}
    if isinstance(videos, Infos):
        return videos
    if isinstance(videos, (str, os.PathLike)):
        from ltr.dataset.video_folder import VideoFolder

        videos = VideoFolder(videos)
    if isinstance(videos, Mapping):
        return Infos(videos, lambda name: _from_value(videos[name]))
    ids = {name: seq_id for seq_id, name in enumerate(videos.sequence_list)}
    return Infos(ids, lambda name: _from_dataset(videos, ids[name]), videos)


def complete(video: VideoBoxes, infos: Infos) -> VideoBoxes:
    """`video` with what it does not say itself taken from `infos`."""
    info = infos.of(video.video)
    count, size, fps = (
        one if one is not None else other
        for one, other in (
            (video.frame_count, info.frame_count),
            (video.size, info.size),
            (video.fps, info.fps),
        )
    )
    return dataclasses.replace(
        video,
        frame_count=None if count is None else int(count),
        fps=None if fps is None else float(fps),
        size=None if size is None else (int(size[0]), int(size[1])),
    )


def stem(written: str) -> str:
    """Last part of a path or URL, without the suffix of a video file; other dots are part of the
    name.
    """
    path = _QUERY.sub("/", written)
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or written
    base, dot, suffix = name.rpartition(".")
    return base if base and dot + suffix.lower() in VIDEO_SUFFIXES else name


def _from_value(value: Any) -> VideoInfo:
    if isinstance(value, VideoInfo):
        return value
    if isinstance(value, VideoBoxes):
        return VideoInfo(value.frame_count, value.size, value.fps)
    count, size = value
    return VideoInfo(count, None if size is None else (int(size[0]), int(size[1])))


def _from_dataset(dataset: Any, seq_id: int) -> VideoInfo:
    height, width = dataset.get_frame(seq_id, 0).shape[:2]
    count = dataset.get_sequence_length(seq_id)
    first, last = dataset.frame_path(seq_id, 0), dataset.frame_path(seq_id, count - 1)
    names = (
        None
        if count > 1 and first == last
        else tuple(dataset.frame_path(seq_id, i).name for i in range(count))
    )
    if first.suffix.lower() in (*VIDEO_SUFFIXES, ".tar"):
        names = None
    return VideoInfo(count, (width, height), None, names)
