"""Videos that are rendered when they are asked for, as a training data set."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from ltr.admin.errors import BadValue
from ltr.data.seeding import generator
from ltr.dataset.base_video_dataset import BaseVideoDataset, object_meta
from ltr.dataset.registry import training_set
from spot_ext.rendering.photographed.image_bank import open_bank
from spot_ext.rendering.photographed.plan import VERSION, Plan, Truth
from spot_ext.rendering.photographed.render import Video

PLANS_KEPT, VIDEOS_KEPT = 64, 8  # in each process; a kept video is about 5 MB


@training_set()
class RenderedVideos(BaseVideoDataset):
    """`count` videos of `frames` frames (fewest, most) of `seed`, beginning with number `first`.

    A video depends on the bank of pictures, the seed and its number, not on `count`. `sources`
    names the bank's picture sources (`pictures.SOURCES`); `bank` is a file to read it from instead.
    The first use collects the pictures (a minute) into `scenes/` of the workspace.
    """

    def __init__(
        self,
        count: int,
        frames: int | Sequence[int] = (60, 120),
        seed: int = 0,
        sources: Sequence[str] = ("wheels", "drawn"),
        bank: str | None = None,
        first: int = 0,
    ):
        super().__init__("scenes", None)
        low, high = (frames, frames) if isinstance(frames, int) else frames
        if count < 1 or first < 0 or not 2 <= low <= high:
            raise BadValue(
                f"RenderedVideos: count {count}, first {first}, frames {frames}: give at least "
                "one video, a first "
                "number of 0 or more, and 2 frames or more with the smaller number first"
            )
        self.seed, self.first, self.frames = int(seed), int(first), (int(low), int(high))
        self._bank_of = (tuple(sources) if not isinstance(sources, str) else (sources,), bank)
        fingerprint = open_bank(*self._bank_of).fingerprint
        # names the label file: other videos, another file
        self.split = f"{fingerprint}-plan{VERSION}-seed{seed}-{first}-{first + count - 1}"
        self.sequence_list = [
            f"scene_{fingerprint}_{self.seed}_{number:06d}"
            for number in range(first, first + count)
        ]
        self._make_caches()

    def get_name(self) -> str:
        return self.name

    def has_occlusion_info(self) -> bool:
        return True

    def get_sequence_length(self, seq_id: int) -> int:
        low, high = self.frames
        return int(
            generator(self.seed, "scene length", self._number(seq_id)).integers(low, high + 1)
        )

    def get_sequence_info(self, seq_id: int) -> dict[str, Any]:
        """`bbox`, `valid`, `visible` as everywhere, and `visible_ratio`: the share of the target
        that is seen.
        """
        truth = self.truth(seq_id)
        boxes = torch.from_numpy(truth.boxes_xywh.copy())
        return {
            "bbox": boxes,
            "valid": (boxes[:, 2:] > 0).all(1),
            "visible": torch.from_numpy(truth.visible.astype(np.uint8)),
            "visible_ratio": torch.from_numpy(truth.seen.astype(np.float32)),
        }

    def get_boxes(self, seq_id: int, frame_ids: Iterable[int]) -> np.ndarray:
        return self.truth(seq_id).boxes_xywh[list(frame_ids)].reshape(-1, 4)

    def get_visible(self, seq_id: int) -> np.ndarray:
        return self.truth(seq_id).visible.copy()

    def get_frame(self, seq_id: int, frame_id: int) -> np.ndarray:
        if not 0 <= frame_id < self.get_sequence_length(seq_id):
            raise BadValue(
                f"RenderedVideos: {self.sequence_list[seq_id]} has "
                f"{self.get_sequence_length(seq_id)} frames, "
                f"frame {frame_id} was asked"
            )
        return self._video(seq_id).frame(int(frame_id))

    def get_frames(
        self, seq_id: int, frame_ids: Sequence[int], anno: dict[str, Any] | None = None
    ) -> tuple[list[np.ndarray], dict[str, list], OrderedDict]:
        frames = [self.get_frame(seq_id, frame_id) for frame_id in frame_ids]
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        return (
            frames,
            {key: [value[i].clone() for i in frame_ids] for key, value in anno.items()},
            object_meta(),
        )

    def truth(self, seq_id: int) -> Truth:
        """Everything that is known about a video's frames."""
        return self._plan(seq_id).truth

    def masks(self, seq_id: int, frame_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Coverage (H, W) uint8 of the whole target and of what is seen of it."""
        return self._video(seq_id).masks(frame_id)

    def _number(self, seq_id: int) -> int:
        if not 0 <= seq_id < len(self.sequence_list):
            raise IndexError(f"RenderedVideos: sequence {seq_id} of {len(self.sequence_list)}")
        return self.first + int(seq_id)

    def _make_plan(self, seq_id: int) -> Plan:
        return Plan(
            open_bank(*self._bank_of),
            self.seed,
            self._number(seq_id),
            self.get_sequence_length(seq_id),
        )

    def _make_caches(self) -> None:
        self._plan = functools.lru_cache(PLANS_KEPT)(self._make_plan)
        self._video = functools.lru_cache(VIDEOS_KEPT)(lambda seq_id: Video(self._plan(seq_id)))

    def __getstate__(self) -> dict:
        return {
            key: value for key, value in self.__dict__.items() if key not in ("_plan", "_video")
        }

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._make_caches()
