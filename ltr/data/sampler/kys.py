"""Uninterrupted stretches of video, through which KYS carries its state from frame to frame."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensordict import TensorDict
from ltr.data.sampler.base import (
    MIN_LENGTH,
    SequenceSampler,
    class_name,
    no_processing,
    reaches,
    sample_visible_ids,
    visible_frames,
)

_DEFAULTS = {
    "mode": "Sequence",
    "num_train_frames": 1,
    "num_test_frames": 1,
    "max_train_gap": 30,
    "allow_missing_target": True,
    "min_fraction_valid_frames": 0.0,
}


class KYSSampler(SequenceSampler):
    """`num_test_frames` consecutive frames, and `num_train_frames` visible ones up to
    `max_train_gap` frames before.

    `sequence_sample_info` holds those three numbers, and `allow_missing_target` (True: the target
    may be hidden in all test frames but the first), `min_fraction_valid_frames` (a stretch that
    runs past the end of the video repeats the last frame; at least this fraction is real), `mode`
    ('Sequence'). `p_datasets` None draws data sets equally often. With `sample_occluded_sequences`
    the target is hidden in some test frame, wherever a sequence has such a stretch.

    A sample is a TensorDict of `train_images`, `train_anno`, `test_images`, `test_anno`, `dataset`,
    `test_class`, and for the test frames (T,) `test_valid_anno`, `test_visible`, `test_valid_image`
    (not repeated), all bool, and `test_visible_ratio` in [0, 1].
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        sequence_sample_info: Mapping[str, Any],
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        sample_occluded_sequences: bool = False,
    ):
        super().__init__(
            datasets,
            [1] * len(datasets) if p_datasets is None else p_datasets,
            samples_per_epoch,
            processing,
        )
        for key in sequence_sample_info:
            if key not in _DEFAULTS:
                raise BadValue(
                    "KYSSampler: sequence_sample_info has no entry "
                    f"'{key}'{suggestion(key, _DEFAULTS)}"
                )
        self.info = {**_DEFAULTS, **sequence_sample_info}
        if self.info["mode"] != "Sequence":
            raise BadValue(
                f"KYSSampler: mode '{self.info['mode']}' is not known; choose 'Sequence'"
            )
        self.sample_occluded_sequences = sample_occluded_sequences

    def _sample(self, dataset) -> TensorDict:
        num_train, num_test = self.info["num_train_frames"], self.info["num_test_frames"]

        def draw(info: dict[str, Any]) -> tuple[list[int], list[int], int] | None:
            if not dataset.is_video_sequence():
                return [1] * num_train, [1] * num_test, num_test
            visible = visible_frames(info)
            return self._draw_ids(visible) if len(visible) >= MIN_LENGTH else None

        need = (
            f"{MIN_LENGTH} frames, visible ones to start from and enough after them for "
            f"{num_test} test frames"
        )
        seq_id, info, (train_ids, test_ids, num_real) = self._search(dataset, draw, need)
        train_frames, train_anno, _ = dataset.get_frames(seq_id, train_ids, info)
        test_frames, test_anno, meta = dataset.get_frames(seq_id, test_ids, info)
        real = torch.arange(num_test) < num_real
        visible = torch.as_tensor([bool(v) for v in test_anno["visible"]]) & real
        valid = torch.as_tensor([bool(v) for v in test_anno["valid"]]) & real
        ratio = torch.as_tensor([float(v) for v in test_anno.get("visible_ratio", visible)])
        return TensorDict(
            train_images=train_frames,
            train_anno=train_anno["bbox"],
            test_images=test_frames,
            test_anno=test_anno["bbox"],
            test_valid_anno=valid,
            test_visible=visible,
            test_valid_image=real,
            test_visible_ratio=ratio,
            dataset=dataset.get_name(),
            test_class=class_name(meta),
        )

    def _draw_ids(self, visible: Tensor) -> tuple[list[int], list[int], int] | None:
        """Ids of the train frames, of the test frames, and the number of test frames that are not
        repeats.
        """
        num_train, num_test = self.info["num_train_frames"], self.info["num_test_frames"]
        length = len(visible)
        starts = [
            start
            for start in visible.nonzero().flatten().tolist()
            if 0
            < start
            <= length - max(1, math.ceil(num_test * self.info["min_fraction_valid_frames"]))
        ]
        if not self.info["allow_missing_target"]:
            starts = [start for start in starts if bool(visible[start : start + num_test].all())]
        if self.sample_occluded_sequences:
            hidden = [
                start for start in starts if not bool(visible[start : start + num_test].all())
            ]
            starts = hidden or starts
        if not starts:
            return None
        for reach in reaches(self.info["max_train_gap"], length):
            start = random.choice(starts)
            train = sample_visible_ids(visible, num_train, start - reach, start)
            if train is not None:
                num_real = min(num_test, length - start)
                return train, [min(start + i, length - 1) for i in range(num_test)], num_real
        return None
