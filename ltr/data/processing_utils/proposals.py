"""Boxes near a box, for regression by confidence: ATOM's perturbed boxes and the Gaussian mixtures
of its successors.

The mixtures are those of "Energy-Based Models for Deep Probabilistic Regression" (Gustafsson et
al., ECCV 2020).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import atom_iou as iou
from ltr.geometry.tensor_boxes import rect_to_rel, rel_to_rect

_TRIES = 100  # of a perturbation with enough overlap
_CALMER = 0.9  # what the spread is multiplied with after each


def rand_uniform(a: float, b: float, shape: int | Sequence[int] = 1) -> Tensor:
    """Uniform numbers in [a, b)."""
    return (b - a) * torch.rand(shape) + a


def perturb_box(box: Tensor, min_iou: float = 0.5, sigma_factor=0.1) -> tuple[Tensor, Tensor]:
    """A box xywh of whole pixels near `box` (4,), and its overlap (1,) with it.

    Centre and size are drawn from normal distributions whose spread is `sigma_factor` (a list: one
    of it at random) times the square root of the box's area. Up to 100 draws, each with 0.9 times
    the spread of the one before, until the overlap exceeds `min_iou`; the last one is returned in
    any case.
    """
    if isinstance(sigma_factor, (list, tuple)):
        sigma_factor = random.choice(sigma_factor)
    spread = (
        (torch.as_tensor(sigma_factor, dtype=torch.float32) * box[2:].prod().sqrt())
        .expand(4)
        .tolist()
    )
    x, y, w, h = box.tolist()
    for _ in range(_TRIES):
        cx, cy, new_w, new_h = (
            random.gauss(mean, std)
            for mean, std in zip((x + 0.5 * w, y + 0.5 * h, w, h), spread, strict=True)
        )
        new_w, new_h = (
            size if size > 1 else old * random.uniform(0.15, 0.5)
            for size, old in ((new_w, w), (new_h, h))
        )
        near = torch.tensor([cx - 0.5 * new_w, cy - 0.5 * new_h, new_w, new_h]).round()
        overlap = iou(box.reshape(1, 4), near.reshape(1, 4))
        if overlap > min_iou:
            break
        spread = [std * _CALMER for std in spread]
    return near, overlap


def gauss_density_centered(x: Tensor, std: Tensor) -> Tensor:
    """Density of a normal distribution with mean 0, element by element."""
    return torch.exp(-0.5 * (x / std) ** 2) / (math.sqrt(2 * math.pi) * std)


def gmm_density_centered(x: Tensor, std: Tensor) -> Tensor:
    """Density (…) at `x` (…, D) of an even mixture of K normal distributions with mean 0 and
    spreads `std` (…, D, K).
    """
    if x.dim() == std.dim() - 1:
        x = x.unsqueeze(-1)
    elif x.dim() != std.dim() or x.shape[-1] != 1:
        raise BadValue(
            f"a point of shape {tuple(x.shape)} does not suit spreads of shape {tuple(std.shape)}; "
            "give spreads (…, D, K) for points (…, D)"
        )
    return gauss_density_centered(x, std).prod(-2).mean(-1)


def sample_gmm_centered(std: Tensor, num_samples: int = 1) -> tuple[Tensor, Tensor]:
    """Draws (n, D) from the mixture of K normal distributions with mean 0 and spreads `std` (D, K)
    or (K,), and their density (n,).
    """
    std = std.reshape(-1, std.shape[-1])
    component = torch.randint(std.shape[1], (num_samples,))
    drawn = std[:, component].t() * torch.randn(num_samples, std.shape[0])
    return drawn, gmm_density_centered(drawn, std.expand(num_samples, *std.shape))


def sample_gmm(mean: Tensor, std: Tensor, num_samples: int = 1) -> tuple[Tensor, Tensor]:
    """`sample_gmm_centered` around `mean` (D,)."""
    drawn, density = sample_gmm_centered(std, num_samples)
    return mean.reshape(1, -1) + drawn, density


def sample_box_gmm(
    mean_box: Tensor,
    proposal_sigma: Sequence[Sequence[float]],
    gt_sigma: Sequence[float] | None = None,
    num_samples: int = 1,
    add_mean_box: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes xywh (n, 4) around `mean_box` (4,), their density (n,), and their density (n,) under
    the label.

    Drawn in the coordinates of `rect_to_rel`: centre in units of the box's size, logarithm of the
    size. `proposal_sigma` holds the spread of (centre, size) for each component, `gt_sigma` that of
    the label's normal distribution; without it, or with zeros, the label is the box itself and its
    density 0 elsewhere. `add_mean_box` puts the box itself first, as one more row with density -1
    (it was not drawn) and 1 under the label, by which maximum likelihood regression knows it.
    """
    spread = torch.tensor([[c, c, s, s] for c, s in proposal_sigma], dtype=torch.float32).t()
    offsets, density = sample_gmm_centered(spread, num_samples)
    mean_box = mean_box.reshape(1, 4)
    unit = mean_box[:, 2:].clone()
    boxes = rel_to_rect(rect_to_rel(mean_box, unit) + offsets, unit)
    if gt_sigma is None or not any(gt_sigma):
        gt_density = torch.zeros_like(density)
    else:
        center, size = gt_sigma
        gt_density = gauss_density_centered(
            offsets, torch.tensor([center, center, size, size])
        ).prod(-1)
    if add_mean_box:
        boxes = torch.cat([mean_box, boxes])
        density, gt_density = (
            torch.cat([torch.tensor([first]), rest])
            for first, rest in ((-1.0, density), (1.0, gt_density))
        )
    return boxes, density, gt_density
