"""Your own videos: a folder with one sub-folder of images, or one video file, each."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.annotations import read_lines
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.dataset.registry import training_set
from ltr.dataset.roots import find_root
from ltr.frames.names import (
    IMAGE_SUFFIXES,
    PACKED_SUFFIXES,
    has_suffix,
    image_folder,
    images_in,
    is_hidden,
    natural_key,
)
from ltr.frames.opening import find_packed
from ltr.frames.shared import shared_source
from ltr.geometry.checks import is_box

logger = logging.getLogger(__name__)

# Files that people keep beside their videos: labels, notes, pictures. Others are named in a line.
COMPANION_SUFFIXES = (
    *IMAGE_SUFFIXES,
    ".txt",
    ".csv",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
    ".md",
    ".html",
    ".log",
    ".zip",
    ".gz",
    ".srt",
    ".lock",
    ".py",
    ".sh",
)
# Names of such files in the line; the rest is counted.
FILES_NAMED = 3


@training_set("folder")
class VideoFolder(FileVideoDataset):
    """Videos in `root`, or in `folder_dir` of local.py: its sub-folders, and the video files and
    tar archives beside them.

    A sub-folder holds the frames, or has them in `img/`, ordered by the numbers in their names; or
    it holds `frames.tar` or `video.mp4`. A video is called as its folder, or as its file without
    the suffix; files of one stem (`walk.mp4`, `walk.mov`, beside a folder `walk`) keep theirs.

    Optional boxes are in the folder's `groundtruth.txt`, those of a file `<name>.mp4` in
    `<name>.txt` or `<name>/groundtruth.txt`: either a line `x,y,w,h` for every frame, or lines
    `frame,x,y,w,h` (frame 0-based) for some. Frames without a box have a NaN box and count as not
    visible.
    """

    def __init__(self, root: str | Path | None = None, image_loader: Callable = jpeg4py_loader):
        root = find_root(
            "video folder",
            "folder_dir",
            "*",
            "one sub-folder of images or one video file per video",
            root,
        )
        super().__init__("folder", root, image_loader)
        self._places = _videos_in(self.root)
        # images, or the file that holds the frames
        self._found: dict[int, list[Path] | Path] = {}
        self.sequence_list = sorted(self._places, key=natural_key)
        if not self.sequence_list:
            raise MissingFile(
                f"video folder: no sub-folder of {self.root} holds images "
                f"({', '.join(IMAGE_SUFFIXES)}) and there is no video file; point folder_dir at "
                "the folder above the videos"
            )

    def get_sequence_length(self, seq_id: int) -> int:
        frames = self._frames_of(seq_id)
        return len(shared_source(frames)) if isinstance(frames, Path) else len(frames)

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        frames = self._frames_of(seq_id)
        return (
            shared_source(frames).read(int(frame_id))
            if isinstance(frames, Path)
            else super().get_frame(seq_id, frame_id)
        )

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        """The image of a frame; the video file or archive for all frames of a packed video."""
        frames = self._frames_of(seq_id)
        if isinstance(frames, Path):
            return frames
        if not 0 <= frame_id < len(frames):
            raise MissingFile(
                f"{self.root / self.sequence_list[seq_id]} has no frame {frame_id}, it has "
                f"{len(frames)} images; check the frame numbers"
            )
        return frames[frame_id]

    def frame_files(self, seq_id: int) -> list[Path]:
        """Return the files that the frames are in: the images, or the one packed file."""
        frames = self._frames_of(seq_id)
        if not isinstance(frames, Path):
            return frames
        # the folder in an archive (`shard-000.tar/walk`) is no file of its own
        return [next(place for place in (frames, *frames.parents) if place.is_file())]

    def get_selectable(self, seq_id: int) -> np.ndarray:
        """Return (N,) bool: the frames in which a box may be asked for.

        Where the annotation lists every frame they are those with a box; a row of `nan` shows no
        object. Where it lists some frames, or there is none, they are all: nothing is said of the
        others then.
        """
        count = self.get_sequence_length(seq_id)
        path = self.boxes_path(seq_id)
        if path.is_file() and len(_rows_by_frame(path, count)) == count:
            shown = is_box(self.get_boxes(seq_id, range(count)))
            if shown.any():
                return shown
        return np.ones(count, dtype=bool)

    def boxes_path(self, seq_id: int) -> Path:
        folder = self.root / self.sequence_list[seq_id]
        beside = folder.with_name(folder.name + ".txt")
        return beside if beside.is_file() else folder / "groundtruth.txt"

    def flag_paths(self, seq_id: int) -> Sequence[Path]:
        folder = self.root / self.sequence_list[seq_id]
        # the number of frames counts as annotation here: of images the folder changes with it, and
        # a packed file is looked at itself
        return [folder, folder / "img", self._places[self.sequence_list[seq_id]]]

    def _boxes_at(self, seq_id: int, frame_ids: list[int]) -> np.ndarray:
        path, length = self.boxes_path(seq_id), self.get_sequence_length(seq_id)
        rows = _rows_by_frame(path, length) if path.is_file() else {}
        boxes = np.full((len(frame_ids), 4), np.nan, np.float32)
        for i, frame_id in enumerate(frame_ids):
            if frame_id in rows:
                number, values = rows[frame_id]
                boxes[i] = _floats(path, number, values)
        return boxes

    def _all_boxes(self, seq_id: int) -> np.ndarray:
        return self._boxes_at(seq_id, list(range(self.get_sequence_length(seq_id))))

    def _frames_of(self, seq_id: int) -> list[Path] | Path:
        if seq_id not in self._found:
            place = self._places[self.sequence_list[seq_id]]
            # an archive's folder (`shard-000.tar/walk`) is no folder of the disk
            self._found[seq_id] = images_in(place) if place.is_dir() else place
        return self._found[seq_id]


def _videos_in(root: Path) -> dict[str, Path]:
    """Return the videos in a folder by name: the folder of their images, or the packed file."""
    folders: dict[str, Path] = {}
    files = []
    others = []
    for path in sorted(root.iterdir()):
        if is_hidden(path.name):
            continue
        if path.is_dir():
            place = image_folder(path) or find_packed(path, beside=False)
            if place is not None:
                folders[path.name] = place
        elif has_suffix(path, PACKED_SUFFIXES) and path.is_file():
            files.append(path)
        elif not has_suffix(path, COMPANION_SUFFIXES):
            others.append(path.name)
    _name_others(root, others)
    return {**folders, **_named_files(root, files, set(folders))}


def _named_files(root: Path, files: list[Path], folder_names: set[str]) -> dict[str, Path]:
    """Return video files by stem, and those whose stem is taken by their whole name."""
    stems = Counter(path.stem for path in files)
    named = {}
    for path in files:
        is_taken = stems[path.stem] > 1 or path.stem in folder_names
        named[path.name if is_taken else path.stem] = path
        if is_taken:
            logger.warning(
                "%s: another video is called '%s'; this one is called '%s'",
                root,
                path.stem,
                path.name,
            )
    return named


def _name_others(root: Path, names: list[str]) -> None:
    if names:
        more = len(names) - FILES_NAMED
        logger.warning(
            "%s: not read, as no image, video or archive is called like that: %s%s",
            root,
            ", ".join(names[:FILES_NAMED]),
            f" and {more} more" if more > 0 else "",
        )


def _rows_by_frame(path: Path, length: int) -> dict[int, tuple[int, list[str]]]:
    """Line number (from 1) and the texts of the four coordinates, by frame; coordinates are not
    interpreted yet.
    """
    lines = [
        (number, line.replace(",", " ").split()) for number, line in enumerate(read_lines(path), 1)
    ]
    sparse = bool(lines) and len(lines[0][1]) == 5
    if not sparse:
        if len(lines) != length:
            raise BadValue(
                f"{path} has {len(lines)} lines for {length} frames; give every frame a line "
                "x,y,w,h, or "
                "write lines frame,x,y,w,h"
            )
        return dict(enumerate(lines))
    rows = {}
    for number, values in lines:
        if not values:
            continue
        if not values[0].isdecimal() or int(values[0]) >= length:
            raise BadValue(
                f"{path} line {number}: '{values[0]}' is no frame of this video, which has frames "
                "0 to "
                f"{length - 1}; correct the line"
            )
        rows[int(values[0])] = number, values[1:]
    return rows


def _floats(path: Path, number: int, values: list[str]) -> list[float]:
    try:
        x, y, w, h = map(float, values)
    except ValueError:
        raise BadValue(
            f"{path} line {number}: expected four numbers x,y,w,h, found "
            f"'{' '.join(values)[:60]}'; "
            "correct the line"
        ) from None
    return [x, y, w, h]
