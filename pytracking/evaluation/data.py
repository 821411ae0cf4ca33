"""Sequences: the frames of one video with the boxes and masks a tracker starts from and is judged
by.
"""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue, MissingFile, suggestion
from ltr.data.image_loader import imread_indexed
from pytracking.evaluation.environment import (
    env_settings,
    local_file,
    required_folder,
    settings_at,
)


class UnknownSequence(BadInput, IndexError):
    """A sequence name or number that a data set does not have."""


class BaseDataset:
    """Base of evaluation data sets: a subclass gives `__len__` and `get_sequence_list`.

    `root` is the data set's folder; without it local.py says where it is.
    """

    def __init__(self, root: str | os.PathLike | None = None):
        self.root = root
        if root is None:
            self.env_settings = env_settings()
        else:
            self.env_settings = settings_at(root)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} defines no __len__")

    def get_sequence_list(self) -> SequenceList:
        raise NotImplementedError(f"{type(self).__name__} defines no get_sequence_list")

    def folder(self, attribute: str, name: str) -> str:
        """Return `root`, or the folder that local.py gives for this data set.

        One sentence about `name` is raised where the folder is missing. Folders of masks come from
        local.py in any case.
        """
        if self.root is not None and not os.path.isdir(self.root):
            raise MissingFile(f"{name}: there is no folder '{self.root}'")
        return required_folder(self.env_settings, attribute, name)

    def remedy(self, attribute: str, content: str) -> str:
        """Return what to do where the folder does not hold `content`: the end of an error."""
        if self.root is not None:
            return f"give the folder that holds {content}"
        return f"point {attribute} in {local_file()} at the folder that holds {content}"


class Sequence:
    """A video.

    Args:
        frames: paths of the images.
        dataset: short tag (`otb`, `lasot`, …) by which the analysis picks the data set's rules.
        ground_truth_rect: boxes_xywh `(N, 4)` float64; with several objects a dict object id ->
            `(N, 4)`.
        ground_truth_seg: paths (or arrays) of label images per frame, entries may be None.
        init_data: `{frame: {'bbox': …, 'mask': …, 'object_ids': […]}}`, what a tracker is told and
            when; by default the first row of the ground truth on frame 0. When the first entry is
            at frame s > 0 all before s is dropped.
        target_visible: `(N,)` bool, or None when not annotated.
        object_ids: ids of the objects as strings; None for plain single-object sequences.
        multiobj_mode: boxes are given as dicts by object id rather than as the one box.

    """

    def __init__(
        self,
        name: str,
        frames: list[str],
        dataset: str,
        ground_truth_rect,
        ground_truth_seg=None,
        init_data: dict[int, dict] | None = None,
        object_class: str | None = None,
        target_visible: np.ndarray | None = None,
        object_ids: list[str] | None = None,
        multiobj_mode: bool = False,
    ):
        self.name = name
        self.frames = frames
        self.dataset = dataset
        self.ground_truth_rect = ground_truth_rect
        self.ground_truth_seg = ground_truth_seg
        self.object_class = object_class
        self.target_visible = target_visible
        self.object_ids = object_ids
        self.multiobj_mode = multiobj_mode
        self.init_data = self._complete(
            init_data if init_data is not None else self._first_frame_init()
        )
        self._start_at_first_init()

    def _first_frame_init(self) -> dict[int, dict]:
        init: dict[str, Any] = {}
        if self.object_ids is not None:
            init["object_ids"] = self.object_ids
        boxes = self.ground_truth_rect
        if isinstance(boxes, dict):
            init["bbox"] = OrderedDict((key, rows[0]) for key, rows in boxes.items())
        elif boxes is not None and len(boxes):
            init["bbox"] = boxes[0]
        if self.ground_truth_seg is not None:
            init["mask"] = self.ground_truth_seg[0]
        return {0: init}

    def _complete(self, init_data: dict[int, dict]) -> dict[int, dict]:
        """Boxes as plain lists: one, or with `multiobj_mode` one per object id."""
        if not self.multiobj_mode and self.object_ids is not None and len(self.object_ids) != 1:
            raise BadValue(
                f"sequence {self.name}: {len(self.object_ids)} objects, but multiobj_mode is off "
                "- set it, "
                "or give one object id"
            )
        completed = {}
        for frame, init in init_data.items():
            init = dict(init)
            box = init.get("bbox")
            if isinstance(box, dict) and not self.multiobj_mode:
                box = box[self.object_ids[0]] if self.object_ids else next(iter(box.values()))
            if isinstance(box, dict):
                init["bbox"] = OrderedDict((key, list(one)) for key, one in box.items())
            elif box is not None:
                init["bbox"] = list(box)
            completed[frame] = init
        return completed

    def _start_at_first_init(self) -> None:
        start = min(self.init_data, default=0)
        if start == 0:
            return
        self.init_data = {frame - start: init for frame, init in self.init_data.items()}
        self.frames = self.frames[start:]
        if isinstance(self.ground_truth_rect, dict):
            self.ground_truth_rect = type(self.ground_truth_rect)(
                (key, rows[start:]) for key, rows in self.ground_truth_rect.items()
            )
        elif self.ground_truth_rect is not None:
            self.ground_truth_rect = self.ground_truth_rect[start:]
        if self.ground_truth_seg is not None:
            self.ground_truth_seg = self.ground_truth_seg[start:]
        if self.target_visible is not None:
            self.target_visible = self.target_visible[start:]

    def init_info(self) -> dict[str, Any]:
        """Return what `tracker.initialize` is told: `{'init_bbox': [x, y, w, h]}`, and mask and
        object ids if any.
        """
        return self.frame_info(0)

    def frame_info(self, frame_num: int) -> dict[str, Any]:
        """Return what a tracker is told on frame `frame_num`: `{}` except where objects start."""
        return self.object_init_data(frame_num)

    def object_init_data(self, frame_num: int | None = None) -> dict[str, Any]:
        """The start data of frame `frame_num` (default 0), its keys prefixed with `init_`; masks
        are read from disk.
        """
        init = self.init_data.get(frame_num or 0)
        if init is None:
            return {}
        info = {f"init_{key}": value for key, value in init.items() if value is not None}
        if "init_mask" in info:
            info["init_mask"] = self._read_mask(info["init_mask"])
        if self.object_ids is not None:
            info["object_ids"] = self.object_ids
            info["sequence_object_ids"] = self.object_ids
        return info

    def _read_mask(self, mask) -> np.ndarray:
        if not isinstance(mask, np.ndarray):
            mask = imread_indexed(mask)
        if self.object_ids is None or self.multiobj_mode:
            return mask
        return (mask == int(self.object_ids[0])).astype(np.uint8)

    def init_bbox(self, frame_num: int = 0):
        """The start box(es) of frame `frame_num`, or None."""
        return self.object_init_data(frame_num).get("init_bbox")

    def init_mask(self, frame_num: int = 0) -> np.ndarray | None:
        """The start mask of frame `frame_num`, or None."""
        return self.object_init_data(frame_num).get("init_mask")

    def get_bbox(self, frame_num: int, object_id: str | None = None):
        """Ground-truth box(es) of frame `frame_num`; with several objects of `object_id`, or a dict
        of all.
        """
        boxes = self.ground_truth_rect
        if not isinstance(boxes, dict):
            return boxes[frame_num]
        if object_id is not None:
            return boxes[object_id][frame_num]
        return {key: rows[frame_num] for key, rows in boxes.items()}

    def target_class(self, frame_num: int | None = None) -> str | None:
        """The target's class name, or None."""
        return self.object_class

    def get(self, name: str, frame_num: int | None = None):
        """`self.<name>(frame_num)`."""
        return getattr(self, name)(frame_num)

    def get_info(self, keys: Iterable[str], frame_num: int | None = None) -> dict[str, Any]:
        """`get` of every key, without those that are None."""
        values = {key: self.get(key, frame_num=frame_num) for key in keys}
        return {key: value for key, value in values.items() if value is not None}

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}, length={len(self.frames)} frames"


class LazySequence(Sequence):
    """A sequence whose files are read when one of its attributes is first used, so that big data
    sets open at once.

    `load` returns the complete Sequence; `name`, `dataset` and `object_ids` must be known
    beforehand.
    """

    def __init__(
        self,
        name: str,
        dataset: str,
        load: Callable[[], Sequence],
        object_ids: list[str] | None = None,
    ):
        self.name = name
        self.dataset = dataset
        self.object_ids = object_ids
        self._load = load

    def __getattr__(self, attribute: str):
        load = self.__dict__.get("_load")
        if load is None or attribute.startswith("__"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{attribute}'")
        self.__dict__.update(
            {**vars(load()), **self.__dict__, "_load": None}
        )  # what somebody set already stays
        return getattr(self, attribute)

    def __repr__(self) -> str:
        return f"Sequence {self.name}, length={len(self.frames)} frames"


class SequenceList(list):
    """A list of sequences that is also indexed by name, by a list of numbers, and by slice."""

    def __getitem__(self, item):
        if isinstance(item, str):
            for sequence in self:
                if sequence.name == item:
                    return sequence
            raise UnknownSequence(
                f"Sequence name not in the dataset. There is no '{item}' among its {len(self)} "
                f"sequences{suggestion(item, (s.name for s in self))}"
            )
        if isinstance(item, (list, tuple, np.ndarray)):
            return SequenceList(self[i] for i in item)
        if isinstance(item, slice):
            return SequenceList(super().__getitem__(item))
        try:
            return super().__getitem__(item)
        except IndexError:
            raise UnknownSequence(
                f"Sequence number {item} not in the dataset: it has {len(self)} sequences, counted "
                "from 0"
            ) from None

    def __add__(self, other: list) -> SequenceList:
        return SequenceList(super().__add__(other))

    def copy(self) -> SequenceList:
        return SequenceList(self)


def lazy_list(
    names: Iterable[str], dataset: str, construct: Callable[[str], Sequence]
) -> SequenceList:
    """The sequences `names`, each built by `construct(name)` when it is first looked into."""
    return SequenceList(
        LazySequence(name, dataset, functools.partial(construct, name)) for name in names
    )
