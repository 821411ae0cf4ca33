"""Precise RoI pooling (Jiang et al., "Acquisition of Localization Confidence", ECCV 2018, section
3.3): the exact mean of the bilinear surface over each bin, differentiable in features and boxes.

The surface is a sum of products of hat functions, one along each axis, so that the integral over a
bin is a product of two one-dimensional integrals: pooling is two matrix products, and autograd
differentiates it, by the boxes too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue

__all__ = ["PrRoIPool2D", "prroi_pool2d"]


class PrRoIPool2D(nn.Module):
    """Pool boxes to `pooled_height` x `pooled_width` bins; see `prroi_pool2d`."""

    def __init__(self, pooled_height: int, pooled_width: int, spatial_scale: float):
        super().__init__()
        self.pooled_height = int(pooled_height)
        self.pooled_width = int(pooled_width)
        self.spatial_scale = float(spatial_scale)

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return (N, C, pooled_height, pooled_width) for `rois` (N, 5)."""
        return prroi_pool2d(
            features, rois, self.pooled_height, self.pooled_width, self.spatial_scale
        )

    def extra_repr(self) -> str:
        """Name the settings where the module is printed."""
        size = f"{self.pooled_height}, {self.pooled_width}"
        return f"{size}, spatial_scale={self.spatial_scale}"


def prroi_pool2d(
    features: Tensor, rois: Tensor, pooled_height: int, pooled_width: int, spatial_scale: float
) -> Tensor:
    """Return the mean of the bilinear surface of `features` (B, C, H, W) over each bin of each box.

    `rois` (N, 5) are rows (image number, x1, y1, x2, y2); `spatial_scale` turns their coordinates
    into cells. A cell's value stands at whole coordinates, and the surface falls to zero within one
    cell outside the map. A box without area gives zeros. Works on any device and in any floating
    type; has gradients of any order.
    """
    if features.dim() != 4 or rois.dim() != 2 or rois.shape[1] != 5:
        raise BadValue(
            "prroi_pool2d takes features (B, C, H, W) and boxes (N, 5), image number first; not "
            f"{tuple(features.shape)} and {tuple(rois.shape)}"
        )
    images, channels, height, width = features.shape
    if len(rois) == 0:
        return features.new_zeros(0, channels, pooled_height, pooled_width)
    image = rois[:, 0].long()
    x1, y1, x2, y2 = (rois[:, 1:] * spatial_scale).to(features.dtype).unbind(1)
    row_weights = _bin_means(y1, y2, pooled_height, height)
    column_weights = _bin_means(x1, x2, pooled_width, width)

    # Boxes of one image are pooled by one matrix product: each image gets as many places as the
    # image with the most boxes; places without a box have zero weights.
    place, boxes_an_image = _places(image, images)
    row_weights = _placed(row_weights, image, place, images, boxes_an_image)
    column_weights = _placed(column_weights, image, place, images, boxes_an_image)
    rows = row_weights.flatten(1, 2) @ features.transpose(1, 2).flatten(2)
    rows = rows.view(images, boxes_an_image, pooled_height * channels, width)
    pooled = rows @ column_weights.transpose(2, 3)
    pooled = pooled.view(images, boxes_an_image, pooled_height, channels, pooled_width)
    return pooled[image, place].transpose(1, 2)


def _bin_means(low: Tensor, high: Tensor, bins: int, cells: int) -> Tensor:
    """Return (N, bins, cells): the mean of each cell's hat function over each of the equal bins of
    [low, high].
    """
    bin_size = (high - low) / bins
    edge_number = torch.arange(bins + 1, dtype=low.dtype, device=low.device)
    edges = low[:, None] + bin_size[:, None] * edge_number
    cell = torch.arange(cells, dtype=low.dtype, device=low.device)
    integral = _hat_integral(edges[:, :, None] - cell)
    has_area = bin_size > 0
    # A box without area would divide by zero, which poisons its gradient even where it is masked.
    divisor = torch.where(has_area, bin_size, torch.ones_like(bin_size))
    means = integral.diff(dim=1) / divisor[:, None, None]
    return means * has_area[:, None, None]


def _hat_integral(position: Tensor) -> Tensor:
    """Return the integral of max(0, 1 - |t|) from minus infinity to `position`."""
    rising = (position + 1).clamp(0, 1)
    falling = position.clamp(0, 1)
    return rising.square() / 2 + falling - falling.square() / 2


def _places(image: Tensor, images: int) -> tuple[Tensor, int]:
    """Return each box's number (N,) among the boxes of its image, and the largest count."""
    is_image = torch.nn.functional.one_hot(image, images)
    count_so_far = is_image.cumsum(0)
    place = count_so_far.gather(1, image[:, None])[:, 0] - 1
    return place, int(count_so_far[-1].max())


def _placed(weights: Tensor, image: Tensor, place: Tensor, images: int, places: int) -> Tensor:
    """Return `weights` (N, bins, cells) as (images, places, bins, cells), zero where no box is."""
    table = weights.new_zeros(images, places, *weights.shape[1:])
    return table.index_put((image, place), weights)
