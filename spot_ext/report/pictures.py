"""Frames and crops as small JPEG pictures inside the page, with boxes drawn on them; and the run's
videos, opened to read.

The labels are those the store was made with, so that nothing is chosen or written anew when a
report is made.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ltr.admin.errors import BadInput, BadValue
from ltr.data.crops import CropWindow, cut
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.key_frames import sequence_key
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.data.frames import FrameReader
from spot_ext.training.data.videos import LabelledDataset, VideoPool
from spot_ext.training.pseudo_labels import PseudoLabelStore
from spot_ext.training.recipe import open_dataset

HUMAN, SURE, DOUBTFUL, GUESS = (
    (64, 196, 255),
    (72, 214, 120),
    (255, 106, 61),
    (255, 205, 60),
)  # colours of boxes, RGB
QUALITY = 82


@dataclass(frozen=True, eq=False)
class Box:
    """A box to draw, in pixels of the picture; `dashed` for where one only looks."""

    xywh: Sequence[float] | np.ndarray
    colour: tuple[int, int, int] = HUMAN
    dashed: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture in the page: its data URI, size in pixels, and a line below."""

    uri: str
    width: int
    height: int
    caption: str = ""


def picture(
    image: np.ndarray, boxes: Sequence[Box] = (), caption: str = "", width: int | None = None
) -> Picture:
    """An (H, W, 3) uint8 RGB image with boxes, scaled to `width` px (None: as it is). The lines
    stay thin in any size.
    """
    image = np.ascontiguousarray(image)
    scaled_width = image.shape[1] if width is None else int(width)
    scale = scaled_width / image.shape[1]
    if scale != 1:
        image = cv2.resize(
            image,
            (scaled_width, max(1, round(image.shape[0] * scale))),
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC,
        )
    for box in boxes:
        _draw(image, np.asarray(box.xywh, dtype=np.float64) * scale, box)
    return Picture(
        data_uri(
            cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
                1
            ].tobytes(),
            "image/jpeg",
        ),
        image.shape[1],
        image.shape[0],
        caption,
    )


def data_uri(content: bytes, kind: str) -> str:
    """`content` as a URI that needs no file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def around(
    frame: np.ndarray,
    box_xywh: Sequence[float] | np.ndarray,
    boxes: Sequence[Box],
    caption: str = "",
    width: int = 176,
    context: float = 1.5,
) -> Picture:
    """The square part of a frame around `box_xywh`, `context` box sides to each side, with boxes
    given in frame pixels.
    """
    x, y, w, h = (float(value) for value in box_xywh)
    side = max(24, round(max(w, h) * (1 + 2 * context)))
    side = min(side, max(frame.shape[:2]))
    window = CropWindow(x + w / 2, y + h / 2, side, width)
    return picture(
        cut(frame, window),
        [Box(window.to_crop(np.asarray(box.xywh)), box.colour, box.dashed) for box in boxes],
        caption,
    )


def _draw(image: np.ndarray, box_xywh: np.ndarray, box: Box) -> None:
    if not np.isfinite(box_xywh).all():
        return
    low, high = box_xywh[:2].round().astype(int), (box_xywh[:2] + box_xywh[2:]).round().astype(int)
    thickness = max(1, round(min(image.shape[:2]) / 110))
    if not box.dashed:
        cv2.rectangle(
            image, low.tolist(), high.tolist(), (0, 0, 0), thickness + 2
        )  # a dark rim: seen on any background
        cv2.rectangle(image, low.tolist(), high.tolist(), box.colour, thickness)
        return
    corners = [low, (high[0], low[1]), high, (low[0], high[1]), low]
    for start, end in itertools.pairwise(corners):
        start, end = np.asarray(start, float), np.asarray(end, float)
        pieces = max(1, int(np.abs(end - start).max() // 8))
        for piece in range(0, pieces, 2):
            one, other = (start + (end - start) * (piece + k) / pieces for k in (0, 1))
            cv2.line(
                image, one.astype(int).tolist(), other.astype(int).tolist(), box.colour, thickness
            )


@dataclass(frozen=True, eq=False)
class Videos:
    """The videos of a run, by path of its store."""

    pool: VideoPool
    frames: FrameReader


def open_videos(config: SparseConfig, store: PseudoLabelStore, root: Path | None = None) -> Videos:
    """The data sets of `config` with the labels in `store`; `root` is where the first of them is
    now.

    Raises BadInput when a data set is not there any more, or has other videos than the store.
    """
    parts = list(config.datasets)
    if root is not None and parts:
        parts[0] = DatasetConfig(
            parts[0].name, {**parts[0].options, "root": str(root)}, parts[0].stages
        )
    try:
        opened = [open_dataset(part) for part in parts]
        given = [
            None if part.labels is None else label_file.read(part.labels, _keys(dataset))
            for part, dataset in zip(parts, opened, strict=True)
        ]
        known = _labels_of(store, opened, given)
        pool = VideoPool(
            [
                LabelledDataset(dataset, labels, part.stages)
                for part, dataset, labels in zip(parts, opened, known, strict=True)
            ],
            store.folder,
        )
    except OSError as error:
        raise BadInput(str(error)) from error
    same = pool.num_paths == len(store) and all(
        sequence_key(*pool.locate(index)) == store.key_of(index)[0]
        for index in {0, len(store) // 2, len(store) - 1}
    )
    if not same:
        raise BadValue(
            f"the data set holds other videos than the run was trained on ({pool.num_paths} "
            "object paths of "
            f"{len(store)} are there)"
        )
    return Videos(pool, FrameReader(pool, cache_mb=128))


def _keys(dataset) -> list[str]:
    return [sequence_key(dataset, seq_id) for seq_id in range(dataset.get_num_sequences())]


def _labels_of(
    store: PseudoLabelStore, datasets: Sequence[Any], given: Sequence[LabelSet | None]
) -> list[LabelSet]:
    """The labels the store was made with, by data set: those of its file, else read off the store,
    which goes through the data sets and their videos in order. Two data sets may have videos of the
    same name.
    """
    found, index = [], 0
    for dataset, labels in zip(datasets, given, strict=True):
        videos = {}
        for key in _keys(dataset):
            if labels is not None:
                index += len(labels.videos[key].tracks) if key in labels.videos else 0
            else:
                start = index
                while index < len(store) and store.key_of(index)[0] == key:
                    index += 1
                if index > start:
                    paths = tuple(
                        labelled_track(tuple(store.track(i).key_ids.tolist()))
                        for i in range(start, index)
                    )
                    videos[key] = VideoLabels(key, paths)
        found.append(labels or LabelSet("store", "", "key_frames", 0, videos=videos))
    return found


def name_of(key: str) -> str:
    """A video's name in a page: the last part of its key."""
    return key.replace("\\", "/").rstrip("/").split("/")[-1]
