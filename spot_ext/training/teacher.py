"""The teacher: a slow average of the student that finds pseudo-labels, and says how far to trust
them.

teacher forward -> decode -> calibrate in time -> pick -> keep or reject. Sources: SPOT, mean
teacher, temporal calibration and IoU filter; sections 3, 5 and 6 of the method's description.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltr.models.decoding import Prediction, hann_window_float32
from ltr.parallel.precision import autocast, in_fp32
from ltr.parallel.upload import upload
from spot_ext.training.architectures import Architecture


@dataclass(frozen=True)
class PseudoBox:
    """The teacher's best candidate in each of B crops."""

    boxes_xywh: Tensor  # (B, 4) crop pixels, clipped to the crop, at least 1 px wide and high
    scores: Tensor  # (B,) calibrated
    ious: Tensor  # (B,) predicted IoU: the confidence
    index: Tensor  # (B,) position of the candidate


def calibrate(scores_BN: Tensor, window_weight: float) -> Tensor:
    """Mix scores with "the target is near its coarse position": `w * hann + (1 - w) * score`.

    Raising the weight trusts the neighbouring frames' box more and the classification less.
    """
    window = _window_on(scores_BN.shape[1], scores_BN.dtype, scores_BN.device)
    return window_weight * window + (1 - window_weight) * scores_BN


@functools.lru_cache(maxsize=16)
def _window_on(positions: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the window where it is used; it is made and copied once."""
    return upload(hann_window_float32(positions).to(dtype), device)


def pick(
    prediction: Prediction, window_weight: float, crop_size: int, reference_clamp: bool = False
) -> PseudoBox:
    """Best candidate of each crop after calibration.

    `reference_clamp=True` moves a box that starts left of or above the crop to 0 without shrinking
    it, as the reference does; ours clips it at all four sides.
    """
    calibrated = calibrate(prediction.scores_BN, window_weight)
    scores, index = calibrated.max(1)
    rows = torch.arange(len(index), device=index.device)
    boxes = prediction.boxes_cxcywh_BN4[rows, index] * crop_size
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    if reference_clamp:
        boxes = torch.cat([low.clamp_min(0), (high - low).clamp_min(1)], 1)
    else:
        low = low.clamp(0, crop_size - 1)
        boxes = torch.cat([low, (high.clamp_max(crop_size) - low).clamp_min(1)], 1)
    assert prediction.ious_BN is not None
    return PseudoBox(boxes, scores, prediction.ious_BN[rows, index], index)


class Teacher:
    """Owns the averaged network; it is in eval mode and without gradient for its whole life.

    `reference_mode=True` leaves dropout and batch statistics on and averages counters too, as the
    published runs did: an ablation, not a default.
    """

    def __init__(
        self,
        student: nn.Module,
        architecture: Architecture,
        window_weight: float,
        reference_mode: bool = False,
        precision: str = "fp32",
    ):
        self.net = copy.deepcopy(student).requires_grad_(False).train(reference_mode)
        self.reference_mode = reference_mode
        self.architecture = architecture
        self.window_weight, self.precision = window_weight, precision

    @torch.no_grad()
    def update(self, student: nn.Module, keep: float) -> None:
        """`teacher = keep * teacher + (1 - keep) * student` for every float entry; counters are
        copied. 0 copies all.
        """
        ours, theirs = self.net.state_dict(), student.state_dict()
        floating = [name for name, value in ours.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [ours[name] for name in floating], [theirs[name] for name in floating], 1 - keep
        )
        for name in ours.keys() - set(floating):
            ours[name].copy_(
                keep * ours[name] + (1 - keep) * theirs[name]
                if self.reference_mode
                else theirs[name]
            )

    @torch.no_grad()
    def find(self, templates: Tensor, searches: Tensor, reference_clamp: bool = False) -> PseudoBox:
        """Find the templates' targets `(B, 3, T, T)` in the search crops `(B, 3, S, S)`, both
        normalised; see `pick`.
        """
        with (
            torch.inference_mode(),
            autocast(searches.device, self.precision),
        ):  # `pick` makes plain tensors of them
            outputs = self.net(searches, templates)
        return pick(
            self.architecture.decode(in_fp32(outputs)),
            self.window_weight,
            searches.shape[-1],
            reference_clamp,
        )


def accept(ious: Tensor, threshold: float) -> Tensor:
    """Return which pseudo-boxes are kept, (B,) bool. Raising the threshold gives fewer and better
    ones.
    """
    return ious >= threshold


def refill(accepted: Tensor, max_repeats: int | None = None) -> Tensor:
    """Return the indices of the accepted slots, with rejected slots repeating accepted ones in
    turn: (B,), or (0,) without any. `accepted` (B,) bool is on the host.

    The student's batch then keeps its size, and every repeat gets its own augmentation.
    `max_repeats` limits how often one pseudo-label is repeated, and the batch shrinks instead:
    without a limit a single one can fill the batch and the student unlearns everything else.
    """
    accepted_slots = accepted.nonzero().flatten()
    rejected_slots = (~accepted).nonzero().flatten()
    if max_repeats is not None:
        rejected_slots = rejected_slots[: max_repeats * len(accepted_slots)]
    if len(accepted_slots) == 0:
        return accepted_slots
    turns = torch.arange(len(rejected_slots)) % len(accepted_slots)
    slots = torch.arange(len(accepted))
    slots[rejected_slots] = accepted_slots[turns]
    is_used = accepted.clone()
    is_used[rejected_slots] = True
    return slots[is_used]
