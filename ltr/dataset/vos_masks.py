"""LaSOT and GOT-10k with masks that somebody made for them, as
`<anno_path>/<sequence>/%08d.png`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltr.admin.environment import env_settings, local_file
from ltr.admin.errors import MissingFile, NotConfigured
from ltr.data.image_loader import imread_indexed
from ltr.dataset.annotations import count_rows
from ltr.dataset.file_video_dataset import FileVideoDataset
from ltr.dataset.got10k import Got10k
from ltr.dataset.lasot import Lasot
from ltr.dataset.registry import training_set

_STEP, _LAST = 5, 1000
_NOT_USED = "GOT-10k_Train_004419"


def _mask_root(name: str, anno_path: str | Path | None) -> Path:
    """`anno_path`, or the folder `pregenerated_masks` of local.py or its sub-folder for the data
    set.
    """
    folder = anno_path or getattr(env_settings(), "pregenerated_masks", None)
    if not folder:
        raise NotConfigured(
            f"{name} masks: give anno_path or set pregenerated_masks in {local_file()} to the "
            "folder of them"
        )
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise MissingFile(
            f"{name} masks: the folder '{folder}' does not exist; correct anno_path or "
            "pregenerated_masks"
        )
    below = folder / name
    return below if anno_path is None and below.is_dir() else folder


class _WithMasks(FileVideoDataset):
    """`get_frames` with `mask` (H, W) uint8, 0 and 1, beside the other annotation."""

    _masks: Path

    def has_segmentation_info(self) -> bool:
        return True

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        frames, picked, meta = super().get_frames(seq_id, frame_ids, anno)
        stems = [self.frame_path(seq_id, frame_id).stem for frame_id in frame_ids]
        files = [self._masks / self.sequence_list[seq_id] / f"{stem}.png" for stem in stems]
        picked["mask"] = [
            torch.from_numpy((imread_indexed(file) > 0).astype(np.uint8)) for file in files
        ]
        return frames, picked, meta


@training_set(split="train")
class LasotVOS(_WithMasks, Lasot):
    """LaSOT with masks: every 5th of a sequence's first 1000 frames, which frame ids count."""

    def __init__(self, anno_path: str | Path | None = None, split: str = "train"):
        super().__init__(split=split)
        self._masks = _mask_root("lasot", anno_path)

    def frame_path(self, seq_id: int, frame_id: int) -> Path:
        return super().frame_path(seq_id, frame_id * _STEP)

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        return self._frames.read(
            self.frame_path(seq_id, int(frame_id)), int(frame_id) * _STEP, self.image_loader
        )

    def get_sequence_length(self, seq_id: int) -> int:
        return len(range(0, min(count_rows(self.boxes_path(seq_id)), _LAST), _STEP))

    def _boxes_at(self, seq_id: int, frame_ids: list[int]) -> np.ndarray:
        return super()._boxes_at(seq_id, [frame_id * _STEP for frame_id in frame_ids])

    def _parse(self, seq_id: int) -> dict[str, np.ndarray]:
        return {key: value[:_LAST:_STEP] for key, value in super()._parse(seq_id).items()}


@training_set()
class Got10kVOS(_WithMasks, Got10k):
    """GOT-10k with masks, without one sequence whose masks are of another target."""

    def __init__(self, anno_path: str | Path | None = None, split: str = "train"):
        super().__init__(split=split)
        self._masks = _mask_root("got10k", anno_path)
        self.sequence_list = [name for name in self.sequence_list if name != _NOT_USED]
