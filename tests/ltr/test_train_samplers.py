"""ltr.data.sampler beyond TrackingSampler: clips with masks, uninterrupted stretches, several
targets.
"""

import random

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue
from ltr.data import LTRLoader, sampler
from ltr.dataset.base_video_dataset import BaseVideoDataset

LONG = np.ones(60)
HALF = np.arange(60) % 2  # odd frames are visible
SPELL = np.r_[np.ones(20), np.zeros(8), np.ones(20)]  # hidden from 20 to 27


class Videos(BaseVideoDataset):
    """Sequences of the given visibility; the box of frame i starts at x = i, as do masks and images
    of value i.
    """

    def __init__(self, *visible, video=True, masks=True, mot=False):
        super().__init__("mine", "")
        self.visible, self.sequence_list = visible, list(range(len(visible)))
        self.video, self.masks, self.mot = video, masks, mot

    def get_name(self):
        return "mine"

    def is_video_sequence(self):
        return self.video

    def is_mot_dataset(self):
        return self.mot

    def get_sequence_info(self, seq_id):
        visible = torch.as_tensor(self.visible[seq_id], dtype=torch.uint8)
        bbox = torch.arange(len(visible)).float()[:, None] + torch.tensor([0.0, 1, 2, 3])
        return {
            "bbox": bbox,
            "valid": visible > 0,
            "visible": torch.stack([visible, 0 * visible], 1) if self.mot else visible,
        }

    def get_frames(self, seq_id, frame_ids, anno=None):
        picked = {key: [value[i, ...].clone() for i in frame_ids] for key, value in anno.items()}
        if self.masks:
            picked["mask"] = [np.full((4, 4), i, np.uint8) for i in frame_ids]
        if self.mot:
            picked["bbox"] = [{"7": box} for box in picked["bbox"]]
        return (
            [np.full((4, 4, 3), i, np.uint8) for i in frame_ids],
            picked,
            {"object_class_name": "x"},
        )


def ids(sample, name):
    return [int(image[0, 0, 0]) for image in sample[f"{name}_images"]]


@pytest.mark.parametrize(
    "make", [sampler.DiMPSampler, sampler.ATOMSampler, sampler.TrackingSampler]
)
def test_other_names_of_the_tracking_sampler(make):
    made = (
        make([Videos(LONG)], [1], 5, 10, 2)
        if make is not sampler.ATOMSampler
        else make([Videos(LONG)], [1], 5, 10)
    )
    expected = ("interval", 1, 1) if make is sampler.ATOMSampler else ("causal", 2, 1)
    assert (made.frame_sample_mode, made.num_test_frames, made.num_train_frames) == expected
    assert len(made) == 5
    assert list(made[0]) == [
        "train_images",
        "train_anno",
        "test_images",
        "test_anno",
        "dataset",
        "test_class",
    ]


# Clips with masks


@pytest.mark.parametrize(
    ("p_reverse", "backwards"), [(None, {False}), (1.0, {True}), (0.5, {False, True})]
)
def test_lwl_clips_run_in_one_direction(p_reverse, backwards):
    clips = sampler.LWLSampler(
        [Videos(HALF)], None, 5, 12, num_test_frames=3, num_train_frames=2, p_reverse=p_reverse
    )
    random.seed(0)
    seen = set()
    for _ in range(60):
        sample = clips[0]
        train, test = ids(sample, "train"), ids(sample, "test")
        assert (
            HALF[train + test].all() and [int(mask[0, 0]) for mask in sample["test_masks"]] == test
        )
        assert [int(box[0]) for box in sample["train_anno"]] == train
        reverse = test[0] < train[0]
        seen.add(reverse)
        assert sorted(train, reverse=reverse) == train and sorted(test, reverse=reverse) == test
        assert min(test) > max(train) or max(test) < min(train)
        assert abs(test[-1] - train[-1]) <= 12 + 5
    assert seen == backwards
    assert list(sample) == [
        "train_images",
        "train_masks",
        "train_anno",
        "test_images",
        "test_masks",
        "test_anno",
        "dataset",
        "test_class",
    ]


def test_lwl_takes_short_sequences_and_images():
    assert len(ids(sampler.LWLSampler([Videos(np.ones(6))], None, 1, 10, 1)[0], "test")) == 1
    assert ids(
        sampler.LWLSampler([Videos(np.ones(2), video=False)], None, 1, 10, 2)[0], "test"
    ) == [1, 1]


def test_lwl_needs_masks():
    with pytest.raises(BadInput, match="mine has no masks"):
        sampler.LWLSampler([Videos(LONG, masks=False)], None, 1, 10, 1)[0]


# Stretches


def stretches(*visible, occluded=False, video=True, **info):
    return sampler.KYSSampler(
        [Videos(*visible, video=video)],
        None,
        5,
        {"num_train_frames": 2, "num_test_frames": 10, "max_train_gap": 15, **info},
        sample_occluded_sequences=occluded,
    )


def test_kys_stretches_follow_their_train_frames():
    random.seed(0)
    some_hidden = 0
    for _ in range(100):
        sample = stretches(SPELL)[0]
        train, test = ids(sample, "train"), ids(sample, "test")
        real = sample["test_valid_image"]
        assert (
            SPELL[train].all()
            and max(train) < test[0]
            and test[0] - min(train) <= 15 + 20
            and SPELL[test[0]]
        )
        assert test == [min(test[0] + i, 47) for i in range(10)] and real.tolist() == [
            test[0] + i <= 47 for i in range(10)
        ]
        assert sample["test_visible"].tolist() == [
            bool(SPELL[i]) and r for i, r in zip(test, real.tolist(), strict=True)
        ]
        some_hidden += not SPELL[test].all()
    assert 10 < some_hidden < 90
    keys = ("test_valid_anno", "test_visible", "test_valid_image", "test_visible_ratio")
    assert all(sample[key].shape == (10,) for key in keys)


RULES = {
    "no missing target": ({"allow_missing_target": False}, lambda test, real: SPELL[test].all()),
    "no repeats": ({"min_fraction_valid_frames": 1.0}, lambda test, real: real.all()),
    "few repeats": ({"min_fraction_valid_frames": 0.5}, lambda test, real: real.sum() >= 5),
    "occluded": ({"occluded": True}, lambda test, real: not SPELL[test].all()),
}


@pytest.mark.parametrize(("info", "holds"), RULES.values(), ids=RULES)
def test_kys_rules(info, holds):
    random.seed(0)
    samples = [stretches(SPELL, **info)[0] for _ in range(60)]
    assert all(holds(ids(sample, "test"), sample["test_valid_image"]) for sample in samples)


def test_kys_images_and_arguments():
    sample = stretches(np.ones(2), video=False)[0]
    assert ids(sample, "test") == [1] * 10 and sample["test_valid_image"].all()
    assert sampler.KYSSampler([Videos(LONG), Videos(LONG, LONG)], None, 1, {}).p_datasets == [
        0.5,
        0.5,
    ]
    with pytest.raises(BadValue, match="did you mean 'max_train_gap'"):
        stretches(LONG, max_gap=3)
    with pytest.raises(BadValue, match="choose 'Sequence'"):
        stretches(LONG, mode="Frames")


# Several targets


def test_tamos_boxes_are_dicts():
    random.seed(0)
    samples = sampler.TaMOsDatasetSampler(
        [Videos(LONG), Videos(LONG, mot=True)], None, 5, {"sot": 5, "mot": 9}, 1
    )
    drawn = [samples[0] for _ in range(30)]
    assert {tuple(box) for sample in drawn for box in sample["test_anno"]} == {("1",), ("7",)}
    with pytest.raises(BadValue, match="'sot' and 'mot'"):
        sampler.TaMOsDatasetSampler([Videos(LONG)], None, 5, {"sot": 5}, 1)


@pytest.mark.parametrize(("use_gap", "furthest"), [(False, range(30, 41)), (True, range(1, 4))])
def test_tamos_frames_share_a_stretch_or_a_gap(use_gap, furthest):
    random.seed(0)
    samples = sampler.TaMOsDatasetSampler(
        [Videos(np.ones(250), mot=True)], None, 5, 3, 1, buffer_size=40, use_gap=use_gap
    )
    apart = [
        abs(ids(sample, "test")[0] - ids(sample, "train")[0])
        for sample in (samples[0] for _ in range(200))
    ]
    assert max(apart) in furthest
    assert max(ids(samples[0], "test")[0] for _ in range(50)) > 150  # all of the video is used


# Candidates


class States(Videos):
    def get_sequence_info(self, seq_id):
        return {"state": self.visible[seq_id]}

    def get_frames(self, seq_id, frame_ids):
        return {"images": [self.visible[seq_id][i] for i in frame_ids], "ids": list(frame_ids)}, {}


def test_candidate_frames_are_in_the_states_asked_for():
    random.seed(0)
    data = States("DDHHKHHG", "DDDD")
    make = sampler.SequentialTargetCandidateMatchingSampler
    samples = make(
        data,
        9,
        ["self_sup", "partial_sup"],
        [1, 3],
        subseq_modes=["HH", "HK"],
        p_subseq_modes=[1, 1],
        frame_modes=["H"],
    )
    drawn = [samples[0] for _ in range(80)]
    states = ["".join(sample["images"]) for sample in drawn]
    assert set(states) == {"H", "HH", "HK"} and 10 < states.count("H") < 30 and len(samples) == 9
    assert all(
        sample["sup_mode"] == ("self_sup" if len(state) == 1 else "partial_sup")
        for sample, state in zip(drawn, states, strict=True)
    )
    assert all(
        np.diff(sample["ids"]).tolist() == [1] * (len(sample["ids"]) - 1) for sample in drawn
    )
    assert {"".join(make(data, 1, ["self_sup"])[0]["images"]) for _ in range(60)} == set("DHKG")


def test_wrong_candidate_modes(monkeypatch):
    make = sampler.SequentialTargetCandidateMatchingSampler
    with pytest.raises(BadValue, match="did you mean 'self_sup'"):
        make(States("D"), 1, ["self"])
    with pytest.raises(BadValue, match="p_frame_modes"):
        make(States("D"), 1, ["self_sup"], frame_modes=["D"], p_frame_modes=[1, 2])
    monkeypatch.setattr("ltr.data.sampler.base.SEQUENCE_DRAWS", 10)
    with pytest.raises(BadInput, match=r"1 frame\(s\) in state 'H'"):
        make(States("D"), 1, ["self_sup"], frame_modes=["H"])[0]


# Bounds and seeds

HOPELESS = {
    "DiMP": lambda data: sampler.DiMPSampler([data], None, 1, 5, 3),
    "LWL": lambda data: sampler.LWLSampler([data], None, 1, 5, 3),
    "KYS": lambda data: sampler.KYSSampler([data], None, 1, {"num_test_frames": 3}),
    "TaMOs": lambda data: sampler.TaMOsDatasetSampler([data], None, 1, 5, 3),
}


@pytest.mark.parametrize("make", HOPELESS.values(), ids=HOPELESS)
def test_a_data_set_without_suitable_sequences_is_named(make, monkeypatch):
    monkeypatch.setattr("ltr.data.sampler.base.SEQUENCE_DRAWS", 10)
    with pytest.raises(BadInput, match=r"none of 10 sequences drawn from mine \(2 in all\) has"):
        make(Videos(np.r_[1, np.zeros(40)], np.zeros(50)))[0]


SEEDED = {
    "LWL": lambda: sampler.LWLSampler([Videos(HALF)], None, 6, 12, 3, p_reverse=0.5),
    "KYS": lambda: stretches(SPELL),
    "TaMOs": lambda: sampler.TaMOsDatasetSampler([Videos(LONG, mot=True)], None, 6, 5, 2),
}


@pytest.mark.parametrize("make", SEEDED.values(), ids=SEEDED)
def test_the_seed_decides_whatever_the_workers(make):
    drawn = []
    for workers, seed in ((0, 1), (2, 1), (0, 2)):
        kwargs = {"multiprocessing_context": "fork"} if workers else {}
        loader = LTRLoader("a", make(), seed=seed, num_workers=workers, **kwargs)
        drawn.append([(ids_of(batch, "train"), ids_of(batch, "test")) for batch in loader])
    assert drawn[0] == drawn[1] != drawn[2]


def ids_of(batch, name):
    return [int(images[0, 0, 0, 0]) for images in batch[f"{name}_images"]]
