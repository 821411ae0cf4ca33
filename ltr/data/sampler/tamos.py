"""Several targets at once: the sampler of TaMOs, from single- and multi-object data sets."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data.sampler.base import no_processing
from ltr.data.sampler.tracking import TrackingSampler

SINGLE_OBJECT_ID = "1"  # key of the box where a data set has one target


class TaMOsDatasetSampler(TrackingSampler):
    """`TrackingSampler` whose annotations are dicts of boxes by object id, one a frame.

    `max_gap` is one number, or a dict with one for `sot` and one for `mot` data sets. Frames of a
    multi-object sequence are drawn from a random stretch of `buffer_size` frames, in which most
    targets stay the same, whatever their distance; `use_gap` draws them by `max_gap` as those of
    single-object sequences.
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        max_gap: int | Mapping[str, int],
        num_test_frames: int,
        num_train_frames: int = 1,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        frame_sample_mode: str = "causal",
        buffer_size: int = 160,
        use_gap: bool = False,
    ):
        super().__init__(
            datasets,
            p_datasets,
            samples_per_epoch,
            max_gap,
            num_test_frames,
            num_train_frames,
            processing,
            frame_sample_mode,
        )
        if isinstance(max_gap, Mapping) and set(max_gap) != {"sot", "mot"}:
            raise BadValue(
                f"TaMOsDatasetSampler: max_gap has the keys {sorted(max_gap)}; give one number, "
                "or 'sot' and 'mot'"
            )
        self.buffer_size = buffer_size
        self.use_gap = use_gap

    def _sample(self, dataset) -> TensorDict:
        data = super()._sample(dataset)
        for name in ("train_anno", "test_anno"):
            data[name] = [_by_id(boxes) for boxes in data[name]]
        return data

    def _draw_ids(self, dataset, visible: Tensor) -> tuple[list[int], list[int]] | None:
        mot = dataset.is_mot_dataset()
        gap = (
            self.max_gap["mot" if mot else "sot"]
            if isinstance(self.max_gap, Mapping)
            else self.max_gap
        )
        draw = getattr(self, f"_draw_{self.frame_sample_mode}")
        if not mot or self.use_gap:
            return draw(visible, gap)
        start = random.randint(0, max(0, len(visible) - self.buffer_size))
        stretch = visible[start : start + self.buffer_size]
        if not bool(stretch.any()):
            return None
        drawn = draw(stretch, len(stretch))
        if drawn is None:
            return None
        train, test = drawn
        return [start + i for i in train], [start + i for i in test]


def _by_id(boxes: Any) -> dict:
    return dict(boxes) if isinstance(boxes, Mapping) else {SINGLE_OBJECT_ID: torch.as_tensor(boxes)}
