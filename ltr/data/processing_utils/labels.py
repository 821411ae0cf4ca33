"""Gaussian label maps, and the peaks of score maps."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.data.processing_utils.windows import size_of


def gauss_1d(
    sz: int, sigma: float, center: Tensor, end_pad: int = 0, density: bool = False
) -> Tensor:
    """Gaussians (N, sz + end_pad) around `center` (N,), in cells from the middle of the first `sz`
    cells.

    The peak is 1, or the integral over all cells with `density`.
    """
    cells = torch.arange(sz + end_pad, dtype=torch.float32) - (sz - 1) / 2
    values = torch.exp(-0.5 * ((cells - center.reshape(-1, 1)) / sigma) ** 2)
    return values / (math.sqrt(2 * math.pi) * sigma) if density else values


def gauss_2d(sz, sigma, center: Tensor, end_pad=(0, 0), density: bool = False) -> Tensor:
    """Products (N, h, w) of two Gaussians; `sz`, `sigma`, `end_pad` and `center` (N, 2) are in the
    order x, y.
    """
    sizes, sigmas, pads = (size_of(value) for value in (sz, sigma, end_pad))
    across, down = (
        gauss_1d(int(sizes[i]), sigmas[i], center[:, i], int(pads[i]), density) for i in (0, 1)
    )
    return down[:, :, None] * across[:, None, :]


def gaussian_label_function(
    target_bb: Tensor,
    sigma_factor,
    kernel_sz,
    feat_sz,
    image_sz,
    end_pad_if_even: bool = True,
    density: bool = False,
    uni_bias: float = 0,
) -> Tensor:
    """Label maps (N, h, w) for boxes `target_bb` (…, 4) xywh in crop pixels: a Gaussian around each
    box's centre.

    `feat_sz` cells cover `image_sz` px; `kernel_sz` is that of the filter whose output is compared
    with the label: an even one shifts the centre by half a cell and, with `end_pad_if_even`, adds a
    cell at the end. Sigma is `sigma_factor` times the square root of the number of cells. Sizes are
    one number or (width, height). With `density` the map integrates to one, and `uni_bias` is the
    part of it that is spread evenly.
    """
    feat, image, kernel = (torch.tensor(size_of(size)) for size in (feat_sz, image_sz, kernel_sz))
    boxes = target_bb.reshape(-1, 4).float()
    even = (kernel.long() % 2 == 0).float()
    center = feat * (boxes[:, :2] + boxes[:, 2:] / 2 - image / 2) / image + 0.5 * even
    sigma = torch.tensor(size_of(sigma_factor)) * feat.prod().sqrt()
    pad = even if end_pad_if_even else torch.zeros(2)
    label = gauss_2d(feat, sigma, center, pad, density)
    return (1 - uni_bias) * label + uni_bias / label[0].numel() if density and len(label) else label


def find_local_maxima(scores: Tensor, th: float, ks: int) -> tuple[Tensor, Tensor]:
    """Cells of `scores` (1, 1, H, W) or (H, W) above `th` that are the largest in the `ks` by `ks`
    cells around them.

    Returns coordinates (n, 2), rows y and x, and values (n,), highest first.
    """
    scores = scores.reshape(scores.shape[-2:])
    largest = F.max_pool2d(
        F.pad(scores[None, None], ((ks - 1) // 2, ks // 2) * 2, value=-math.inf), ks, stride=1
    )[0, 0]
    coords = ((scores == largest) & (scores > th)).nonzero()
    values = scores[coords[:, 0], coords[:, 1]]
    order = values.argsort(descending=True, stable=True)
    return coords[order], values[order]
