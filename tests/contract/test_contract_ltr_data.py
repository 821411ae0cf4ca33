"""Contract checks H01-H07: samplers, processing, transforms, crops, collation. Ids are those of its
section M.
"""

import random

import numpy as np
import pytest
import torch

import ltr.data.transforms as tfm
from ltr.admin.tensordict import TensorDict
from ltr.admin.tensorlist import TensorList
from ltr.data import LTRLoader, processing, sampler
from ltr.data import processing_utils as prutils
from ltr.data.bounding_box_utils import masks_to_bboxes
from ltr.data.loader import ltr_collate
from ltr.dataset.base_video_dataset import BaseVideoDataset

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
BOX = torch.tensor([10.0, 10, 20, 20])


class Videos(BaseVideoDataset):
    """Sequences of the given visibility; the box of frame i starts at x = i."""

    def __init__(self, *visible, name="mine"):
        super().__init__(name, "")
        self.visible, self.sequence_list = visible, list(range(len(visible)))

    def get_name(self):
        return self.name

    def get_sequence_info(self, seq_id):
        visible = torch.as_tensor(self.visible[seq_id], dtype=torch.uint8)
        bbox = torch.arange(len(visible)).float()[:, None] + torch.tensor([0.0, 10, 20, 20])
        return {"bbox": bbox, "valid": visible > 0, "visible": visible}

    def get_frames(self, seq_id, frame_ids, anno=None):
        return (
            [IMAGE for _ in frame_ids],
            {key: [value[i, ...].clone() for i in frame_ids] for key, value in anno.items()},
            {"object_class_name": "x"},
        )


def test_H01_dimp_batches_have_the_published_shapes():
    process = processing.DiMPProcessing(
        5.0,
        288,
        {"train": 3, "test": 4.5},
        {"train": 0.25, "test": 0.5},
        mode="sequence",
        proposal_params={
            "min_iou": 0.1,
            "boxes_per_frame": 8,
            "sigma_factor": [0.01, 0.05, 0.1, 0.2, 0.3],
        },
        label_function_params={"feature_sz": 18, "sigma_factor": 0.05, "kernel_sz": 4},
        joint_transform=tfm.Transform(tfm.ToGrayscale(0.05)),
        transform=tfm.Transform(tfm.ToTensorAndJitter(0.2)),
    )
    samples = sampler.DiMPSampler([Videos(np.ones(40))], None, 4, 30, 3, 3, process)
    batch = next(iter(LTRLoader("train", samples, batch_size=2, stack_dim=1, seed=0)))
    assert {
        key: tuple(value.shape) if torch.is_tensor(value) else value for key, value in batch.items()
    } == {
        "train_images": (3, 2, 3, 288, 288),
        "train_anno": (3, 2, 4),
        "test_images": (3, 2, 3, 288, 288),
        "test_anno": (3, 2, 4),
        "dataset": ["mine"] * 2,
        "test_class": ["x"] * 2,
        "test_proposals": (3, 2, 8, 4),
        "proposal_iou": (3, 2, 8),
        "train_label": (3, 2, 19, 19),
        "test_label": (3, 2, 19, 19),
    }
    assert batch["proposal_iou"].min() >= -1 and batch["proposal_iou"].max() <= 1


VISIBLE_25 = np.array([1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1])


@pytest.mark.parametrize("mode", ["causal", "interval"])
def test_H02_sampler_draws_visible_frames_within_the_gap(mode):
    samples = sampler.TrackingSampler(
        [Videos(VISIBLE_25)], None, 10, 8, 2, 2, frame_sample_mode=mode
    )
    random.seed(0)
    before = 0
    for _ in range(200):
        drawn = samples[0]
        train, test = ([int(box[0]) for box in drawn[f"{name}_anno"]] for name in ("train", "test"))
        assert len(train) == len(test) == 2 and VISIBLE_25[train + test].all()
        assert all(abs(i - train[0]) <= 8 + 5 for i in train + test)
        assert mode == "interval" or max(train) < min(test)
        before += min(test) < train[0]
    assert (before > 30) == (mode == "interval")
    assert drawn["dataset"] == "mine" and drawn["test_class"] == "x" and len(samples) == 10


@pytest.mark.parametrize(("given", "expected"), [(None, [0.75, 0.25]), ([1, 3], [0.25, 0.75])])
def test_H02_sampler_probabilities(given, expected):
    one = np.ones(20)
    assert (
        sampler.TrackingSampler([Videos(one, one, one), Videos(one)], given, 1, 5, 1).p_datasets
        == expected
    )


def test_H02_short_and_hidden_sequences_are_not_drawn():
    samples = sampler.TrackingSampler(
        [Videos(np.ones(19), np.r_[np.ones(4), np.zeros(30)], np.ones(20), np.ones(21))],
        None,
        1,
        5,
        1,
    )
    random.seed(0)
    assert {samples._draw_frames(samples.datasets[0])[0] for _ in range(50)} == {2, 3}


def test_H03_flip():
    assert tfm.RandomHorizontalFlip(1.0)(image=IMAGE, bbox=BOX)[1].tolist() == [49, 10, 20, 20]


def test_H03_crop():
    crop, factor = prutils.sample_target(IMAGE, torch.tensor([70.0, 20, 10, 10]), 2.0, 40)
    assert factor == 2.0 and crop.shape == (40, 40, 3)
    bare, _ = prutils.sample_target(IMAGE, torch.tensor([70.0, 20, 10, 10]), 2.0)
    assert (
        np.array_equal(bare[:, :14], IMAGE[15:35, 65:79]) and (bare[:, 14:] == bare[:, 13:14]).all()
    )  # column 79 is dropped


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("replicate", [-21, -31, 123, 123]),
        ("inside", [-1, -11, 82, 82]),
        ("inside_major", [-1, -11, 82, 82]),
    ],
)
def test_H03_adaptive_crop(mode, expected):
    crop, box = prutils.sample_target_adaptive(
        IMAGE, torch.tensor([5.0, 30, 30, 20]), 5, 64, mode, 1.5
    )
    assert box.tolist() == expected and crop.shape == (64, 64, 3)


def test_H03_gaussian_label():
    label = prutils.gaussian_label_function(torch.tensor([134.0, 134, 20, 20]), 0.05, 4, 18, 288)
    assert label.shape == (1, 19, 19) and label[0, 9, 9] == label.max() == 1.0


def test_H03_jittered_center_crop():
    images, boxes, masks = prutils.jittered_center_crop(
        [IMAGE], [BOX], [torch.tensor([12.0, 10, 20, 20])], 2, 64
    )
    assert images[0].shape == (64, 64, 3) and masks is None
    assert boxes[0].tolist() == pytest.approx([18.7, 15.5, 32, 32])


@pytest.mark.parametrize(
    ("fmt", "expected"), [("c", [6, 3.5, 6, 3]), ("t", [3, 2, 6, 3]), ("v", [3, 2, 8, 4])]
)
def test_H04_masks_to_bboxes(fmt, expected):
    mask = torch.zeros(2, 10, 12)
    mask[0, 2:5, 3:9] = 7
    empty = {"c": [0.5, 0.5, 1, 1], "t": [0, 0, 1, 1], "v": [0, 0, 0, 0]}[fmt]
    assert masks_to_bboxes(mask, fmt).tolist() == [expected, empty]


class Count(tfm.TransformBase):
    """Adds a number that grows with each roll."""

    rolls = 0

    def roll(self):
        self.rolls += 1
        return self.rolls

    def transform_image(self, image, number):
        return image + number


def test_H05_joint_and_new_roll():
    chain = tfm.Transform([Count()])
    assert chain(image=[0, 0]) == [1, 1]  # one draw for all
    assert chain(image=[0, 0], joint=False) == [2, 3]
    assert chain(image=0, new_roll=False) == 3
    assert chain(image=[0, 0], bbox=[BOX, BOX], joint=False) == ([4, 5], [BOX, BOX])
    assert chain(bbox=BOX, image=0)[1] == 6  # results in the order of the keywords


def test_H05_joint_flip_is_the_same_for_all_frames():
    random.seed(1)
    flip = tfm.Transform(tfm.RandomHorizontalFlip(0.5))
    flipped = [flip(image=[IMAGE] * 4) for _ in range(20)]
    assert all(np.array_equal(a, group[0]) for group in flipped for a in group)
    assert 3 < sum(np.array_equal(group[0], IMAGE) for group in flipped) < 17
    assert np.array_equal(flip(image=IMAGE, new_roll=False), flipped[-1][0])


def test_H05_keyword_errors():
    with pytest.raises(ValueError, match="did you mean 'image'"):
        tfm.Transform(Count())(imag=0)
    with pytest.raises(ValueError, match="earlier call"):
        tfm.Transform(Count())(image=0, new_roll=False)


T = torch.zeros(2, 3)
COLLATED = {
    "tensor": ([T, T], lambda x: x.shape == (2, 2, 3)),
    "array": (
        [np.zeros((2, 3)), np.zeros((2, 3))],
        lambda x: x.shape == (2, 2, 3) and x.dtype == torch.float64,
    ),
    "numpy scalar": (
        [np.float32(1), np.float32(2)],
        lambda x: x.tolist() == [1, 2] and x.dtype == torch.float32,
    ),
    "int": ([1, 2], lambda x: x.dtype == torch.int64),
    "bool": ([True, False], lambda x: x.dtype == torch.int64),
    "float": ([1.0, 2.0], lambda x: x.dtype == torch.float64),
    "text": (["a", "b"], lambda x: x == ["a", "b"]),
    "none": ([None, None], lambda x: x == [None, None]),
    "dict": ([{"a": 1}, {"a": 2}], lambda x: type(x) is dict and x["a"].tolist() == [1, 2]),
    "TensorDict": (
        [TensorDict(a=T)] * 2,
        lambda x: type(x) is TensorDict and x["a"].shape == (2, 2, 3),
    ),
    "TensorList": (
        [TensorList([T, 1])] * 3,
        lambda x: type(x) is TensorList and x[0].shape == (3, 2, 3) and x[1].tolist() == [1, 1, 1],
    ),
    "tuple": ([(1, "a"), (2, "b")], lambda x: type(x) is list and x[1] == ["a", "b"]),
}


@pytest.mark.parametrize(("batch", "expected"), COLLATED.values(), ids=COLLATED)
def test_H06_collate(batch, expected):
    assert expected(ltr_collate(batch))


def test_H07_transt_processing_of_one_frame_each():
    process = processing.TransTProcessing(
        4.0,
        2.0,
        256,
        128,
        {"search": 3, "template": 0},
        {"search": 0.25, "template": 0},
        transform=tfm.ToTensorAndJitter(0.2),
        joint_transform=tfm.ToGrayscale(0.05),
    )
    out = process(
        TensorDict(
            template_images=[IMAGE], template_anno=[BOX], search_images=[IMAGE], search_anno=[BOX]
        )
    )
    assert {key: tuple(value.shape) for key, value in out.items()} == {
        "template_images": (3, 128, 128),
        "template_anno": (4,),
        "search_images": (3, 256, 256),
        "search_anno": (4,),
    }
