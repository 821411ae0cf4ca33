"""ltr.data.transforms, processing_utils, processing."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr.data.transforms as tfm
from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data import crops, processing
from ltr.data import processing_utils as prutils

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
BOX = torch.tensor([10.0, 10, 20, 20])


class Count(tfm.TransformBase):
    """Adds a number that grows with each roll."""

    rolls = 0

    def roll(self):
        self.rolls += 1
        return self.rolls

    def transform_image(self, image, number):
        return image + number


def test_flip():
    image, mask, box = tfm.RandomHorizontalFlip(1.0)(image=IMAGE, mask=IMAGE[..., 0], bbox=BOX)
    assert np.array_equal(image, IMAGE[:, ::-1]) and np.array_equal(mask, IMAGE[:, ::-1, 0])
    assert box.tolist() == [49, 10, 20, 20]
    boxes = tfm.RandomHorizontalFlip(1.0)(mask=torch.zeros(60, 80), bboxes={"1": BOX})[1]
    assert boxes["1"].tolist() == [49, 10, 20, 20]
    assert tfm.RandomHorizontalFlip(0.0)(image=IMAGE) is IMAGE
    with pytest.raises(BadValue, match="image or mask"):
        tfm.RandomHorizontalFlip(1.0)(bbox=BOX)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 60), st.floats(0, 40), st.floats(1, 20), st.floats(1, 20))
def test_flip_twice_is_nothing(x, y, w, h):
    box = torch.tensor([x, y, w, h], dtype=torch.float64)
    flip = tfm.Transform(tfm.RandomHorizontalFlip(1.0), tfm.RandomHorizontalFlip(1.0))
    assert torch.allclose(flip(image=IMAGE, bbox=box)[1], box)


def test_joint_and_new_roll():
    chain = tfm.Transform([Count()])
    assert chain(image=[0, 0]) == [1, 1]  # one draw for all
    assert chain(image=[0, 0], joint=False) == [2, 3]
    assert chain(image=0, new_roll=False) == 3
    assert chain(image=[0, 0], bbox=[BOX, BOX], joint=False) == ([4, 5], [BOX, BOX])
    assert chain(bbox=BOX, image=0)[1] == 6  # results in the order of the keywords
    with pytest.raises(ValueError, match="did you mean 'image'"):
        chain(imag=0)
    with pytest.raises(ValueError, match="earlier call"):
        tfm.Transform(Count())(image=0, new_roll=False)


def test_joint_flip_is_the_same_for_all_frames():
    random.seed(1)
    flip = tfm.Transform(tfm.RandomHorizontalFlip(0.5))
    flipped = [flip(image=[IMAGE] * 4) for _ in range(20)]
    assert all(np.array_equal(a, group[0]) for group in flipped for a in group)
    assert 3 < sum(np.array_equal(group[0], IMAGE) for group in flipped) < 17
    assert np.array_equal(flip(image=IMAGE, new_roll=False), flipped[-1][0])


def test_to_tensor():
    image, mask = tfm.ToTensor()(image=IMAGE, mask=IMAGE[..., 0])
    assert image.shape == (3, 60, 80) and torch.equal(image, torch.tensor(IMAGE).permute(2, 0, 1) / 255)
    assert torch.is_tensor(mask) and mask.max() > 1
    assert tfm.ToTensor()(image=IMAGE[..., 0]).shape == (1, 60, 80)


def test_brightness_jitter():
    np.random.seed(0)
    jitter = tfm.ToTensorAndJitter(0.2)
    ratios = [(jitter(image=np.full((2, 2, 3), 100, np.uint8)) * 255 / 100).mean().item() for _ in range(200)]
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


# Crops

def naive_sample_target(im, box, factor):
    """pytracking's geometry, from its description: pad the whole image; the last row and column are never used."""
    x, y, w, h = box
    side = int(np.ceil(np.sqrt(w * h) * factor))
    x1, y1 = round(x + 0.5 * w - side * 0.5), round(y + 0.5 * h - side * 0.5)
    pad = 400
    padded = np.pad(im[:-1, :-1], ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    return padded[pad + y1:pad + y1 + side, pad + x1:pad + x1 + side]


BOXES = {"inside": (30, 20, 8, 6), "right border": (70, 20, 10, 10), "touches the last column": (66, 26, 8, 8),
         "left top": (-4, -3, 12, 10), "outside": (150, 100, 10, 10), "larger than the frame": (5, 5, 70, 50)}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_sample_target(box):
    crop, factor = prutils.sample_target(IMAGE, torch.tensor(box, dtype=torch.float), 2.0)
    assert factor == 1.0 and np.array_equal(crop, naive_sample_target(IMAGE, box, 2.0))
    crop, factor, mask = prutils.sample_target(IMAGE, box, 2.0, 64.0, np.ones((60, 80), np.uint8))
    side = int(np.ceil(np.sqrt(box[2] * box[3]) * 2))
    assert crop.shape == (64, 64, 3) and mask.shape == (64, 64) and factor == 64 / side


def test_sample_target_masks_are_zero_outside():
    _, _, mask = prutils.sample_target(IMAGE, (0, 20, 20, 20), 2.0, None, np.ones((60, 80), np.uint8))
    assert not mask[:, :10].any() and mask[:, 10:].all()


def test_jittered_center_crop_shifts_the_box():
    images, boxes, masks = prutils.jittered_center_crop([IMAGE], [BOX], [torch.tensor([12.0, 10, 20, 20])], 2, 64)
    assert images[0].shape == (64, 64, 3) and masks is None
    assert boxes[0].tolist() == pytest.approx([18.7, 15.5, 32, 32])


@pytest.mark.parametrize("crop", [prutils.sample_target, prutils.sample_target_transt])
@pytest.mark.parametrize("box", [(5, 5, 0, 0), (5, 5, float("nan"), 4)])
def test_boxes_without_area_are_refused(crop, box):
    with pytest.raises(BadValue, match=r"^Too small bounding box"):
        crop(IMAGE, torch.tensor(box), 2.0, 64)


def test_sample_target_transt_is_the_context_crop():
    crop, factor = prutils.sample_target_transt(IMAGE, torch.tensor([30.0, 20, 20, 20]), 4.0, 256)
    assert factor == pytest.approx(3.2)
    assert np.array_equal(crop, crops.cut(IMAGE, crops.context_window((30, 20, 20, 20), 4.0, 256)))


def test_golden_crops_and_jitter(shared_dir, monkeypatch):
    golden = np.load(shared_dir / "golden" / "seed0" / "crops.npz")
    for name, factor, size in (("template", 2, 128), ("search", 4, 256)):
        extracts, boxes = (torch.tensor(golden[key]) for key in (f"{name}.box_extract", "boxes"))
        images, mapped, _ = prutils.jittered_center_crop([golden["image"]] * 8, list(extracts), list(boxes), factor,
                                                         size, sample=prutils.sample_target_transt)
        assert np.array_equal(np.stack(images), golden[f"{name}.crops"])
        assert np.allclose(torch.stack(mapped), golden[f"{name}.box_crop"], atol=2e-3)
    process = processing.TransTProcessing(4, 2, 256, 128, {"search": float(golden["jitter.center"])},
                                          {"search": float(golden["jitter.scale"])})
    for i in range(8):
        monkeypatch.setattr(torch, "randn", lambda n, i=i: torch.tensor(golden["jitter.randn"][i]))
        monkeypatch.setattr(torch, "rand", lambda n, i=i: torch.tensor(golden["jitter.rand"][i]))
        box = process._get_jittered_box(torch.tensor(golden["jitter.boxes_in"][i]), "search")
        assert np.allclose(box, golden["jitter.boxes_out"][i], atol=1e-4)


# Processing

def sample(frames=1):
    return TensorDict(template_images=[IMAGE] * frames, template_anno=[BOX.clone()] * frames,
                      search_images=[IMAGE] * frames, search_anno=[BOX.clone()] * frames)


JITTER = {"center_jitter_factor": {"search": 3, "template": 0}, "scale_jitter_factor": {"search": 0.25, "template": 0}}


def test_transt_processing():
    process = processing.TransTProcessing(4.0, 2.0, 256, 128, **JITTER, transform=tfm.ToTensorAndJitter(0.2),
                                          joint_transform=tfm.Transform(tfm.ToGrayscale(0.05)))
    data = sample()
    out = process(data)
    assert {key: tuple(value.shape) for key, value in out.items()} == {
        "template_images": (3, 128, 128), "template_anno": (4,), "search_images": (3, 256, 256), "search_anno": (4,)}
    assert out["template_anno"].tolist() == pytest.approx([31.5, 31.5, 64, 64])  # centred, (crop - 1) / 2
    assert torch.equal(data["search_anno"][0], BOX) and data["search_images"][0] is IMAGE


def test_transt_processing_of_sequences():
    out = processing.TransTProcessing(4.0, 2.0, 256, 128, **JITTER, mode="sequence")(sample(3))
    assert out["search_images"].shape == (3, 3, 256, 256) and out["search_anno"].shape == (3, 4)
    with pytest.raises(BadValue, match="one search frame"):
        processing.TransTProcessing(4.0, 2.0, 256, 128, **JITTER)(sample(3))
    with pytest.raises(BadValue, match="mode"):
        processing.TransTProcessing(4.0, 2.0, 256, 128, **JITTER, mode="pairs")


def test_joint_transform_uses_one_draw_for_both_sets():
    random.seed(0)
    process = processing.TransTProcessing(4.0, 2.0, 64, 64, **JITTER, joint_transform=tfm.ToGrayscale(0.5))
    for _ in range(10):
        out = process(sample())
        grey = [bool((out[f"{name}_images"][0] == out[f"{name}_images"][2]).all()) for name in ("search", "template")]
        assert grey[0] == grey[1]


def test_base_processing_accepts_both_families_of_names():
    a, b = tfm.Transform(), tfm.Transform()
    for kwargs in ({"train_transform": a, "test_transform": b}, {"template_transform": a, "search_transform": b}):
        transform = processing.BaseProcessing(joint_transform=None, **kwargs).transform
        assert transform["train"] is transform["template"] is a and transform["test"] is transform["search"] is b
        assert transform["joint"] is None
    assert torch.is_tensor(processing.BaseProcessing().transform["train"](image=IMAGE))
    assert processing.stack_tensors([BOX, BOX]).shape == (2, 4) and processing.stack_tensors("x") == "x"
