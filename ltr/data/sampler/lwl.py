"""Clips with masks for video object segmentation: the sampler of LWL and RTS."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data.sampler.base import (
    GAP_STEP,
    SequenceSampler,
    class_name,
    no_processing,
    sample_visible_ids,
    visible_frames,
)

_MOST_GROWTH = 1000  # frames the gap may grow by before another sequence is drawn


class LWLSampler(SequenceSampler):
    """Train frames followed by test frames of one sequence, in temporal order, with masks.

    With probability `p_reverse` time runs backwards: test frames come before the train frames in
    the video, and ids descend. Train and test frames lie up to `max_gap` frames from the first
    train frame drawn; the gap grows in steps of 5, and after 1000 frames another sequence is drawn.
    Sequences may be short, unlike `TrackingSampler`'s.

    A sample is a TensorDict of `train_images`, `train_masks`, `train_anno`, `test_images`,
    `test_masks`, `test_anno`, `dataset`, `test_class`.
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        max_gap: int,
        num_test_frames: int,
        num_train_frames: int = 1,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        p_reverse: float | None = None,
    ):
        super().__init__(datasets, p_datasets, samples_per_epoch, processing)
        self.max_gap = max_gap
        self.num_test_frames = num_test_frames
        self.num_train_frames = num_train_frames
        self.p_reverse = p_reverse

    def _sample(self, dataset) -> TensorDict:
        least = 2 * (self.num_test_frames + self.num_train_frames)

        def draw(info: dict[str, Any]) -> tuple[list[int], list[int]] | None:
            if not dataset.is_video_sequence():
                return [1] * self.num_train_frames, [1] * self.num_test_frames
            visible = visible_frames(info)
            return self._draw_ids(visible) if int(visible.sum()) > least else None

        seq_id, info, (train_ids, test_ids) = self._search(
            dataset, draw, f"more than {least} visible frames"
        )
        frames, anno, meta = dataset.get_frames(seq_id, train_ids + test_ids, info)
        if "mask" not in anno:
            raise BadValue(
                f"{dataset.get_name()} has no masks, which LWLSampler draws; choose another data "
                "set"
            )
        data = TensorDict()
        for name, part in (("train", slice(len(train_ids))), ("test", slice(len(train_ids), None))):
            data.update(
                {
                    f"{name}_images": frames[part],
                    f"{name}_masks": anno["mask"][part],
                    f"{name}_anno": anno["bbox"][part],
                }
            )
        data.update(dataset=dataset.get_name(), test_class=class_name(meta))
        return data

    def _draw_ids(self, visible: Tensor) -> tuple[list[int], list[int]] | None:
        reverse = self.p_reverse is not None and random.random() < self.p_reverse
        # A clip that runs backwards is the causal draw in the mirror.
        clip = visible.flip(0) if reverse else visible

        def mirrored(ids: list[int]) -> list[int]:
            return [len(clip) - 1 - i for i in ids]

        for reach in range(self.max_gap, self.max_gap + _MOST_GROWTH + 1, GAP_STEP):
            base = sample_visible_ids(
                clip, 1, self.num_train_frames - 1, len(clip) - self.num_test_frames
            )
            if base is None:
                return None
            more = sample_visible_ids(clip, self.num_train_frames - 1, base[0] - reach, base[0])
            test = sample_visible_ids(clip, self.num_test_frames, base[0] + 1, base[0] + reach)
            if more is not None and test is not None:
                train, test = sorted(base + more), sorted(test)
                return (mirrored(train), mirrored(test)) if reverse else (train, test)
        return None
