"""Drawing tensors, boxes and masks."""

import matplotlib
import numpy as np
import pytest
import torch

from ltr.data.image_loader import davis_palette
from pytracking.utils import plotting


@pytest.fixture
def pyplot(monkeypatch):
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    yield plt
    plt.close("all")


@pytest.mark.parametrize(
    "state, expected",
    [
        (None, []),
        ([1, 2, 3, 4], [[1, 2, 3, 4]]),
        (np.arange(4), [[0, 1, 2, 3]]),
        (torch.arange(4), [[0, 1, 2, 3]]),
        ([[1, 2, 3, 4], None], [[1, 2, 3, 4]]),
        ({"1": [1, 2, 3, 4], "2": None}, [[1, 2, 3, 4]]),
        ([np.ones(4), (2, 2, 2, 2)], [[1] * 4, [2] * 4]),
        ([None], []),
        ([], []),
    ],
)
def test_every_form_of_boxes_can_be_drawn(state, expected):
    assert np.array_equal(plotting.as_boxes(state), expected)


@pytest.mark.parametrize(
    "shape, shown", [((6, 8), (6, 8)), ((1, 1, 6, 8), (6, 8)), ((1, 3, 6, 8), (6, 8, 3))]
)
def test_tensors_are_shown(pyplot, shape, shown):
    plotting.show_tensor(torch.rand(shape, requires_grad=True), fig_num=3, title="T", range=(0, 2))
    axes = pyplot.figure(3).axes[0]
    image = axes.images[0]
    assert image.get_array().shape == shown and axes.get_title() == "T"
    assert len(shown) == 3 or image.get_clim() == (0, 2)
    plotting.show_tensor(torch.rand(4, 4), ax=axes)
    assert len(axes.images) == 1 and axes.images[0].get_array().shape == (4, 4)


def test_graph_is_one_curve(pyplot):
    plotting.plot_graph(torch.tensor([[1.0, 3.0]]), fig_num="g", title="T")
    assert pyplot.figure("g").axes[0].lines[0].get_ydata().tolist() == [1, 3]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plotting.plot_graph(torch.ones(2, 2)),
        lambda: plotting.show_tensor(torch.ones(5)),
        lambda: plotting.overlay_mask(np.ones((4, 4, 3)), np.ones((4, 5))),
        lambda: plotting.overlay_mask(np.ones((4, 4)), np.ones((4, 4))),
        lambda: plotting.overlay_mask(np.ones((4, 4, 3)), np.full((4, 4), 2), 0.5, np.ones((2, 3))),
    ],
)
def test_shapes_that_do_not_fit_are_value_errors(pyplot, draw):
    with pytest.raises(ValueError, match=r"give|no \(H, W\)|labels 2 to 2"):
        draw()


def test_image_with_boxes_leaves_its_input():
    image = torch.zeros(1, 3, 40, 60)
    boxes = torch.tensor([[5.0, 5, 10, 10], [30, 20, 10, 10]])
    out = plotting.show_image_with_boxes(image, boxes, torch.tensor([0.5, 0.9]), [1])
    assert out.shape == (3, 40, 60) and out.dtype == torch.float32 and not image.any()
    assert out[:, 20, 35].any() and not out[:, 5, 5:15].any()


@pytest.mark.parametrize(
    "alpha, colors, expected",
    [
        (0.5, None, [100 * 0.5 + 64, 50, 50]),
        (0.25, None, [25 + 96, 25, 25]),
        (0, [[0, 0, 0], [10, 20, 30]], [10, 20, 30]),
    ],
)
def test_mask_is_blended_into_the_foreground_alone(alpha, colors, expected):
    image, mask = np.full((4, 4, 3), 100, np.uint8), np.eye(4, dtype=bool)
    out = plotting.overlay_mask(image, mask, alpha, colors)
    assert out[1, 1].tolist() == expected and (out[~mask] == 100).all() and (image == 100).all()


def test_contour_has_the_full_colour():
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 2
    out = plotting.overlay_mask(np.zeros((20, 20, 3), np.uint8), mask, contour_thickness=1)
    assert out[5, 8].tolist() == [0, 128, 0] and out[10, 10].tolist() == [0, 64, 0]


def test_pascal_colours_are_those_of_the_palette_of_label_images():
    assert np.array_equal(plotting._pascal_color_map()[:21], davis_palette[:21])
    assert len({tuple(color) for color in plotting._pascal_color_map()}) == 256
    normalized = plotting._pascal_color_map(5, normalized=True)
    assert normalized.dtype == np.float32 and np.allclose(normalized * 255, davis_palette[:5])


def test_colours_of_objects_never_end():
    assert len({plotting.object_color(index) for index in range(60)}) > 50
