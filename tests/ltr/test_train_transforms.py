"""ltr.data.transforms, bbox and augmentation."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr.data.transforms as tfm
from ltr.admin.errors import BadValue
from ltr.data import bbox as boxes
from ltr.data.augmentation import Augmentation

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
BOX = torch.tensor([10.0, 10, 20, 20])


def test_flip():
    image, mask = tfm.RandomHorizontalFlip(1.0)(image=IMAGE, mask=IMAGE[..., 0])
    assert np.array_equal(image, IMAGE[:, ::-1]) and np.array_equal(mask, IMAGE[:, ::-1, 0])
    moved = tfm.RandomHorizontalFlip(1.0)(mask=torch.zeros(60, 80), bboxes={"1": BOX})[1]
    assert moved["1"].tolist() == [49, 10, 20, 20]
    assert tfm.RandomHorizontalFlip(0.0)(image=IMAGE) is IMAGE
    with pytest.raises(BadValue, match="image or mask"):
        tfm.RandomHorizontalFlip(1.0)(bbox=BOX)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 60), st.floats(0, 40), st.floats(1, 20), st.floats(1, 20))
def test_flip_twice_is_nothing(x, y, w, h):
    box = torch.tensor([x, y, w, h], dtype=torch.float64)
    flip = tfm.Transform(tfm.RandomHorizontalFlip(1.0), tfm.RandomHorizontalFlip(1.0))
    assert torch.allclose(flip(image=IMAGE, bbox=box)[1], box)


def test_to_tensor():
    image, mask = tfm.ToTensor()(image=IMAGE, mask=IMAGE[..., 0])
    assert image.shape == (3, 60, 80) and torch.equal(
        image, torch.tensor(IMAGE).permute(2, 0, 1) / 255
    )
    assert torch.is_tensor(mask) and mask.max() > 1
    assert tfm.ToTensor()(image=IMAGE[..., 0]).shape == (1, 60, 80)


def test_brightness_jitter():
    np.random.seed(0)
    jitter = tfm.ToTensorAndJitter(0.2)
    ratios = [
        (jitter(image=np.full((2, 2, 3), 100, np.uint8)) * 255 / 100).mean().item()
        for _ in range(200)
    ]
    assert 0.8 <= min(ratios) < 0.83 and 1.17 < max(ratios) <= 1.2
    assert tfm.ToTensorAndJitter(0.0, normalize=False)(image=IMAGE).max() == IMAGE.max()
    np.random.seed(3)
    assert tfm.ToTensorAndJitter(0.5)(image=np.full((2, 2, 3), 255, np.uint8)).max() <= 1


def test_normalize_grey_bgr():
    image = torch.ones(3, 2, 2)
    out = tfm.Normalize((0.5, 0.5, 0.5), (0.5, 0.25, 0.5))(image=image)
    assert out[:, 0, 0].tolist() == [1, 2, 1] and image.max() == 1
    tfm.Normalize((0.5,) * 3, (0.5,) * 3, inplace=True)(image=image.mul_(0.5))
    assert image.abs().max() == 0
    grey = tfm.ToGrayscale(1.0)(image=IMAGE)
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert np.abs(grey[..., 0] - IMAGE @ np.array([0.299, 0.587, 0.114])).max() <= 1
    assert np.array_equal(tfm.ToBGR()(image=IMAGE), IMAGE[..., ::-1])
    for transform in (tfm.ToGrayscale(1.0), tfm.ToBGR()):
        with pytest.raises(NotImplementedError):
            transform(image=image)


# Affine maps and blur


def disc(x, y, radius=6):
    """A frame with a white disc, its mask, and its box by pixel indices."""
    rows, columns = np.mgrid[:60, :80]
    mask = ((columns - x) ** 2 + (rows - y) ** 2 <= radius**2).astype(np.uint8)
    return (
        np.repeat(255 * mask[..., None], 3, 2),
        mask,
        torch.tensor([x - radius, y - radius, 2.0 * radius, 2 * radius]),
    )


AFFINE = {
    "nothing": {},
    "flip": {"p_flip": 1.0},
    "rotation": {"max_rotation": 20},
    "shear": {"max_shear": 0.2},
    "scale": {"max_scale": 0.2},
    "aspect ratio": {"max_ar_factor": 0.2},
    "pad": {"pad_amount": 7},
    "centre": {"max_rotation": 20, "scale_center": 0.1},
}


@pytest.mark.parametrize("kwargs", AFFINE.values(), ids=AFFINE)
def test_affine_moves_image_mask_and_box_alike(kwargs):
    random.seed(4)
    affine = tfm.RandomAffine(**kwargs)
    image, mask, box = disc(30, 25)
    for _ in range(5):
        moved, cut, near = affine(image=image, mask=mask, bbox=box)
        pad = 2 * kwargs.get("pad_amount", 0)
        assert moved.shape == (60 + pad, 80 + pad, 3) and cut.shape == (60 + pad, 80 + pad)
        assert np.mean((moved[..., 0] > 127) != (cut > 0)) < 0.01
        rows, columns = np.nonzero(cut)
        middle = (near[:2] + near[2:] / 2).tolist()
        assert middle == pytest.approx([columns.mean(), rows.mean()], abs=0.6)
    again = affine(image=image, new_roll=False)
    assert np.array_equal(again, moved)


def test_affine_rotation_keeps_distances_and_scale_keeps_directions():
    random.seed(0)
    for _ in range(20):
        turn = tfm.RandomAffine(max_rotation=20)
        matrix = turn.matrix((60, 80), *turn.roll())
        assert matrix[:, :2] @ matrix[:, :2].T == pytest.approx(np.eye(2)) and matrix[
            0, 0
        ] >= np.cos(np.radians(20))
        assert matrix @ [39.5, 29.5, 1] == pytest.approx([39.5, 29.5])
        scale = tfm.RandomAffine(max_scale=0.2, max_ar_factor=0.1)
        x, y = np.diag(scale.matrix((60, 80), *scale.roll()))
        assert abs(np.log(x)) <= 0.2 and abs(np.log(y / x)) <= 0.1 and x != y


def test_affine_borders_and_clamping():
    grey = np.full((20, 20, 3), 9, np.uint8)
    assert tfm.RandomAffine(pad_amount=5, border_mode="replicate")(image=grey).min() == 9
    assert tfm.RandomAffine(pad_amount=5)(image=grey).min() == 0
    box = tfm.RandomAffine(max_scale=0.0)(image=grey, bbox=torch.tensor([-5.0, -5, 40, 40]))[1]
    assert box.tolist() == [0, 0, 20, 20]
    assert torch.is_tensor(tfm.RandomAffine()(mask=torch.zeros(20, 20)))
    with pytest.raises(BadValue, match="choose 'constant' or 'replicate'"):
        tfm.RandomAffine(border_mode="reflect")
    with pytest.raises(NotImplementedError, match="before ToTensor"):
        tfm.RandomAffine()(image=torch.zeros(3, 4, 4))


def test_blur():
    dot = torch.zeros(3, 31, 41)
    dot[:, 15, 20] = 1
    out = tfm.Blur(2.0)(image=dot)
    assert out.shape == dot.shape and out.sum().item() == pytest.approx(3, abs=1e-5)
    assert (out[0, 15] > 0).sum() == 2 * 4 + 1  # reaches ceil(2 sigma)
    assert out[0, 15, 21] / out[0, 15, 20] == pytest.approx(np.exp(-1 / 8))
    rows = tfm.Blur((2.0, 0.0))(image=dot[None])
    assert rows.shape == (1, 3, 31, 41) and (rows[0, 0, 15] > 0).sum() == 1
    assert torch.allclose(tfm.Blur(3.0)(image=torch.ones(1, 9, 9)), torch.ones(1, 9, 9))


def test_random_blur_does_nothing_unless_enabled():
    dot = torch.zeros(1, 9, 9)
    dot[:, 4, 4] = 1
    random.seed(0)
    assert torch.equal(tfm.RandomBlur(2.0, 1.0)(image=dot), dot)
    after = random.random()
    random.seed(0)
    assert not torch.equal(tfm.RandomBlur(2.0, 1.0, enabled=True)(image=dot), dot)
    assert random.random() == after  # both draw the same numbers


# Boxes and augmentation in SiamRPN's style


def test_corner_and_center():
    assert boxes.corner2center(boxes.Corner(1, 2, 5, 10)) == boxes.Center(3, 6, 4, 8)
    assert boxes.center2corner(boxes.Center(3, 6, 4, 8)) == boxes.BBox(1, 2, 5, 10)
    assert boxes.corner2center([1, 2, 5, 10]) == (3, 6, 4, 8)
    assert (
        boxes.IoU((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
        and boxes.IoU((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    )
    assert boxes.cxy_wh_2_rect((5, 6), (4, 2)).tolist() == [3, 5, 4, 2]
    assert boxes.cxy_wh_2_rect1((5, 6), (4, 2)).tolist() == [4, 6, 4, 2]
    for there, back in (
        (boxes.cxy_wh_2_rect, boxes.rect_2_cxy_wh),
        (boxes.cxy_wh_2_rect1, boxes.rect_2_cxy_wh1),
    ):
        assert [value.tolist() for value in back(there((5, 6), (4, 2)))] == [[5, 6], [4, 2]]
    diamond = [10, 0, 20, 10, 10, 20, 0, 10]  # half the area of its hull
    assert boxes.get_min_max_bbox(diamond) == (10, 10, 20, 20)
    assert boxes.get_axis_aligned_bbox(diamond) == pytest.approx(
        (10, 10, 1 + 20 / 2**0.5, 1 + 20 / 2**0.5)
    )
    assert (
        boxes.get_axis_aligned_bbox([1, 2, 4, 6])
        == boxes.get_min_max_bbox([1, 2, 4, 6])
        == (3, 5, 4, 6)
    )
    with pytest.raises(BadValue, match="4 numbers"):
        boxes.get_min_max_bbox([1, 2, 3])


@pytest.mark.parametrize(("flip", "gray"), [(0, False), (1, False), (1, True)])
def test_augmentation_moves_the_box_with_the_image(flip, gray):
    np.random.seed(1)
    image = np.zeros((127, 127, 3), np.uint8)
    image[50:70, 40:80] = (200, 100, 50)
    for _ in range(5):
        out, box = Augmentation(shift=8, scale=0.1, blur=0, flip=flip, color=0)(
            image, boxes.Corner(40, 50, 80, 70), 100, gray
        )
        rows, columns = np.nonzero(out[..., 0] > 60 if not gray else out[..., 0] > 50)
        assert out.shape == (100, 100, 3) and (out[..., 0] == out[..., 2]).all() == gray
        assert (columns.min(), rows.min(), columns.max(), rows.max()) == pytest.approx(box, abs=1.6)


def test_augmentation_of_pixels():
    np.random.seed(0)
    image = np.full((60, 60, 3), 100, np.uint8)
    box = boxes.Corner(1, 1, 5, 5)
    plain, noisy = (
        Augmentation(0, 0, blur, 0, color)(image, box, 60)[0] for blur, color in ((1, 0), (0, 1))
    )
    assert np.abs(plain.astype(int) - 100).max() <= 1 and not np.array_equal(noisy, image)
