"""Precise RoI pooling and the correlation sampler against their definitions."""

import pytest
import torch

from ltr.admin.errors import BadValue
from ltr.external.PreciseRoIPooling.pytorch.prroi_pool import PrRoIPool2D
from ltr.external.PreciseRoIPooling.pytorch.prroi_pool.functional import prroi_pool2d
from ltr.models.layers.roi_pooling import _hat_integral
from spatial_correlation_sampler import SpatialCorrelationSampler, spatial_correlation_sample


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def surface(feature, x, y):
    """Return the bilinear surface of `feature` (C, H, W) at points (n,), zero outside."""
    height, width = feature.shape[1:]
    hat_x = (1 - (x[:, None] - torch.arange(width)).abs()).clamp(min=0)
    hat_y = (1 - (y[:, None] - torch.arange(height)).abs()).clamp(min=0)
    return torch.einsum("nw,nh,chw->cn", hat_x, hat_y, feature)


def quadrature(feature, box, rows, columns, points=400):
    """Return the mean of the surface over each bin by the midpoint rule, slowly."""
    x1, y1, x2, y2 = box
    result = torch.zeros(len(feature), rows, columns, dtype=feature.dtype)
    middle = (torch.arange(points, dtype=feature.dtype) + 0.5) / points
    for row in range(rows):
        for column in range(columns):
            x = x1 + (x2 - x1) * (column + middle) / columns
            y = y1 + (y2 - y1) * (row + middle) / rows
            grid_x, grid_y = torch.meshgrid(x, y, indexing="xy")
            values = surface(feature, grid_x.reshape(-1), grid_y.reshape(-1))
            result[:, row, column] = values.mean(1)
    return result


BOXES = {
    "inside": (1.2, 0.7, 5.9, 4.3),
    "on cells": (1.0, 2.0, 4.0, 5.0),
    "over the border": (-2.5, -1.3, 3.1, 8.8),
    "outside": (20.0, 20.0, 24.0, 25.0),
    "less than a cell": (2.31, 2.4, 2.37, 2.9),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_pooling_is_the_mean_of_the_bilinear_surface(box):
    feature = random(1, 2, 7, 8)
    rois = torch.tensor([[0.0, *box]], dtype=torch.float64)
    pooled = PrRoIPool2D(2, 3, 1.0)(feature, rois)
    assert pooled.shape == (1, 2, 2, 3)
    # The midpoint rule's error over kinks falls with the square of its 400 points.
    expected = quadrature(feature[0], box, 2, 3)
    torch.testing.assert_close(pooled[0], expected, atol=2e-5, rtol=0)


def test_gradients_in_features_and_boxes():
    feature = random(2, 2, 5, 6).requires_grad_()
    rois = torch.tensor(
        [[1, 0.9, 1.3, 7.7, 6.2], [0, -1.7, 2.4, 3.3, 9.1], [1, 2.2, 2.3, 2.6, 2.9]],
        dtype=torch.float64,
    )
    boxes = rois[:, 1:].clone().requires_grad_()

    def pool(feature, boxes):
        return prroi_pool2d(feature, torch.cat((rois[:, :1], boxes), 1), 2, 3, 0.5)

    assert torch.autograd.gradcheck(pool, (feature, boxes))
    assert torch.autograd.gradgradcheck(pool, (feature, boxes))


def test_boxes_of_several_images_come_back_in_their_order():
    feature = random(3, 4, 9, 9)
    image = [2, 0, 2, 2, 0]
    boxes = torch.rand(5, 2, dtype=torch.float64) * 4
    boxes = torch.cat((boxes, boxes + 3), 1)
    rois = torch.cat((torch.tensor(image, dtype=torch.float64)[:, None], boxes), 1)
    together = prroi_pool2d(feature, rois, 3, 3, 1.0)
    for number, (which, roi) in enumerate(zip(image, rois, strict=True)):
        alone = prroi_pool2d(
            feature[which, None], roi[None] * torch.tensor([0, 1, 1, 1, 1]), 3, 3, 1
        )
        torch.testing.assert_close(together[number], alone[0])
    assert prroi_pool2d(feature, rois[:0], 3, 3, 1.0).shape == (0, 4, 3, 3)


@pytest.mark.parametrize("box", [(3.0, 3, 3, 5), (3.0, 3, 5, 3), (5.0, 5, 3, 3)])
def test_a_box_without_area_gives_zeros_and_a_finite_gradient(box):
    rois = torch.tensor([[0.0, *box]], requires_grad=True)
    pooled = prroi_pool2d(torch.ones(1, 1, 8, 8), rois, 2, 2, 1.0)
    pooled.sum().backward()
    assert not pooled.any() and rois.grad.isfinite().all()


def test_constant_map_and_scale():
    rois = torch.tensor([[0, 16.0, 16, 80, 48]])
    assert torch.allclose(prroi_pool2d(torch.ones(1, 1, 9, 9), rois, 3, 3, 1 / 16), torch.ones(1))
    assert _hat_integral(torch.tensor([-3.0, -1, 0, 1, 3])).tolist() == [0, 0, 0.5, 1, 1]
    with pytest.raises(BadValue, match="image number first"):
        prroi_pool2d(torch.ones(1, 1, 9, 9), rois[:, 1:], 3, 3, 1.0)


SAMPLERS = {
    "one place": {},
    "KYS": {"kernel_size": 1, "patch_size": 5},
    "window": {"kernel_size": 3, "patch_size": 3, "padding": 1},
    "all": {
        "kernel_size": (3, 1),
        "patch_size": (3, 5),
        "stride": (2, 1),
        "padding": (2, 1),
        "dilation": (2, 1),
        "dilation_patch": (1, 2),
    },
}


def correlation_by_loops(first, second, **options):
    """Return the correlation of maps (C, H, W) from its definition."""

    def pair(name, default):
        value = options.get(name, default)
        return (value, value) if isinstance(value, int) else value

    (kh, kw), (ph, pw), (sy, sx) = pair("kernel_size", 1), pair("patch_size", 1), pair("stride", 1)
    (my, mx), (dy, dx), (gy, gx) = (
        pair("padding", 0),
        pair("dilation", 1),
        pair("dilation_patch", 1),
    )
    _, height, width = first.shape

    def at(feature, y, x):
        inside = 0 <= y < height and 0 <= x < width
        return feature[:, y, x] if inside else torch.zeros(len(feature), dtype=feature.dtype)

    rows = (height + 2 * my - dy * (kh - 1) - 1) // sy + 1
    columns = (width + 2 * mx - dx * (kw - 1) - 1) // sx + 1
    result = torch.zeros(ph, pw, rows, columns, dtype=first.dtype)
    for p, q, r, c in torch.cartesian_prod(*map(torch.arange, result.shape)).tolist():
        for i in range(kh):
            for j in range(kw):
                y, x = r * sy - my + i * dy, c * sx - mx + j * dx
                other = at(second, y + (p - ph // 2) * gy, x + (q - pw // 2) * gx)
                result[p, q, r, c] += at(first, y, x) @ other
    return result


@pytest.mark.parametrize("options", SAMPLERS.values(), ids=SAMPLERS)
def test_correlation_is_its_definition(options):
    first, second = random(2, 3, 5, 6), random(2, 3, 5, 6, seed=1)
    found = SpatialCorrelationSampler(**options)(first, second)
    for number in range(2):
        expected = correlation_by_loops(first[number], second[number], **options)
        torch.testing.assert_close(found[number], expected)
    with pytest.raises(BadValue, match="of one shape"):
        spatial_correlation_sample(first, second[:, :2])
