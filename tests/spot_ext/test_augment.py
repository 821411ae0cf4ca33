"""Photometric and geometric augmentation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.data.seeding import torch_generator
from spot_ext.training.augmentation import (
    AugmentConfig,
    TurnDraws,
    draw_pairs,
    draw_turns,
    prepare,
    to_grey,
    turn,
    turn_boxes,
)

SIZE = 64


def draws(angle: int, flip: bool, count: int = 1) -> TurnDraws:
    return TurnDraws(torch.full((count,), angle), torch.full((count,), flip))


@pytest.mark.parametrize(
    ("angle", "flip", "expected"),
    [
        (0, False, [10.0, 20.0, 12.0, 8.0]),
        (0, True, [SIZE - 1 - 22.0, 20.0, 12.0, 8.0]),
        (180, False, [SIZE - 22.0, SIZE - 28.0, 12.0, 8.0]),
    ],
    ids=["unchanged", "mirrored about the pixel centres", "half turn about pixel S/2"],
)
def test_boxes_follow_simple_turns(angle, flip, expected):
    box = turn_boxes(torch.tensor([[10.0, 20.0, 12.0, 8.0]]), draws(angle, flip), SIZE)
    torch.testing.assert_close(box, torch.tensor([expected]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("angle", [-10, 0, 7, 180, 190])
def test_box_follows_the_pixels(angle, flip):
    """A filled ellipse drawn into the image ends up where its box ends up."""
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    inside = ((x - 24) / 9.0) ** 2 + ((y - 36) / 14.0) ** 2 <= 1
    image = inside.float().expand(1, 3, SIZE, SIZE)
    turned = turn(image, torch.zeros(1, 3), draws(angle, flip))[0, 0] > 0.5
    rows, columns = turned.any(1).nonzero(), turned.any(0).nonzero()
    seen = torch.tensor(
        [columns.min(), rows.min(), columns.max() - columns.min(), rows.max() - rows.min()]
    ).float()
    box = turn_boxes(torch.tensor([[15.0, 22.0, 18.0, 28.0]]), draws(angle, flip), SIZE)[0]
    torch.testing.assert_close(box, seen, atol=1.5, rtol=0)


def test_fill_colour_stands_outside():
    image, fill = torch.zeros(1, 3, SIZE, SIZE), torch.tensor([[1.0, 2.0, 3.0]])
    corner = turn(image, fill, draws(10, False))[0, :, 0, 0]
    torch.testing.assert_close(corner, fill[0])


@pytest.mark.parametrize(
    ("reference", "expected"),
    [(False, [0.0, 10.0, 30.0, 40.0]), (True, [0.0, 10.0, 50.0, 40.0])],
    ids=["clipped", "reference: moved without shrinking"],
)
def test_boxes_beyond_the_border(reference, expected):
    box = turn_boxes(
        torch.tensor([[-20.0, 10.0, 50.0, 40.0]]), draws(0, False), SIZE, reference_clamp=reference
    )
    torch.testing.assert_close(box, torch.tensor([expected]), atol=1e-3, rtol=0)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-20, 70),
    st.floats(-20, 70),
    st.floats(1, 60),
    st.floats(1, 60),
    st.integers(-180, 190),
    st.booleans(),
)
def test_turned_boxes_stay_in_the_crop(x, y, w, h, angle, flip):
    box = turn_boxes(torch.tensor([[x, y, w, h]]), draws(angle, flip), SIZE)[0]
    assert (
        (box[2:] >= 0).all() and (box[:2] >= 0).all() and (box[:2] + box[2:] <= SIZE + 1e-3).all()
    )


def test_grey_is_luminance_and_only_where_chosen():
    values = torch.rand(2, 3, 4, 4)
    grey = to_grey(values, torch.tensor([True, False]))
    expected = 0.2989 * values[0, 0] + 0.5870 * values[0, 1] + 0.1140 * values[0, 2]
    assert all(torch.allclose(grey[0, channel], expected) for channel in range(3))
    assert torch.equal(grey[1], values[1])
    tinted = to_grey(values, torch.tensor([True, True]), reference=True)
    assert not torch.allclose(tinted[0, 0], tinted[0, 1])


def test_image_and_fill_colour_change_alike():
    """The colour outside a turned crop must be what a constant image of that colour becomes."""
    config, count = AugmentConfig(grey=0.5), 16
    pairs = draw_pairs(count, config, torch_generator(0, "test"))
    colours = torch.randint(0, 256, (count, 3)).float()
    images = colours[..., None, None].expand(count, 3, 2, 2)
    torch.testing.assert_close(
        prepare(images, pairs.search_factors, pairs.grey)[..., 0, 0],
        prepare(colours, pairs.search_factors, pairs.grey),
    )


def test_draws_follow_the_configuration():
    config, count = AugmentConfig(), 4000
    pairs = draw_pairs(count, config, torch_generator(1, "pairs"))
    turns = draw_turns(count, config, torch_generator(1, "turns"))
    assert pairs.search_factors.min() >= 0.8 and pairs.search_factors.max() <= 1.2
    assert not torch.equal(pairs.search_factors, pairs.template_factors)
    assert set(turns.angles.tolist()) <= set(range(-10, 11)) | set(range(170, 191))
    for share, probability in (
        (pairs.grey, 0.05),
        (turns.flips, 0.35),
        (turns.angles >= 170, 0.10),
    ):
        assert abs(share.float().mean().item() - probability) < 0.02
    again = draw_turns(count, config, torch_generator(1, "turns"))
    assert torch.equal(turns.angles, again.angles) and torch.equal(turns.flips, again.flips)
