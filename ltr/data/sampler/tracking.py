"""A few reference frames and a few frames to find the target in: the samplers of DiMP, ATOM and
TransT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

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


class TrackingSampler(SequenceSampler):
    """`samples_per_epoch` random samples, each a few reference frames and a few later ones of one
    sequence.

    Datasets are drawn with probabilities `p_datasets` (None: by their number of sequences),
    sequences uniformly among those of at least 20 frames with more than twice as many visible
    frames as are drawn; image data sets give the same image for every frame. All frames drawn show
    the target.

    `frame_sample_mode` 'causal' draws test frames up to `max_gap` frames after a train frame,
    'interval' on both sides of it. The gap grows in steps of 5 where it holds no visible frame.

    A sample is a TensorDict of `train_images`, `train_anno` (boxes xywh), `test_images`,
    `test_anno`, `dataset`, `test_class`, passed through `processing`. With TransT's arguments
    `num_search_frames` and `num_template_frames` in place of the test and train ones it is
    `template_images`, `template_anno`, `search_images`, `search_anno`, and the mode is 'interval'
    unless given.
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        max_gap: Any,
        num_test_frames: int | None = None,
        num_train_frames: int | None = None,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        frame_sample_mode: str | None = None,
        *,
        num_search_frames: int | None = None,
        num_template_frames: int | None = None,
    ):
        super().__init__(datasets, p_datasets, samples_per_epoch, processing)
        self.siamese = num_search_frames is not None or num_template_frames is not None
        if self.siamese and (num_test_frames is not None or num_train_frames is not None):
            raise BadValue(
                "TrackingSampler: give either num_search_frames and num_template_frames or "
                "num_test_frames "
                "and num_train_frames"
            )
        if not self.siamese and num_test_frames is None:
            raise TypeError(
                "TrackingSampler needs num_test_frames, or num_search_frames for a Siamese tracker"
            )
        self.num_test_frames = _first(num_search_frames, num_test_frames, 1)
        self.num_train_frames = _first(num_template_frames, num_train_frames, 1)
        mode = frame_sample_mode or ("interval" if self.siamese else "causal")
        if mode not in ("causal", "interval"):
            raise BadValue(
                f"frame_sample_mode '{mode}' is not known"
                f"{suggestion(mode, ('causal', 'interval'))}; choose 'causal' or 'interval'"
            )
        self.frame_sample_mode = mode
        self.max_gap = max_gap

    def _sample(self, dataset) -> TensorDict:
        seq_id, info, train_ids, test_ids = self._draw_frames(dataset)
        train_frames, train_anno, _ = dataset.get_frames(seq_id, train_ids, info)
        test_frames, test_anno, meta = dataset.get_frames(seq_id, test_ids, info)
        if self.siamese:
            return TensorDict(
                template_images=train_frames,
                template_anno=train_anno["bbox"],
                search_images=test_frames,
                search_anno=test_anno["bbox"],
            )
        return TensorDict(
            train_images=train_frames,
            train_anno=train_anno["bbox"],
            test_images=test_frames,
            test_anno=test_anno["bbox"],
            dataset=dataset.get_name(),
            test_class=class_name(meta),
        )

    def _draw_frames(self, dataset) -> tuple[int, dict, list[int], list[int]]:
        """Sequence id, its annotation, ids of train and of test frames."""
        least = 2 * (self.num_test_frames + self.num_train_frames)

        def draw(info: dict[str, Any]) -> tuple[list[int], list[int]] | None:
            if not dataset.is_video_sequence():
                return [1] * self.num_train_frames, [1] * self.num_test_frames
            visible = visible_frames(info)
            if int(visible.sum()) <= least or len(visible) < MIN_LENGTH:
                return None
            return self._draw_ids(dataset, visible)

        seq_id, info, drawn = self._search(
            dataset, draw, f"{MIN_LENGTH} frames and more than {least} visible ones"
        )
        return seq_id, info, *drawn

    def _draw_ids(self, dataset, visible: Tensor) -> tuple[list[int], list[int]] | None:
        """Ids of train and test frames, None where the sequence has none that suit."""
        return getattr(self, f"_draw_{self.frame_sample_mode}")(visible, self.max_gap)

    def _draw_interval(self, visible: Tensor, max_gap: int) -> tuple[list[int], list[int]] | None:
        for reach in reaches(max_gap, len(visible)):
            base = sample_visible_ids(visible, 1)
            if base is None:
                return None
            more = sample_visible_ids(
                visible, self.num_train_frames - 1, base[0] - reach, base[0] + reach
            )
            test = sample_visible_ids(
                visible, self.num_test_frames, base[0] - reach, base[0] + reach
            )
            if more is not None and test is not None:
                return base + more, test
        return None

    def _draw_causal(self, visible: Tensor, max_gap: int) -> tuple[list[int], list[int]] | None:
        for reach in reaches(max_gap, len(visible)):
            base = sample_visible_ids(
                visible, 1, self.num_train_frames - 1, len(visible) - self.num_test_frames
            )
            if base is None:
                return None
            more = sample_visible_ids(visible, self.num_train_frames - 1, base[0] - reach, base[0])
            test = sample_visible_ids(visible, self.num_test_frames, base[0] + 1, base[0] + reach)
            if more is not None and test is not None:
                return base + more, test
        return None


class DiMPSampler(TrackingSampler):
    """`TrackingSampler` under the name that DiMP's recipes use."""


class ATOMSampler(TrackingSampler):
    """`TrackingSampler` of one train and one test frame, 'interval' mode, as ATOM's recipes use
    it.
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        max_gap: int,
        num_test_frames: int = 1,
        num_train_frames: int = 1,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        frame_sample_mode: str = "interval",
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


class TransTSampler(TrackingSampler):
    """`TrackingSampler` with TransT's arguments: templates and search regions, 'interval' mode."""

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        max_gap: int,
        num_search_frames: int = 1,
        num_template_frames: int = 1,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
        frame_sample_mode: str = "interval",
    ):
        super().__init__(
            datasets,
            p_datasets,
            samples_per_epoch,
            max_gap,
            processing=processing,
            frame_sample_mode=frame_sample_mode,
            num_search_frames=num_search_frames,
            num_template_frames=num_template_frames,
        )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
