"""Asymmetric augmentation: light for what the teacher sees, strong for the student's crop of the
same frame.

Everything is batched and runs where the images are. Random numbers are drawn apart from their use
(`draw` returns a named set of draws), so a test can give them and a resumed run repeats them.
Source: SPOT, section on strong and weak augmentation; `docs/` of the method, section 8.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.parallel.upload import device_constant, upload

LUMINANCE = (0.2989, 0.5870, 0.1140)
# Radians of the points that stand for an ellipse, one a degree.
_ELLIPSE = tuple((torch.arange(360, dtype=torch.float64) * (math.pi / 180)).tolist())


@dataclass(frozen=True)
class AugmentConfig:
    """Strengths of the changes to crops. Raising a value makes the student's task harder, never the
    teacher's labels worse.
    """

    brightness: float = 0.2  # factor uniform in [1 - b, 1 + b], one per image
    grey: float = 0.05  # probability that a pair becomes grey
    flip: float = 0.35  # probability of a horizontal flip of the student's unlabelled search crop
    turn: float = 0.10  # probability of a half turn of it (the paper's vertical flip)
    rotation: int = 10  # whole degrees, uniform in [-rotation, rotation]
    reference_grey: bool = (
        False  # True: weight the normalised channels without summing them, as the reference does
    )
    reference_clamp: bool = (
        False  # True: boxes that begin left of or above a crop or frame are moved there, not cut
    )


@dataclass(frozen=True)
class PairDraws:
    """Photometric draws for B pairs: brightness factors of both images (B,) and which pairs become
    grey (B,) bool.
    """

    template_factors: Tensor
    search_factors: Tensor
    grey: Tensor


@dataclass(frozen=True)
class TurnDraws:
    """Geometric draws for B crops: angle in degrees (B,), half turns included, and horizontal flips
    (B,) bool.
    """

    angles: Tensor
    flips: Tensor


def draw_pairs(count: int, config: AugmentConfig, generator: torch.Generator) -> PairDraws:
    """Draw the photometric change of `count` pairs."""
    low, span = max(0.0, 1 - config.brightness), 2 * config.brightness
    factors = low + span * torch.rand(2, count, generator=generator)
    return PairDraws(factors[0], factors[1], torch.rand(count, generator=generator) <= config.grey)


def draw_turns(count: int, config: AugmentConfig, generator: torch.Generator) -> TurnDraws:
    """Draw the geometric change of `count` crops."""
    half_turn = torch.rand(count, generator=generator) <= config.turn
    angles = torch.randint(-config.rotation, config.rotation + 1, (count,), generator=generator)
    flips = torch.rand(count, generator=generator) <= config.flip
    return TurnDraws(angles + 180 * half_turn, flips)


def brighten(values: Tensor, factors: Tensor | None) -> Tensor:
    """Scale uint8-range values `(B, 3, ...)` to [0, 1], times one factor per sample, clamped."""
    scaled = values / 255
    if factors is None:
        return scaled
    factors = upload(factors, scaled.device)
    return scaled.mul_(factors.view(-1, *[1] * (values.dim() - 1))).clamp_(0, 1)


def normalise(values: Tensor) -> Tensor:
    """ImageNet normalisation of values `(B, 3, ...)` in [0, 1]."""
    shape = (1, 3, *[1] * (values.dim() - 2))
    mean = device_constant(tuple(IMAGENET_MEAN), values.dtype, values.device)
    std = device_constant(tuple(IMAGENET_STD), values.dtype, values.device)
    return (values - mean.view(shape)).div_(std.view(shape))


def to_grey(values: Tensor, chosen: Tensor, reference: bool = False) -> Tensor:
    """Replace the samples of `(B, 3, ...)` that are `chosen` (B,), on the host, by their luminance
    in all channels.

    `reference=True` only weights the channels and leaves them apart: a tinted image (what the
    reference computes).
    """
    if not bool(chosen.any()):
        return values
    # Few samples are chosen: one pass over them costs less than one over all.
    rows = upload(chosen.nonzero()[:, 0], values.device)
    weights = device_constant(LUMINANCE, values.dtype, values.device)
    weights = weights.view(1, 3, *[1] * (values.dim() - 2))
    weighted = values[rows] * weights
    return values.index_copy(
        0, rows, weighted if reference else weighted.sum(1, keepdim=True).expand_as(weighted)
    )


def prepare(
    images: Tensor,
    factors: Tensor | None = None,
    grey: Tensor | None = None,
    reference_grey: bool = False,
) -> Tensor:
    """Network input from uint8 crops `(B, 3, S, S)` or mean colours `(B, 3)`: brightness, grey,
    normalisation.
    """
    values = brighten(images, factors)
    if grey is not None and not reference_grey:
        values = to_grey(values, grey)
    values = normalise(values)
    if (
        grey is not None and reference_grey
    ):  # the reference does it here, and sums only the mean colour
        values = to_grey(values, grey, reference=values.dim() == 4)
    return values


def turn(images: Tensor, fills: Tensor, draws: TurnDraws) -> Tensor:
    """Flip, then rotate crops `(B, 3, S, S)` about pixel (S/2, S/2); nearest neighbour, `fills (B,
    3)` outside.
    """
    size = images.shape[-1]
    radians = torch.deg2rad(draws.angles.double())
    cos, sin = radians.cos(), radians.sin()
    sign = torch.where(draws.flips, -1.0, 1.0).double()
    pivot = 1 / size  # pixel S/2 in normalised coordinates, whose zero lies at (S - 1)/2
    # output -> input: turn back about the pivot, then mirror about the middle of the image
    x_row = torch.stack([cos, -sin, pivot * (1 - cos + sin)], 1) * sign[:, None]
    y_row = torch.stack([sin, cos, pivot * (1 - sin - cos)], 1)
    theta = upload(torch.stack([x_row, y_row], 1).to(images.dtype), images.device)
    fills = fills[..., None, None].to(images)
    shifted = images - fills  # zero padding then stands for the fill colour
    return F.grid_sample(
        shifted, _grid(theta, size), mode="nearest", padding_mode="zeros", align_corners=False
    ).add_(fills)


def _grid(theta_B23: Tensor, size: int) -> Tensor:
    """`F.affine_grid` of square images, (B, size, size, 2): each point is the sum of its row's part
    and its column's, added as complex numbers. A sixth of the time of affine_grid's matrix product
    on a CPU.
    """
    line = (2 * torch.arange(size, device=theta_B23.device) + 1) / size - 1
    of_x, of_y, shift = theta_B23[:, None].unbind(-1)  # (B, 1, 2) each
    rows, columns = (
        torch.view_as_complex(part) for part in (of_y * line[:, None] + shift, of_x * line[:, None])
    )
    return torch.view_as_real(rows[:, :, None] + columns[:, None])


def turn_boxes(
    boxes_xywh: Tensor, draws: TurnDraws, size: int, reference_clamp: bool = False
) -> Tensor:
    """Boxes `(B, 4)` px after `turn`: the hull of the ellipse inscribed in each box, clipped to the
    crop.

    `reference_clamp=True` moves a negative corner to 0 without shrinking the box, as the reference
    does.
    """
    boxes = boxes_xywh.double()
    center, half = boxes[:, :2] + boxes[:, 2:] / 2, boxes[:, 2:] / 2
    flips = upload(draws.flips, boxes.device)
    center = torch.stack(
        [torch.where(flips, (size - 1) - center[:, 0], center[:, 0]), center[:, 1]], 1
    )
    radians = upload(torch.deg2rad(draws.angles.double()), boxes.device)
    cos, sin = radians.cos()[:, None], radians.sin()[:, None]
    around = device_constant(_ELLIPSE, torch.float64, boxes.device)
    x = center[:, :1] + half[:, :1] * around.cos() - size / 2
    y = center[:, 1:] + half[:, 1:] * around.sin() - size / 2
    turned = torch.stack([cos * x + sin * y, cos * y - sin * x], -1) + size / 2  # (B, 360, 2)
    low, high = turned.amin(1), turned.amax(1)
    if reference_clamp:
        return torch.cat([low.clamp_min(0), high - low], 1).to(boxes_xywh.dtype)
    low, high = low.clamp(0, size), high.clamp(0, size)
    return torch.cat([low, high - low], 1).to(boxes_xywh.dtype)
