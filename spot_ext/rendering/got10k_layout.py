"""Write rendered videos as GOT-10k lays them out: images, boxes, and the labels of each frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# GOT-10k counts how much of the target is seen in eighths.
COVER_LEVELS = 8


@dataclass(frozen=True)
class VideoDescription:
    """Hold the words of `meta_info.ini` about one video."""

    object_class: str
    motion_class: str
    root_class: str
    motion_adverb: str
    resolution: tuple[int, int]  # width, height

    def lines(self) -> list[str]:
        """Return the file's lines."""
        values = {
            "url": "none",
            "begin": "00:00:00",
            "end": "00:00:00",
            "anno_fps": "10Hz",
            "object_class": self.object_class,
            "motion_class": self.motion_class,
            "major_class": self.root_class,
            "root_class": self.root_class,
            "motion_adverb": self.motion_adverb,
            "resolution": f"({self.resolution[0]}, {self.resolution[1]})",
        }
        return ["[METAINFO]", *(f"{key}: {value}" for key, value in values.items())]


def label_files(
    boxes_xywh: Iterable[np.ndarray],
    seen_shares: Sequence[float],
    is_absent: Sequence[bool],
    is_cut: Sequence[bool],
    description: VideoDescription,
) -> dict[str, str]:
    """Return the text of each label file of a video by its name.

    `seen_shares` say how much of the target is inside the frame and not hidden, 0 to 1; `is_cut`
    that an edge of the frame cuts it.
    """
    boxes = [",".join(f"{value:.4f}" for value in box) for box in boxes_xywh]
    return {
        "groundtruth.txt": _text(boxes),
        "absence.label": _text([int(absent) for absent in is_absent]),
        "cover.label": _text([round(float(share) * COVER_LEVELS) for share in seen_shares]),
        "cut_by_image.label": _text([int(cut) for cut in is_cut]),
        "meta_info.ini": _text(description.lines()),
    }


def frame_file(folder: Path, frame_id: int) -> Path:
    """Return the image file of a frame, counted from 0; the files are counted from 1."""
    return folder / f"{frame_id + 1:08d}.jpg"


def list_text(video_names: Iterable[str]) -> str:
    """Return the text of `list.txt`, which names a split's videos."""
    return _text(list(video_names))


def _text(lines: Sequence[object]) -> str:
    return "".join(f"{line}\n" for line in lines)
