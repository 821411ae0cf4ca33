"""ltr.data.processing_utils: crops, and where they say the box lies."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.data import crops
from ltr.data import processing_utils as prutils

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
BOX = torch.tensor([10.0, 10, 20, 20])


def naive_crop(im, x1, y1, width, height):
    """pytracking's cut, from its description: pad the whole image; the last row and column are
    never used.
    """
    pad = 400
    padded = np.pad(im[:-1, :-1], ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    return padded[pad + y1 : pad + y1 + height, pad + x1 : pad + x1 + width]


BOXES = {
    "inside": (30, 20, 8, 6),
    "right border": (70, 20, 10, 10),
    "touches the last column": (66, 26, 8, 8),
    "left top": (-4, -3, 12, 10),
    "outside": (150, 100, 10, 10),
    "larger than the frame": (5, 5, 70, 50),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_sample_target(box):
    crop, factor = prutils.sample_target(IMAGE, torch.tensor(box, dtype=torch.float), 2.0)
    x, y, w, h = box
    side = int(np.ceil(np.sqrt(w * h) * 2))
    expected = naive_crop(
        IMAGE, round(x + 0.5 * w - side * 0.5), round(y + 0.5 * h - side * 0.5), side, side
    )
    assert factor == 1.0 and np.array_equal(crop, expected)
    crop, factor, mask = prutils.sample_target(IMAGE, box, 2.0, 64.0, np.ones((60, 80), np.uint8))
    assert crop.shape == (64, 64, 3) and mask.shape == (64, 64) and factor == 64 / side


@pytest.mark.parametrize(
    "box", [(68.0, 48, 8, 8), (74.0, 54, 6, 6)], ids=["touching", "reaching out"]
)
def test_exact_border_uses_the_last_row_and_column(box):
    exact = prutils.sample_target(IMAGE, box, 2.0, exact_border=True)[0]
    x, y, side = int(box[0] - box[2] / 2), int(box[1] - box[2] / 2), int(2 * box[2])
    assert np.array_equal(
        exact, np.pad(IMAGE, ((0, 20), (0, 20), (0, 0)), mode="edge")[y : y + side, x : x + side]
    )
    crop, crop_box = prutils.sample_target_adaptive(
        IMAGE, torch.tensor(box), 2.0, side, exact_border=True
    )
    assert np.array_equal(crop, IMAGE[-side:, -side:]) and crop_box.tolist() == [
        80 - side,
        60 - side,
        side,
        side,
    ]


def test_sample_target_masks_are_zero_outside():
    _, _, mask = prutils.sample_target(
        IMAGE, (0, 20, 20, 20), 2.0, None, np.ones((60, 80), np.uint8)
    )
    assert not mask[:, :10].any() and mask[:, 10:].all()


def test_sample_target_transt_is_the_context_crop():
    crop, factor = prutils.sample_target_transt(IMAGE, torch.tensor([30.0, 20, 20, 20]), 4.0, 256)
    assert factor == pytest.approx(3.2)
    assert np.array_equal(crop, crops.cut(IMAGE, crops.context_window((30, 20, 20, 20), 4.0, 256)))


@pytest.mark.parametrize(
    "crop", [prutils.sample_target, prutils.sample_target_transt, prutils.sample_target_adaptive]
)
@pytest.mark.parametrize("box", [(5, 5, 0, 0), (5, 5, float("nan"), 4)])
def test_boxes_without_area_are_refused(crop, box):
    with pytest.raises(BadValue, match=r"^Too small bounding box"):
        crop(IMAGE, torch.tensor(box), 2.0, 64)


# Adaptive crops: the frame is 80 x 60

ADAPTIVE = {  # box, output size, mode, max scale change -> crop box
    "free": ((30, 20, 10, 10), 64, "replicate", None, [25, 15, 20, 20]),
    "moved in": ((70, 2, 10, 10), 64, "replicate", None, [60, 0, 20, 20]),
    "moved in on two sides": ((5, 30, 30, 20), 64, "replicate", None, [0, 11, 49, 49]),
    "centred on the frame": ((5, 10, 45, 45), 64, "replicate", None, [-5, -15, 90, 90]),
    "shrunk to fit": ((30, 20, 50, 50), 64, "inside", None, [20, 0, 60, 60]),
    "shrunk until one side fits": ((30, 20, 50, 50), 64, "inside_major", None, [0, -10, 80, 80]),
    "shrunk by at most": ((30, 20, 50, 50), 64, "inside", 1.25, [0, -10, 80, 80]),
    "wide": ((20, 25, 20, 10), (64, 32), "replicate", None, [10, 20, 40, 20]),
}


@pytest.mark.parametrize(
    ("box", "size", "mode", "change", "expected"), ADAPTIVE.values(), ids=ADAPTIVE
)
def test_sample_target_adaptive(box, size, mode, change, expected):
    mask = np.full((60, 80), 200, np.uint8)
    mask[::3] = 0
    crop, crop_box, mask_crop = prutils.sample_target_adaptive(
        IMAGE, torch.tensor(box).float(), 2, size, mode, change, mask
    )
    assert crop_box.tolist() == expected
    width, height = (size, size) if isinstance(size, int) else size
    assert (
        crop.shape == (height, width, 3)
        and mask_crop.shape == (height, width)
        and set(np.unique(mask_crop)) <= {0, 200}
    )
    whole = (
        prutils.sample_target_adaptive(
            IMAGE, torch.tensor(box).float(), 2, expected[2:], mode, change
        )[0]
        if width * expected[3] == height * expected[2]
        else None
    )
    if whole is not None and expected[2] == expected[3]:
        assert np.array_equal(whole, naive_crop(IMAGE, *expected))


def test_adaptive_masks_are_zero_outside():
    _, box, mask = prutils.sample_target_adaptive(
        IMAGE, BOX, 4, 80, mask=np.ones((60, 80), np.uint8)
    )
    assert box.tolist() == [0, -10, 80, 80]
    assert not mask[:10].any() and not mask[69:].any() and mask[10:69, :79].all()


def test_unknown_crop_mode():
    with pytest.raises(BadValue, match="crop mode 'outside' is not known; choose replicate"):
        prutils.sample_target_adaptive(IMAGE, BOX, 2, 64, "outside")


def test_crops_of_a_region():
    crop, box, mask = prutils.crop_and_resize(
        IMAGE, BOX, (5, 5, 40, 20), (80, 40), np.ones((60, 80), np.uint8)
    )
    assert crop.shape == (40, 80, 3) and mask.all() and box.tolist() == [10, 10, 40, 40]
    assert np.array_equal(
        crop,
        prutils.sample_target_from_crop_region(IMAGE, torch.tensor([5.0, 5, 40, 20]), (80, 40)),
    )
    assert np.array_equal(
        prutils.crop_and_resize(IMAGE, None, (70, 50, 20, 20), 20)[0],
        naive_crop(IMAGE, 70, 50, 20, 20),
    )
    with pytest.raises(BadValue, match="Too small"):
        prutils.sample_target_from_crop_region(IMAGE, (5, 5, 0, 9), 20)


def test_float_sizes_and_masks_of_many_frames():
    frames, masks = [IMAGE] * 2, [np.ones((60, 80), np.uint8)] * 2
    images, boxes, cut = prutils.target_image_crop(
        frames, [BOX] * 2, [BOX] * 2, 2, 64.0, masks=masks
    )
    assert (
        images[1].shape == (64, 64, 3)
        and boxes[1].tolist() == pytest.approx([16, 16, 32, 32])
        and len(cut) == 2
    )
    images, _, cut = prutils.jittered_center_crop(frames, [BOX] * 2, [BOX] * 2, 2, 64.0, masks)
    assert images[1].shape == (64, 64, 3) and cut[1].shape == (64, 64)


# Round trips: where the crop's pixels come from is where the geometry says

WIDTH, HEIGHT, SIGMA, MARGIN = 320, 240, 5.0, 18  # a Gaussian spot is over within the margin


def spot(x, y):
    """A frame with a spot whose middle is (x, y), the first pixel covering 0 to 1."""
    columns, rows = np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5
    value = np.exp(-((columns - x) ** 2)[None] / (2 * SIGMA**2)) * np.exp(
        -((rows - y) ** 2)[:, None] / (2 * SIGMA**2)
    )
    return np.repeat(np.round(255 * value).astype(np.uint8)[..., None], 3, 2)


def middle(image):
    """Pixel (x, y), by index, of the middle of the spot."""
    weights = image[..., 0].astype(float)
    sums = (
        weights.sum(0) @ np.arange(weights.shape[1]),
        weights.sum(1) @ np.arange(weights.shape[0]),
    )
    return np.array(sums) / weights.sum()


def area_crop(frame, box, factor, size):
    crop, scale = prutils.sample_target(frame, box, factor, size)
    return crop, lambda pixel: (box[:2] + box[2:] / 2).numpy() + (pixel - (size - 1) / 2) / scale


def context_crop(frame, box, factor, size):
    crop, _ = prutils.sample_target_transt(frame, box, factor, size)
    window = crops.context_window(box.tolist(), factor, size)
    return crop, lambda pixel: np.array(window.corner) + (pixel + 0.5) / window.scale


def context_crop_by_box(frame, box, factor, size):
    """The mapping that boxes take: TransT rounds the window's corner down, so it is half a pixel
    off on the average.
    """
    crop, scale = prutils.sample_target_transt(frame, box, factor, size)
    return (
        crop,
        lambda pixel: (box[:2] + box[2:] / 2).numpy() - 0.5 + (pixel - (size - 1) / 2) / scale,
    )


def adaptive_crop(mode):
    def cut(frame, box, factor, size):
        crop, crop_box = prutils.sample_target_adaptive(
            frame, box, factor, (size, 3 * size // 4), mode, 1.5
        )
        scale = np.array([size, 3 * size // 4]) / crop_box[2:].numpy()
        return crop, lambda pixel: crop_box[:2].numpy() + (pixel + 0.5) / scale

    return cut


GEOMETRIES = {
    "area (pytracking)": area_crop,
    "context (TransT)": context_crop,
    "context (TransT), as boxes go": context_crop_by_box,
    **{f"adaptive {mode}": adaptive_crop(mode) for mode in prutils.CROP_MODES},
}


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(60, WIDTH - 60),
    y=st.floats(60, HEIGHT - 60),
    w=st.floats(25, 50),
    h=st.floats(25, 50),
    factor=st.floats(2.0, 4.0),
    size=st.integers(16, 40).map(lambda n: 4 * n),
    u=st.floats(-1, 1),
    v=st.floats(-1, 1),
)
def test_image_to_crop_to_image_is_within_half_a_pixel(geometry, x, y, w, h, factor, size, u, v):
    reach = (
        0.5 * 0.7 * factor * np.sqrt(w * h) - MARGIN
    )  # inside each of the windows: the flattest is 0.75 as high as wide
    at = np.clip(
        [x + u * max(reach, 0), y + v * max(reach, 0)], MARGIN, [WIDTH - MARGIN, HEIGHT - MARGIN]
    )
    if reach < 0:
        at = np.array([x, y])
    crop, to_image = geometry(spot(*at), torch.tensor([x - w / 2, y - h / 2, w, h]), factor, size)
    tolerance = 0.02 if reach > 0 else 0.3  # of the measurement, more where the spot is cut off
    assert np.abs(to_image(middle(crop)) - at).max() <= 0.5 + tolerance


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-50, 300),
    y=st.floats(-50, 300),
    w=st.floats(1, 99),
    h=st.floats(1, 99),
    dx=st.floats(-30, 30),
    scale=st.floats(0.1, 9),
    size=st.integers(20, 300),
)
def test_boxes_survive_the_way_to_the_crop_and_back(x, y, w, h, dx, scale, size):
    box, extract = (
        torch.tensor([x, y, w, h]).double(),
        torch.tensor([x + dx, y - dx, w, h]).double(),
    )
    sizes = torch.tensor([size, size]).double()
    there = prutils.transform_image_to_crop(box, extract, scale, sizes)
    crop_of_extract = prutils.transform_image_to_crop(extract, extract, scale, sizes)
    frame = (
        2 * (extract[:2] + extract[2:] / 2) + 1
    )  # the "crop" whose middle is the extracted box's
    assert torch.allclose(
        prutils.transform_image_to_crop(there, crop_of_extract, 1 / scale, frame), box, atol=1e-6
    )
    there = prutils.transform_box_to_crop(box, extract, (size, 2 * size))
    whole = torch.tensor([0.0, 0, size, 2 * size]).double()
    back = prutils.transform_box_to_crop(there, whole, tuple(extract[2:].tolist()))
    assert torch.allclose(back[2:], box[2:], atol=1e-6) and torch.allclose(
        back[:2] + extract[:2], box[:2], atol=1e-6
    )


def test_golden_context_crops(shared_dir):
    golden = np.load(shared_dir / "golden" / "seed0" / "crops.npz")
    for name, factor, size in (("template", 2, 128), ("search", 4, 256)):
        extracts, boxes = (torch.tensor(golden[key]) for key in (f"{name}.box_extract", "boxes"))
        images, mapped, _ = prutils.jittered_center_crop(
            [golden["image"]] * 8,
            list(extracts),
            list(boxes),
            factor,
            size,
            sample=prutils.sample_target_transt,
        )
        assert np.array_equal(np.stack(images), golden[f"{name}.crops"])
        assert np.allclose(torch.stack(mapped), golden[f"{name}.box_crop"], atol=2e-3)
