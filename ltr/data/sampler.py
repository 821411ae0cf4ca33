"""Draws training samples: a data set, a sequence, and frames of it that lie close together.

Draws come from Python's global generator, as in pytracking; `LTRLoader` seeds it for each sample.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

import torch
import torch.utils.data

from ltr.admin.errors import BadInput, BadValue, suggestion
from ltr.admin.tensordict import TensorDict

log = logging.getLogger(__name__)

MIN_LENGTH = 20  # frames a sequence must have to be drawn
_GAP_STEP = 5  # frames the gap grows by when it holds no visible frame
_SEQUENCE_DRAWS = 1000  # of a sequence with enough visible frames
_SAMPLE_DRAWS = 50  # of a sample whose files can be read; a data set that fails this often in a row is not usable


def no_processing(data: TensorDict) -> TensorDict:
    """The data as sampled."""
    return data


class TrackingSampler(torch.utils.data.Dataset):
    """`samples_per_epoch` random samples, each a few reference frames and a few later ones of one sequence.

    Datasets are drawn with probabilities `p_datasets` (None: by their number of sequences), sequences uniformly among
    those of at least 20 frames with more than twice as many visible frames as are drawn; image data sets give the same
    image for every frame. All frames drawn show the target.

    `frame_sample_mode` 'causal' draws test frames up to `max_gap` frames after a train frame, 'interval' on both
    sides of it. The gap grows in steps of 5 where it holds no visible frame.

    A sample is a TensorDict of `train_images`, `train_anno` (boxes xywh), `test_images`, `test_anno`, `dataset`,
    `test_class`, passed through `processing`. With TransT's arguments `num_search_frames` and `num_template_frames` in
    place of the test and train ones it is `template_images`, `template_anno`, `search_images`, `search_anno`, and the
    mode is 'interval' unless given.
    """

    def __init__(self, datasets: Sequence, p_datasets: Sequence[float] | None, samples_per_epoch: int, max_gap: int,
                 num_test_frames: int | None = None, num_train_frames: int | None = None,
                 processing: Callable[[TensorDict], TensorDict] = no_processing, frame_sample_mode: str | None = None,
                 *, num_search_frames: int | None = None, num_template_frames: int | None = None):
        self.siamese = num_search_frames is not None or num_template_frames is not None
        if self.siamese and (num_test_frames is not None or num_train_frames is not None):
            raise BadValue("TrackingSampler: give either num_search_frames and num_template_frames or num_test_frames "
                           "and num_train_frames")
        if not self.siamese and num_test_frames is None:
            raise TypeError("TrackingSampler needs num_test_frames, or num_search_frames for a Siamese tracker")
        self.num_test_frames = _first(num_search_frames, num_test_frames, 1)
        self.num_train_frames = _first(num_template_frames, num_train_frames, 1)
        self.frame_sample_mode = frame_sample_mode or ("interval" if self.siamese else "causal")
        if self.frame_sample_mode not in ("causal", "interval"):
            raise BadValue(f"frame_sample_mode '{frame_sample_mode}' is not known"
                           f"{suggestion(frame_sample_mode, ('causal', 'interval'))}; choose 'causal' or 'interval'")
        self.datasets = list(datasets)
        weights = [len(d) for d in self.datasets] if p_datasets is None else list(p_datasets)
        if len(weights) != len(self.datasets) or not sum(weights) > 0 or min(weights) < 0:
            raise BadValue(f"p_datasets {weights} does not suit {len(self.datasets)} data sets; give one weight each, "
                           "not negative and not all 0")
        self.p_datasets = [w / sum(weights) for w in weights]
        for dataset, p in zip(self.datasets, self.p_datasets, strict=True):
            if p > 0 and len(dataset) == 0:
                raise BadValue(f"{dataset.get_name()} has no sequences; check its path and split, or leave it out")
        self.samples_per_epoch = samples_per_epoch
        self.max_gap = max_gap
        self.processing = processing
        self.num_skipped = 0  # samples of this process given up because a file could not be used

    def __len__(self) -> int:
        return self.samples_per_epoch

    def __getitem__(self, index: int) -> TensorDict:
        """A random sample; `index` does not matter. Unusable files are reported and another sequence drawn."""
        for _ in range(_SAMPLE_DRAWS):
            dataset = random.choices(self.datasets, self.p_datasets)[0]
            try:
                return self._sample(dataset)
            except BadInput as error:
                self.num_skipped += 1
                log.warning("%s: drawing another sample (%d skipped by this process): %s",
                            dataset.get_name(), self.num_skipped, error)
                last = error
        raise BadInput(f"{_SAMPLE_DRAWS} samples in a row could not be drawn, the last one because: {last}")

    def _sample(self, dataset) -> TensorDict:
        seq_id, info, train_ids, test_ids = self._draw_frames(dataset)
        train_frames, train_anno, _ = dataset.get_frames(seq_id, train_ids, info)
        test_frames, test_anno, meta = dataset.get_frames(seq_id, test_ids, info)
        if self.siamese:
            return self.processing(TensorDict(template_images=train_frames, template_anno=train_anno["bbox"],
                                              search_images=test_frames, search_anno=test_anno["bbox"]))
        return self.processing(TensorDict(train_images=train_frames, train_anno=train_anno["bbox"],
                                          test_images=test_frames, test_anno=test_anno["bbox"],
                                          dataset=dataset.get_name(), test_class=(meta or {}).get("object_class_name")))

    def _draw_frames(self, dataset) -> tuple[int, dict, list[int], list[int]]:
        """Sequence id, its annotation, ids of train and of test frames."""
        for _ in range(_SEQUENCE_DRAWS):
            seq_id = random.randint(0, dataset.get_num_sequences() - 1)
            info = dataset.get_sequence_info(seq_id)
            if not dataset.is_video_sequence():
                return seq_id, info, [1] * self.num_train_frames, [1] * self.num_test_frames
            visible = info["visible"]
            enough = int(visible.sum()) > 2 * (self.num_test_frames + self.num_train_frames)
            if enough and len(visible) >= MIN_LENGTH:
                drawn = getattr(self, f"_draw_{self.frame_sample_mode}")(visible)
                if drawn is not None:
                    return seq_id, info, *drawn
        raise BadValue(f"none of {_SEQUENCE_DRAWS} sequences drawn from {dataset.get_name()} "
                       f"({dataset.get_num_sequences()} in all) has {MIN_LENGTH} frames and more than "
                       f"{2 * (self.num_test_frames + self.num_train_frames)} visible ones; check its annotation files")

    def _draw_interval(self, visible: torch.Tensor) -> tuple[list[int], list[int]] | None:
        for reach in self._reaches(len(visible)):
            base = self._sample_visible_ids(visible, 1)
            more = self._sample_visible_ids(visible, self.num_train_frames - 1, base[0] - reach, base[0] + reach)
            test = self._sample_visible_ids(visible, self.num_test_frames, base[0] - reach, base[0] + reach)
            if more is not None and test is not None:
                return base + more, test
        return None

    def _draw_causal(self, visible: torch.Tensor) -> tuple[list[int], list[int]] | None:
        for reach in self._reaches(len(visible)):
            base = self._sample_visible_ids(visible, 1, self.num_train_frames - 1, len(visible) - self.num_test_frames)
            if base is None:
                return None
            more = self._sample_visible_ids(visible, self.num_train_frames - 1, base[0] - reach, base[0])
            test = self._sample_visible_ids(visible, self.num_test_frames, base[0] + 1, base[0] + reach)
            if more is not None and test is not None:
                return base + more, test
        return None

    def _reaches(self, length: int) -> range:
        """Gaps to try: from `max_gap` on, until some attempts have seen the whole sequence."""
        return range(self.max_gap, self.max_gap + length + 20 * _GAP_STEP, _GAP_STEP)

    def _sample_visible_ids(self, visible: torch.Tensor, num_ids: int = 1, min_id: int | None = None,
                            max_id: int | None = None) -> list[int] | None:
        """`num_ids` visible frame ids in [min_id, max_id), drawn with replacement; None when there is none."""
        if num_ids == 0:
            return []
        low = max(min_id or 0, 0)
        high = max(len(visible) if max_id is None else max_id, low)
        valid = torch.as_tensor(visible)[low:high].nonzero().flatten().tolist()
        return [low + i for i in random.choices(valid, k=num_ids)] if valid else None


class TransTSampler(TrackingSampler):
    """`TrackingSampler` with TransT's arguments: templates and search regions, 'interval' mode."""

    def __init__(self, datasets: Sequence, p_datasets: Sequence[float] | None, samples_per_epoch: int, max_gap: int,
                 num_search_frames: int = 1, num_template_frames: int = 1,
                 processing: Callable[[TensorDict], TensorDict] = no_processing, frame_sample_mode: str = "interval"):
        super().__init__(datasets, p_datasets, samples_per_epoch, max_gap, processing=processing,
                         frame_sample_mode=frame_sample_mode, num_search_frames=num_search_frames,
                         num_template_frames=num_template_frames)


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
