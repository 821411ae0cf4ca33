"""Frames of videos on which a tracker found target candidates: the sampler of KeepTrack."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch.utils.data

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensordict import TensorDict
from ltr.data.faults import redraw
from ltr.data.sampler import base

_SUPERVISION = ("self_sup", "partial_sup")


class SequentialTargetCandidateMatchingSampler(torch.utils.data.Dataset):
    """Draws one frame ('self_sup') or two neighbouring frames ('partial_sup') of a video, with the
    candidates found there.

    `dataset.get_sequence_info(seq_id)` has an entry `state` with one letter a frame, the situation
    it is in (say 'H': the target is the best of several candidates); `get_frames(seq_id, ids)`
    gives a dict of lists and a dict of what is known of the target. `sup_modes` are drawn with the
    weights `p_sup_modes`; 'self_sup' then draws one of `frame_modes`, a letter, and 'partial_sup'
    one of `subseq_modes`, two letters for a frame and the next, by their weights. None for the
    modes takes any frame, None for weights draws evenly.

    A sample holds the lists of `get_frames`, `sup_mode`, and `dataset`.
    """

    def __init__(
        self,
        dataset,
        samples_per_epoch: int,
        sup_modes: Sequence[str],
        p_sup_modes: Sequence[float] | None = None,
        processing: Callable[[TensorDict], TensorDict] = base.no_processing,
        subseq_modes: Sequence[str] | None = None,
        p_subseq_modes: Sequence[float] | None = None,
        frame_modes: Sequence[str] | None = None,
        p_frame_modes: Sequence[float] | None = None,
    ):
        for mode in sup_modes:
            if mode not in _SUPERVISION:
                raise BadValue(
                    f"sup_modes: '{mode}' is not known{suggestion(mode, _SUPERVISION)}; "
                    f"choose {', '.join(_SUPERVISION)}"
                )
        self.dataset = dataset
        self.samples_per_epoch = samples_per_epoch
        self.processing = processing
        self.sup_modes = _weighted("p_sup_modes", sup_modes, p_sup_modes)
        self.states = {
            "self_sup": _weighted("p_frame_modes", frame_modes or [None], p_frame_modes),
            "partial_sup": _weighted("p_subseq_modes", subseq_modes or [None], p_subseq_modes),
        }

    def __len__(self) -> int:
        return self.samples_per_epoch

    def __getitem__(self, index: int) -> TensorDict:
        """A random sample; `index` does not matter."""
        return redraw(lambda attempt: self.processing(self._sample()))

    def _sample(self) -> TensorDict:
        sup_mode = random.choices(*self.sup_modes)[0]
        state = random.choices(*self.states[sup_mode])[0]
        seq_id, ids = self._draw(1 if sup_mode == "self_sup" else 2, state)
        frames, _ = self.dataset.get_frames(seq_id, ids)
        return TensorDict(frames) | {"sup_mode": sup_mode, "dataset": self.dataset.get_name()}

    def _draw(self, count: int, state: str | None) -> tuple[int, list[int]]:
        for _ in range(base.SEQUENCE_DRAWS):
            seq_id = random.randint(0, self.dataset.get_num_sequences() - 1)
            states = "".join(self.dataset.get_sequence_info(seq_id)["state"])
            starts = [
                i
                for i in range(len(states) - count + 1)
                if state is None or states[i : i + count] == state
            ]
            if starts:
                start = random.choice(starts)
                return seq_id, list(range(start, start + count))
        raise BadValue(
            f"none of {base.SEQUENCE_DRAWS} sequences drawn from {self.dataset.get_name()} has "
            f"{count} frame(s) in "
            f"state '{state}'; check frame_modes and subseq_modes"
        )


def _weighted(
    where: str, choices: Sequence, weights: Sequence[float] | None
) -> tuple[list, list[float]]:
    weights = [1.0] * len(choices) if weights is None else list(weights)
    if len(weights) != len(choices) or not choices or not sum(weights) > 0 or min(weights) < 0:
        raise BadValue(
            f"{where} {weights} does not suit {list(choices)}; give one weight each, not negative "
            "and not all 0"
        )
    return list(choices), weights
