"""Base of samplers: choosing a data set, a sequence, and visible frames of it, with a bound on
every search.

Draws come from Python's global generator, as in pytracking; `LTRLoader` seeds it for each sample.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import torch.utils.data
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data.faults import redraw

MIN_LENGTH = 20  # frames a sequence must have to be drawn
GAP_STEP = 5  # frames the gap grows by when it holds no visible frame
SEQUENCE_DRAWS = 1000  # of a sequence that suits

Frames = TypeVar("Frames")


def no_processing(data: TensorDict) -> TensorDict:
    """The data as sampled."""
    return data


class SequenceSampler(torch.utils.data.Dataset):
    """Base: `samples_per_epoch` random samples from `datasets`, drawn with probabilities
    `p_datasets`.

    A subclass makes a sample of one data set in `_sample`. Where a file cannot be used another
    sample is drawn.
    """

    def __init__(
        self,
        datasets: Sequence,
        p_datasets: Sequence[float] | None,
        samples_per_epoch: int,
        processing: Callable[[TensorDict], TensorDict] = no_processing,
    ):
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if hasattr(dataset, "prepare"):
                dataset.prepare()  # read here what every worker needs, once
        self.p_datasets = _probabilities(self.datasets, p_datasets)
        self.samples_per_epoch = samples_per_epoch
        self.processing = processing

    def __len__(self) -> int:
        return self.samples_per_epoch

    def __getitem__(self, index: int) -> TensorDict:
        """A random sample; `index` does not matter. Where a file cannot be used, another one is
        drawn (`faults`).
        """
        return redraw(
            lambda attempt: self.processing(
                self._sample(random.choices(self.datasets, self.p_datasets)[0])
            )
        )

    def _sample(self, dataset) -> TensorDict:
        raise NotImplementedError

    def _search(
        self, dataset, draw: Callable[[dict[str, Any]], Frames | None], need: str
    ) -> tuple[int, dict, Frames]:
        """A random sequence id, its annotation, and the first result of `draw(annotation)` that is
        not None.

        `need` says in the error what a sequence must have.
        """
        for _ in range(SEQUENCE_DRAWS):
            seq_id = random.randint(0, dataset.get_num_sequences() - 1)
            info = dataset.get_sequence_info(seq_id)
            drawn = draw(info)
            if drawn is not None:
                return seq_id, info, drawn
        raise BadValue(
            f"none of {SEQUENCE_DRAWS} sequences drawn from {dataset.get_name()} "
            f"({dataset.get_num_sequences()} in all) has {need}; check its annotation files"
        )


def visible_frames(info: Mapping[str, Any]) -> Tensor:
    """Bool (N,): frames that show the target, or any of the targets where there are several."""
    visible = info["visible"]
    if isinstance(visible, Mapping):
        visible = torch.stack([torch.as_tensor(v) for v in visible.values()], -1)
    visible = torch.as_tensor(visible).bool()
    return visible.any(-1) if visible.dim() > 1 else visible


def sample_visible_ids(
    visible: Tensor, num_ids: int = 1, min_id: int | None = None, max_id: int | None = None
) -> list[int] | None:
    """`num_ids` visible frame ids in [min_id, max_id), drawn with replacement; None when there is
    none.
    """
    if num_ids == 0:
        return []
    low = max(min_id or 0, 0)
    high = max(len(visible) if max_id is None else max_id, low)
    valid = torch.as_tensor(visible)[low:high].nonzero().flatten().tolist()
    return [low + i for i in random.choices(valid, k=num_ids)] if valid else None


def reaches(max_gap: int, length: int) -> Iterator[int]:
    """Gaps to try: from `max_gap` on, until some attempts have seen the whole sequence."""
    return iter(range(max_gap, max_gap + length + 20 * GAP_STEP, GAP_STEP))


def class_name(meta: Mapping[str, Any] | None) -> str | None:
    """Return what the third value of `get_frames` says of the target's class."""
    return (meta or {}).get("object_class_name")


def _probabilities(datasets: list, weights: Sequence[float] | None) -> list[float]:
    weights = [len(d) for d in datasets] if weights is None else list(weights)
    if len(weights) != len(datasets) or not sum(weights) > 0 or min(weights) < 0:
        raise BadValue(
            f"p_datasets {weights} does not suit {len(datasets)} data sets; give one weight each, "
            "not negative and not all 0"
        )
    for dataset, weight in zip(datasets, weights, strict=True):
        if weight > 0 and len(dataset) == 0:
            raise BadValue(
                f"{dataset.get_name()} has no sequences; check its path and split, or leave it out"
            )
    return [w / sum(weights) for w in weights]
