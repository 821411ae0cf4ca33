"""Your own videos: a folder with one sub-folder of images each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, MissingFile
from ltr.data.image_loader import jpeg4py_loader
from ltr.dataset.annotations import read_lines
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.dataset.places import find_root

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


class VideoFolder(FileVideoDataset):
    """Videos in the sub-folders of `root`, or of `folder_dir` of local.py.

    A sub-folder holds the frames, or has them in `img/`; they are ordered by the numbers in their names. An optional
    `groundtruth.txt` holds either a line `x,y,w,h` for every frame, or lines `frame,x,y,w,h` (frame 0-based) for some.
    Frames without a box have a NaN box and count as not visible.
    """

    def __init__(self, root: str | Path | None = None, image_loader: Callable = jpeg4py_loader):
        root = find_root("video folder", "folder_dir", "*/", "one sub-folder of images per video", root)
        super().__init__("folder", root, image_loader)
        self._frames: dict[int, list[Path]] = {}
        self.sequence_list = sorted((path.name for path in self.root.iterdir() if path.is_dir() and image_folder(path)),
                                    key=natural_key)
        if not self.sequence_list:
            raise MissingFile(f"video folder: no sub-folder of {self.root} holds images "
                              f"({', '.join(IMAGE_SUFFIXES)}); point folder_dir at the folder above the videos")

    def get_sequence_length(self, seq_id: int) -> int:
        return len(self._frame_list(seq_id))

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        frames = self._frame_list(seq_id)
        if not 0 <= frame_id < len(frames):
            raise MissingFile(f"{self.root / self.sequence_list[seq_id]} has no frame {frame_id}, it has "
                              f"{len(frames)} images; check the frame numbers")
        return frames[frame_id]

    def boxes_path(self, seq_id: int) -> Path:
        return self.root / self.sequence_list[seq_id] / "groundtruth.txt"

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        path, length = self.boxes_path(seq_id), self.get_sequence_length(seq_id)
        wanted = [int(frame_id) for frame_id in frame_ids]
        rows = _rows_by_frame(path, length) if path.is_file() else {}
        boxes = np.full((len(wanted), 4), np.nan, np.float32)
        for i, frame_id in enumerate(wanted):
            if frame_id in rows:
                number, values = rows[frame_id]
                boxes[i] = _floats(path, number, values)
        return boxes

    def _all_boxes(self, seq_id: int) -> np.ndarray:
        return self.get_boxes(seq_id, range(self.get_sequence_length(seq_id)))

    def _frame_list(self, seq_id: int) -> list[Path]:
        if seq_id not in self._frames:
            folder = image_folder(self.root / self.sequence_list[seq_id])
            self._frames[seq_id] = images_in(folder) if folder else []
        return self._frames[seq_id]


def image_folder(video: Path) -> Path | None:
    """The folder of a video's frames: itself or its `img`; None where neither holds an image."""
    return next((folder for folder in (video, video / "img") if folder.is_dir() and images_in(folder)), None)


def images_in(folder: Path) -> list[Path]:
    """The images in a folder, ordered by the numbers in their names."""
    found = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(found, key=lambda path: natural_key(path.name))


def natural_key(name: str) -> list:
    """Sorting key by which `frame10` comes after `frame9`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def _rows_by_frame(path: Path, length: int) -> dict[int, tuple[int, list[str]]]:
    """Line number (from 1) and the texts of the four coordinates, by frame; coordinates are not interpreted yet."""
    lines = [(number, line.replace(",", " ").split()) for number, line in enumerate(read_lines(path), 1)]
    sparse = bool(lines) and len(lines[0][1]) == 5
    if not sparse:
        if len(lines) != length:
            raise BadValue(f"{path} has {len(lines)} lines for {length} frames; give every frame a line x,y,w,h, or "
                           "write lines frame,x,y,w,h")
        return dict(enumerate(lines))
    rows = {}
    for number, values in lines:
        if not values:
            continue
        if not values[0].isdigit() or int(values[0]) >= length:
            raise BadValue(f"{path} line {number}: '{values[0]}' is no frame of this video, which has frames 0 to "
                           f"{length - 1}; correct the line")
        rows[int(values[0])] = number, values[1:]
    return rows


def _floats(path: Path, number: int, values: list[str]) -> list[float]:
    try:
        x, y, w, h = map(float, values)
    except ValueError:
        raise BadValue(f"{path} line {number}: expected four numbers x,y,w,h, found '{' '.join(values)[:60]}'; "
                       "correct the line") from None
    return [x, y, w, h]
