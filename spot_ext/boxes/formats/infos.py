"""Facts about videos besides their boxes: number of frames, size, rate, names of their images."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
import os
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, suggestion
from ltr.dataset import registry
from ltr.frames.names import VIDEO_SUFFIXES
from spot_ext.boxes.track import VideoBoxes

logger = logging.getLogger(__name__)

# Label Studio puts eight digits before the name of an uploaded file.
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")

# What to do with a file whose length or size differs from the video's.
MISMATCHES = ("refuse", "scale", "ignore")


@dataclass(frozen=True)
class ReadOptions:
    """Decisions that a file of boxes may leave open.

    `first_frame` is the number that the file gives to the first frame where that comes from names
    or `frame_id`: 0 or 1; None finds out, or asks. `mismatch` says what to do where the file was
    made for a video of another length or size: `refuse` it, `scale` boxes and convert frames by
    time, or `ignore` it and take the numbers as they are. `keeps_outside` takes boxes outside
    their frame, too, for a reader that lists all that is wrong.
    """

    first_frame: int | None = None
    mismatch: str = "refuse"
    keeps_outside: bool = False

    def __post_init__(self) -> None:
        if self.first_frame not in (None, 0, 1):
            raise BadValue(f"first_frame is {self.first_frame}; the first frame is number 0 or 1")
        if self.mismatch not in MISMATCHES:
            raise BadValue(
                f"mismatch is '{self.mismatch}'{suggestion(self.mismatch, MISMATCHES)}; choose one "
                f"of {', '.join(MISMATCHES)}"
            )


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a video; None: not known."""

    frame_count: int | None = None
    size: tuple[int, int] | None = None  # width, height in pixels
    fps: float | None = None
    frame_names: tuple[str, ...] | None = None  # file names of the images, frame 0 first
    problem: str | None = None  # why the video cannot be read


class Infos(Mapping[str, VideoInfo]):
    """Video name -> VideoInfo. Of a folder, a video is opened when it is first asked for."""

    def __init__(
        self, names: Mapping[str, Any], look_up: Callable[[str], VideoInfo], dataset: Any = None
    ):
        self._names = names
        self._look_up = functools.lru_cache(maxsize=None)(look_up)
        self._dataset = dataset
        self.options = ReadOptions()

    def __getitem__(self, name: str) -> VideoInfo:
        if name not in self._names:
            raise KeyError(name)
        return self._look_up(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def with_options(self, options: ReadOptions) -> Infos:
        """Return the same facts for reading with other options."""
        infos = copy.copy(self)
        infos.options = options
        return infos

    def of(self, name: str) -> VideoInfo:
        """Return what is known of a video; of one that is not among them, nothing."""
        return self.get(name, _NOTHING)

    def boxes(self, name: str, frame_ids: Sequence[int]) -> np.ndarray | None:
        """Return boxes xywh (N, 4) of these frames that lie beside the video itself.

        They are NaN where none does; None without a folder.
        """
        if self._dataset is None or name not in self._names:
            return None
        return self._dataset.get_boxes(self._names[name], frame_ids).astype(np.float64).round(3)

    def name(self, written: str) -> str:
        """Return the known video that a file means by `written`, a name, path or address.

        Where there is none it is `written` itself.
        """
        if written in self._names or not self._names:
            return written
        name = stem(written)
        for candidate in (name, _UPLOAD.sub("", name, count=1)):
            if candidate in self._names:
                return candidate
        return self._by_composed_name.get(_composed(name), written)

    @functools.cached_property
    def _by_composed_name(self) -> dict[str, str]:
        """Return the known names by their one spelling in Unicode.

        macOS and some archives write é as two signs, e and an accent, where others write one.
        """
        return {_composed(name): name for name in self._names}

    def only(self, otherwise: str, path: Path) -> str:
        """Return the video that a file without names is about.

        It is the only one there is, or else the one called `otherwise`.
        """
        if len(self) == 1:
            return next(iter(self))
        if self and otherwise not in self._names:
            raise BadValue(
                f"{path} does not say which of the {len(self)} videos its boxes belong to; give a "
                "folder that holds this one video alone, name the file after the video, or write "
                "a CSV file with a column 'video'"
            )
        return otherwise

    def matched(self, videos: list[VideoBoxes], path: Path) -> list[VideoBoxes]:
        """Return `videos`; say which are not known, and refuse them when none is."""
        unknown = [video.video for video in videos if video.video not in self._names]
        if not self._names or not unknown:
            return videos
        near = suggestion(unknown[0], self._names)
        if len(unknown) == len(videos):
            raise BadValue(
                f"{path}: none of its videos (e.g. '{unknown[0]}') is among the {len(self)} "
                f"given{near}; give the boxes of these videos, or the folder of those"
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


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


_NOTHING = VideoInfo()


def infos_of(videos: Any) -> Infos:
    """Make Infos from what callers have: None, Infos, a mapping, a VideoFolder or its path."""
    if videos is None:
        videos = {}
    if isinstance(videos, Infos):
        return videos
    if isinstance(videos, (str, os.PathLike)):
        videos = registry.open_video_folder(Path(videos))
    if isinstance(videos, Mapping):
        return Infos(videos, lambda name: _from_value(videos[name]))
    ids = {name: seq_id for seq_id, name in enumerate(videos.sequence_list)}
    return Infos(ids, lambda name: _readable_info(videos, name, ids[name]), videos)


def complete(video: VideoBoxes, infos: Infos) -> VideoBoxes:
    """Return `video` with what it does not say itself taken from `infos`."""
    info = infos.of(video.video)
    count = info.frame_count if video.frame_count is None else video.frame_count
    fps = info.fps if video.fps is None else video.fps
    size = info.size if video.size is None else video.size
    return dataclasses.replace(
        video,
        frame_count=None if count is None else int(count),
        fps=None if fps is None else float(fps),
        size=None if size is None else (int(size[0]), int(size[1])),
    )


def stem(written: str) -> str:
    """Return the last part of a path or address, without the suffix of a video file.

    Other dots are part of the name. Of an address the query does not count (`walk.mp4?X-Amz-…`, a
    SAS token), except where it is Label Studio's own `/data/local-files/?d=folder/walk.mp4`; signs
    written in percent are read.
    """
    path = _path_of_address(written)
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1] or written
    base, dot, suffix = name.rpartition(".")
    return base if base and dot + suffix.lower() in VIDEO_SUFFIXES else name


def _path_of_address(written: str) -> str:
    """Return the path that an address names; what is no address stays as it is."""
    is_local_file = written.startswith("/data/") or "/data/local-files/" in written
    if "://" not in written and not is_local_file:
        return written
    parts = urllib.parse.urlsplit(written)
    named = urllib.parse.parse_qs(parts.query).get("d")
    if parts.path.rstrip("/").endswith("local-files") and named:
        return named[0]
    return urllib.parse.unquote(parts.path)


def _from_value(value: Any) -> VideoInfo:
    if isinstance(value, VideoInfo):
        return value
    if isinstance(value, VideoBoxes):
        return VideoInfo(value.frame_count, value.size, value.fps)
    count, size = value
    return VideoInfo(count, None if size is None else (int(size[0]), int(size[1])))


def _readable_info(dataset: Any, name: str, seq_id: int) -> VideoInfo:
    """Return what a video says of itself; of one that cannot be read, the problem only."""
    try:
        return _from_dataset(dataset, seq_id)
    except (BadInput, OSError) as error:
        # one bad video must not stop the others
        logger.warning("%s: %s", name, error)
        return VideoInfo(problem=str(error))


def _from_dataset(dataset: Any, seq_id: int) -> VideoInfo:
    height, width = dataset.get_frame(seq_id, 0).shape[:2]
    count = dataset.get_sequence_length(seq_id)
    first = dataset.frame_path(seq_id, 0)
    suffix = first.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return VideoInfo(count, (width, height), _frame_rate(first))
    last = dataset.frame_path(seq_id, count - 1)
    if suffix == ".tar" or (count > 1 and first == last):
        return VideoInfo(count, (width, height))
    names = tuple(dataset.frame_path(seq_id, i).name for i in range(count))
    return VideoInfo(count, (width, height), None, names)


def _frame_rate(path: Path) -> float | None:
    """Return the mean frames a second of a video file; None where it does not say."""
    try:
        import av

        with av.open(str(path), metadata_errors="replace") as container:
            rate = container.streams.video[0].average_rate
    except (ImportError, OSError, IndexError, ValueError):
        return None
    return float(rate) if rate else None
