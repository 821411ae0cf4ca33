"""Data sets of video object segmentation: a folder of images and a folder of label images for each
sequence.

Which objects a sequence has, and where, takes decoding every mask; it is done once and kept in the
index of `ltr.dataset.sequence_index`, in the workspace.
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadValue, MissingFile, suggestion
from ltr.data.image_loader import imread_indexed
from ltr.dataset.base_video_dataset import BaseVideoDataset, object_meta
from ltr.dataset.masks import label_boxes, labels_in
from ltr.dataset.sequence_index import SequenceIndex, index_file
from ltr.frames.names import images_in

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VOSSequence:
    """A sequence as evaluation needs it. The fields are the arguments of pytracking's `Sequence`,
    which this package does not import: `pytracking.evaluation.vosdataset` makes one of the other.
    """

    name: str
    frames: list[str]
    dataset: str
    ground_truth_rect: dict[
        str, np.ndarray
    ]  # by object, (N, 4) xywh, zeros where the object is not annotated
    ground_truth_seg: list[str | None]  # label images
    init_data: dict[int, dict]
    object_ids: list[str]
    multiobj_mode: bool


@dataclass(frozen=True)
class _Video:
    """The index's record of a video: F frames, O objects."""

    frame_names: list[str]
    shape: tuple[int, int]  # height, width
    object_ids: list[str]
    sizes: np.ndarray  # (F, O) int32 pixels
    boxes: np.ndarray  # (F, O, 4) float32 xywh
    annotated: np.ndarray  # (F,) bool: has a label image


class VOSDataset(BaseVideoDataset):
    """Base of these data sets: sequences with label images, of all objects together or of one at a
    time.

    With `multiobj` a sequence of the data set is a video: masks are label images, boxes dicts by
    object id, `visible` (F, O). Without, it is one object of a video, named `<video>_<id>`: masks
    are 0 and 1, a box is a tensor, `visible` (F,). An object counts as visible where its mask has
    more than `vis_threshold` pixels.

    A subclass gives `videos`, the folders of images and masks, and may override `object_starts`.
    """

    def __init__(
        self,
        name: str,
        tag: str,
        root: Path,
        videos: Sequence[str],
        images: Path,
        masks: Path,
        sequences: Sequence[str] | None,
        multiobj: bool,
        vis_threshold: int,
        image_loader: Callable,
    ):
        super().__init__(name, root, image_loader)
        self.tag, self.multiobj, self.vis_threshold = tag, multiobj, vis_threshold
        self._images, self._masks = images, masks
        self._index: SequenceIndex | None = None
        for wanted in sequences or ():
            if wanted not in videos:
                raise BadValue(
                    f"{name}: there is no sequence '{wanted}'{suggestion(wanted, videos)}; "
                    "correct `sequences`"
                )
        self.videos = list(videos if sequences is None else sequences)
        self._targets: list[tuple[int, int | None]] = []  # video, and which of its objects
        self._list_sequences()

    def _list_sequences(self) -> None:
        if self.multiobj:
            self.sequence_list = list(self.videos)
            self._targets = [(i, None) for i in range(len(self.videos))]
            return
        objects = [
            (i, k, name)
            for i in range(len(self.videos))
            for k, name in enumerate(self._video(i).object_ids)
        ]
        self.sequence_list = [f"{self.videos[i]}_{name}" for i, _, name in objects]
        self._targets = [(i, k) for i, k, _ in objects]

    def get_name(self) -> str:
        return self.name

    def is_mot_dataset(self) -> bool:
        return self.multiobj

    def has_segmentation_info(self) -> bool:
        return True

    def has_occlusion_info(self) -> bool:
        return True

    def object_starts(self, video: str) -> dict[str, str]:
        """Names of the frames on which objects start, by object id, where the data set says so."""
        return {}

    def prepare(self) -> None:
        """Make or open the index. The first time decodes every mask."""
        self._opened()

    def _opened(self) -> SequenceIndex:
        if self._index is None:
            files = [(self._masks / video, self._images / video) for video in self.videos]
            self._index = SequenceIndex.open(
                index_file(self.tag, self._images.parent),
                self.videos,
                files,
                self._read_video,
                self.name,
            )
        return self._index

    def get_sequence_info(self, seq_id: int) -> dict[str, Any]:
        """`sequence`, `frame_shape`, `frame_names`, `object_ids`, `object_sizes` (F, O), `bbox`,
        `visible`, `valid`.
        """
        video_id, object_number = self._targets[seq_id]
        video = self._video(video_id)
        chosen = range(len(video.object_ids)) if object_number is None else [object_number]
        sizes = torch.from_numpy(video.sizes[:, chosen].copy())
        boxes: Any = {
            video.object_ids[k]: torch.from_numpy(video.boxes[:, k].copy()) for k in chosen
        }
        visible = (sizes > self.vis_threshold).to(torch.uint8)
        if object_number is not None:
            boxes, visible = boxes[video.object_ids[object_number]], visible[:, 0]
        return {
            "sequence": self.videos[video_id],
            "frame_shape": video.shape,
            "frame_names": video.frame_names,
            "object_ids": [video.object_ids[k] for k in chosen],
            "object_sizes": sizes,
            "bbox": boxes,
            "visible": visible,
            "valid": visible.clone(),
        }

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        """Frames, and `bbox`, `mask` (H, W) uint8, `object_sizes`, `visible`, `valid` of each."""
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        frames = [self.get_frame(seq_id, frame_id) for frame_id in frame_ids]
        boxes = anno["bbox"]
        picked: dict[str, list] = {
            "bbox": [
                {key: rows[f].clone() for key, rows in boxes.items()}
                if isinstance(boxes, dict)
                else boxes[f].clone()
                for f in frame_ids
            ],
            "mask": [self._mask(seq_id, f) for f in frame_ids],
            **{
                key: [anno[key][f].clone() for f in frame_ids]
                for key in ("object_sizes", "visible", "valid")
            },
        }
        return frames, picked, object_meta()

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        video_id, _ = self._targets[seq_id]
        return self.image_loader(self._frame_paths(video_id)[frame_id])

    def get_sequence_length(self, seq_id: int) -> int:
        return len(self._video(self._targets[seq_id][0]).frame_names)

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        if self.multiobj:
            raise BadValue(
                f"{self.name}: boxes are of several objects a sequence; open the data set with "
                "multiobj=False"
            )
        video_id, object_number = self._targets[seq_id]
        return self._video(video_id).boxes[list(frame_ids), object_number].reshape(-1, 4)

    def get_sequence_list(self) -> list[VOSSequence]:
        """The sequences for evaluation: frames, masks, and each object's start. Videos without an
        object are left out.
        """
        return [
            self._evaluation_sequence(seq_id)
            for seq_id, (video_id, _) in enumerate(self._targets)
            if self._video(video_id).object_ids
        ]

    def _evaluation_sequence(self, seq_id: int) -> VOSSequence:
        video_id, object_number = self._targets[seq_id]
        video = self._video(video_id)
        chosen = range(len(video.object_ids)) if object_number is None else [object_number]
        masks = [
            str(self._mask_path(video_id, name)) if there else None
            for name, there in zip(video.frame_names, video.annotated, strict=True)
        ]
        boxes = {video.object_ids[k]: video.boxes[:, k].astype(np.float64) for k in chosen}
        return VOSSequence(
            self.sequence_list[seq_id],
            self._frame_paths(video_id),
            self.tag,
            boxes,
            masks,
            self._init_data(video_id, video, chosen, masks),
            list(boxes),
            self.multiobj,
        )

    def _init_data(
        self, video_id: int, video: _Video, chosen: Iterable[int], masks: list[str | None]
    ) -> dict[int, dict]:
        """Objects, boxes and mask of every frame on which an object starts."""
        told = self.object_starts(self.videos[video_id])
        init: dict[int, dict] = {}
        for k in chosen:
            name, seen = video.object_ids[k], np.flatnonzero(video.sizes[:, k])
            start = (
                video.frame_names.index(told[name])
                if told.get(name) in video.frame_names
                else int(seen[0])
            )
            if not video.sizes[start, k]:
                log.warning(
                    "%s: object %s of %s has no mask on frame %s, where it is said to start; it "
                    "starts on %s",
                    self.name,
                    name,
                    self.videos[video_id],
                    video.frame_names[start],
                    video.frame_names[seen[0]],
                )
                start = int(seen[0])
            entry = init.setdefault(
                start, {"object_ids": [], "bbox": OrderedDict(), "mask": masks[start]}
            )
            entry["object_ids"].append(name)
            entry["bbox"][name] = [float(value) for value in video.boxes[start, k]]
        return dict(sorted(init.items()))

    def _video(self, video_id: int) -> _Video:
        record = self._opened()[video_id]
        if record is None:
            record = self._read_video(video_id)  # which says what is wrong
        names = record["frames"].tobytes().decode().split("\n")
        ids = [str(label) for label in record["ids"].tolist()]
        size = len(names), len(ids)
        return _Video(
            names,
            tuple(record["shape"].tolist()),
            ids,
            record["sizes"].reshape(size),
            record["boxes"].reshape(*size, 4),
            record["annotated"].astype(bool),
        )

    def _read_video(self, video_id: int) -> dict[str, np.ndarray]:
        """Look at every mask of a video."""
        folder = self._images / self.videos[video_id]
        images = images_in(folder) if folder.is_dir() else []
        if not images:
            raise MissingFile(
                f"{self.name}: there are no images in {folder}; get the rest of the data set"
            )
        names = [image.stem for image in images]
        masks = self._masks / self.videos[video_id]
        there = set(os.listdir(masks)) if masks.is_dir() else ()
        labels = {
            f: imread_indexed(self._mask_path(video_id, name))
            for f, name in enumerate(names)
            if f"{name}.png" in there
        }
        ids = sorted({label for image in labels.values() for label in labels_in(image)})
        sizes, boxes = (
            np.zeros((len(names), len(ids)), np.int32),
            np.zeros((len(names), len(ids), 4), np.float32),
        )
        for f, image in labels.items():
            boxes[f], sizes[f] = label_boxes(image, ids)
        shape = (
            next(iter(labels.values())).shape
            if labels
            else self.image_loader(str(images[0])).shape[:2]
        )
        return {
            "frames": np.frombuffer("\n".join(names).encode(), np.uint8),
            "shape": np.array(shape, np.int32),
            "ids": np.array(ids, np.int32),
            "sizes": sizes.reshape(-1),
            "boxes": boxes.reshape(-1, 4),
            "annotated": np.isin(np.arange(len(names)), list(labels)).astype(np.uint8),
        }

    def _frame_paths(self, video_id: int) -> list[str]:
        if self._paths[0] != video_id:  # frames of a sample come from one video
            self._paths = (
                video_id,
                [str(path) for path in images_in(self._images / self.videos[video_id])],
            )
        return self._paths[1]

    _paths: tuple[int, list[str]] = (-1, [])

    def _mask_path(self, video_id: int, frame_name: str) -> Path:
        return self._masks / self.videos[video_id] / f"{frame_name}.png"

    def _mask(self, seq_id: int, frame_id: int) -> torch.Tensor:
        video_id, object_number = self._targets[seq_id]
        video = self._video(video_id)
        if not video.annotated[frame_id]:
            return torch.zeros(video.shape, dtype=torch.uint8)
        labels = imread_indexed(self._mask_path(video_id, video.frame_names[frame_id]))
        if object_number is not None:
            labels = (labels == int(video.object_ids[object_number])).astype(np.uint8)
        return torch.from_numpy(labels)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_index": None}
