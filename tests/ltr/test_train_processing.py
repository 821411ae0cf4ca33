"""ltr.data.processing, and the label maps and proposals it puts together."""

import pickle
import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ltr.data.transforms as tfm
from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data import bounding_box_utils as box_utils
from ltr.data import processing
from ltr.data import processing_utils as prutils
from ltr.data.processing.base import jittered_box
from ltr.data.processing.parts import DenseBoxes, LabelDensities

IMAGE = np.random.default_rng(0).integers(0, 255, (120, 160, 3)).astype(np.uint8)
BOX = torch.tensor([60.0, 40, 30, 20])
JITTER = ({"train": 3, "test": 4.5}, {"train": 0.25, "test": 0.5})
STILL = ({"train": 0, "test": 0}, {"train": 0, "test": 0})
PERTURBED = {"boxes_per_frame": 8, "min_iou": 0.1, "sigma_factor": [0.05, 0.3]}
MIXTURE = {
    "proposal_method": "gmm",
    "boxes_per_frame": 8,
    "proposal_sigma": [(0.05, 0.05), (0.5, 0.5)],
    "gt_sigma": (0.05, 0.05),
}
LABEL = {"feature_sz": 8, "sigma_factor": 0.1, "kernel_sz": 4}


def sample(frames=2, names=("train", "test"), **more):
    return TensorDict(
        {f"{name}_images": [IMAGE] * frames for name in names}
        | {f"{name}_anno": [BOX.clone() for _ in range(frames)] for name in names}
        | more
    )


def shapes(data):
    return {key: tuple(value.shape) for key, value in data.items() if torch.is_tensor(value)}


FRAMES = {
    "train_images": (2, 3, 128, 128),
    "train_anno": (2, 4),
    "test_images": (2, 3, 128, 128),
    "test_anno": (2, 4),
}
PROPOSALS = {"test_proposals": (2, 8, 4), "proposal_iou": (2, 8)}
DENSITIES = {"test_proposals": (2, 8, 4), "proposal_density": (2, 8), "gt_density": (2, 8)}
LABELS = {"train_label": (2, 9, 9), "test_label": (2, 9, 9)}
CASES = {
    "ATOM": (lambda **k: processing.ATOMProcessing(5, 128, *JITTER, PERTURBED, **k), PROPOSALS),
    "ATOM gmm": (lambda **k: processing.ATOMProcessing(5, 128, *JITTER, MIXTURE, **k), PROPOSALS),
    "KLBBreg": (lambda **k: processing.KLBBregProcessing(5, 128, *JITTER, MIXTURE, **k), DENSITIES),
    "ATOMwKL": (
        lambda **k: processing.ATOMwKLProcessing(5, 128, *JITTER, MIXTURE, **k),
        DENSITIES | PROPOSALS,
    ),
    "DiMP": (
        lambda **k: processing.DiMPProcessing(
            5,
            128,
            *JITTER,
            "inside_major",
            1.5,
            proposal_params=PERTURBED,
            label_function_params=LABEL,
            **k,
        ),
        PROPOSALS | LABELS,
    ),
    "DiMP without parts": (lambda **k: processing.DiMPProcessing(5, 128, *JITTER, **k), {}),
    "KLDiMP": (
        lambda **k: processing.KLDiMPProcessing(
            5,
            128,
            *JITTER,
            proposal_params=MIXTURE,
            label_function_params=LABEL,
            label_density_params=LABEL | {"normalize": True},
            **k,
        ),
        DENSITIES | LABELS | {"train_label_density": (2, 9, 9), "test_label_density": (2, 9, 9)},
    ),
    "LTRB": (
        lambda **k: processing.LTRBDenseRegressionProcessing(
            5, 128, *JITTER, label_function_params=LABEL, **k
        ),
        LABELS
        | {
            f"{name}_{part}": (2, n, 8, 8)
            for name in ("train", "test")
            for part, n in (("ltrb_target", 4), ("sample_region", 1))
        },
    ),
}


@pytest.mark.parametrize(("make", "added"), CASES.values(), ids=CASES)
def test_shapes_of_sequences(make, added):
    data = sample()
    assert shapes(make(mode="sequence")(data)) == FRAMES | added
    assert data["train_images"][0] is IMAGE and torch.equal(
        data["test_anno"][0], BOX
    )  # the sample is left alone


TRANST = {"search": 3, "template": 0}, {"search": 0.25, "template": 0}
TRAVELLING = {name: make for name, (make, _) in CASES.items()} | {
    "TransT": lambda: processing.TransTProcessing(
        4.0, 2.0, 64, 32, *TRANST, transform=tfm.Transform(tfm.ToTensor())
    ),
    "LWL": lambda: processing.LWLProcessing(4, 64, *JITTER),
    "RTS": lambda: processing.RTSProcessing(4, 64, *JITTER),
    "KYS": lambda: processing.KYSProcessing(
        5, 128, {"train_factor": 1, "test_factor": 2}, {"train": 0.1, "test": 0.1}, PERTURBED, LABEL
    ),
    "TaMOs": lambda: processing.TaMOsProcessing(2, 5, 128, *JITTER),
}


@pytest.mark.parametrize("make", TRAVELLING.values(), ids=TRAVELLING)
def test_processing_travels_to_spawned_workers(make):
    pickle.loads(pickle.dumps(make()))


@pytest.mark.parametrize(("make", "added"), CASES.values(), ids=CASES)
def test_pairs_have_no_frame_dimension(make, added):
    out = shapes(make(mode="pair")(sample(1)))
    assert (
        set(out) == set(FRAMES | added)
        and out["train_images"] == (3, 128, 128)
        and out["test_anno"] == (4,)
    )
    with pytest.raises(BadValue, match="'pair' takes one train frame, not 2"):
        make(mode="pair")(sample())
    with pytest.raises(BadValue, match="mode 'pairs' is not known, did you mean 'pair'"):
        make(mode="pairs")


@pytest.mark.parametrize(
    "make",
    [
        processing.KLBBregProcessing,
        processing.ATOMwKLProcessing,
        lambda *args: processing.KLDiMPProcessing(*args[:4], proposal_params=args[4]),
    ],
    ids=["KLBBreg", "ATOMwKL", "KLDiMP"],
)
def test_densities_are_those_of_a_mixture_where_no_method_is_named(make):
    unnamed = {key: value for key, value in MIXTURE.items() if key != "proposal_method"}
    out = []
    for params in (unnamed, MIXTURE):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        out.append(make(5, 128, *STILL, params)(sample(1)))
    assert torch.equal(out[0]["test_proposals"], out[1]["test_proposals"])
    assert torch.equal(out[0]["proposal_density"], out[1]["proposal_density"])


WRONG = {
    "unknown": (processing.ATOMProcessing, PERTURBED | {"boxes": 3}, "no entry 'boxes'"),
    "absent": (processing.ATOMProcessing, {"boxes_per_frame": 3}, "lacks the entry 'sigma_factor'"),
    "method": (
        processing.ATOMProcessing,
        PERTURBED | {"proposal_method": "gm"},
        "did you mean 'gmm'",
    ),
}


@pytest.mark.parametrize(("make", "params", "text"), WRONG.values(), ids=WRONG)
def test_wrong_proposal_params(make, params, text):
    with pytest.raises(BadValue, match=text):
        make(5, 128, *JITTER, params)


@pytest.mark.parametrize("params", [PERTURBED, MIXTURE], ids=["perturbed", "mixture"])
def test_overlaps_are_scaled_to_minus_one_to_one(params):
    for make in (processing.ATOMProcessing, processing.ATOMwKLProcessing)[
        : 1 + (params is MIXTURE)
    ]:
        out = make(5, 128, *JITTER, params)(sample(1))
        overlap = prutils.iou(out["test_anno"][None], out["test_proposals"])
        assert torch.allclose(out["proposal_iou"], 2 * overlap - 1, atol=1e-5)


# TransT

SIAMESE = {
    "center_jitter_factor": {"search": 3, "template": 0},
    "scale_jitter_factor": {"search": 0.25, "template": 0},
}


def pair(frames=1):
    return sample(frames, ("search", "template"))


def test_transt_crops_are_centred_on_the_template():
    data = pair()
    out = processing.TransTProcessing(4.0, 2.0, 256, 128, **SIAMESE)(data)
    side = out["template_anno"][2:]
    assert (out["template_anno"][:2] + side / 2).tolist() == pytest.approx([63.5, 63.5])
    assert torch.equal(data["search_anno"][0], BOX) and data["search_images"][0] is IMAGE


def test_transt_sequences():
    out = processing.TransTProcessing(4.0, 2.0, 64, 32, **SIAMESE, mode="sequence")(pair(3))
    assert out["search_images"].shape == (3, 3, 64, 64) and out["search_anno"].shape == (3, 4)
    one = processing.TransTProcessing(4.0, 2.0, 64, 32, **SIAMESE, mode="sequence")(pair(1))
    assert one["search_images"].shape == (3, 64, 64) and one["search_anno"].shape == (4,)


def test_joint_transform_uses_one_draw_for_both_sets():
    random.seed(0)
    process = processing.TransTProcessing(
        4.0, 2.0, 64, 64, **SIAMESE, joint_transform=tfm.ToGrayscale(0.5)
    )
    for _ in range(10):
        out = process(pair())
        grey = [
            bool((out[f"{name}_images"][0] == out[f"{name}_images"][2]).all())
            for name in ("search", "template")
        ]
        assert grey[0] == grey[1]


def test_base_processing_accepts_both_families_of_names():
    a, b = tfm.Transform(), tfm.Transform()
    for kwargs in (
        {"train_transform": a, "test_transform": b},
        {"template_transform": a, "search_transform": b},
    ):
        transform = processing.BaseProcessing(joint_transform=None, **kwargs).transform
        assert (
            transform["train"] is transform["template"] is a
            and transform["test"] is transform["search"] is b
        )
        assert transform["joint"] is None
    assert torch.is_tensor(processing.BaseProcessing().transform["train"](image=IMAGE))
    assert (
        processing.stack_tensors([BOX, BOX]).shape == (2, 4)
        and processing.stack_tensors("x") == "x"
    )


# Jitter


def test_golden_jitter(shared_dir, monkeypatch):
    golden = np.load(shared_dir / "golden" / "seed0" / "crops.npz")
    process = processing.TransTProcessing(
        4,
        2,
        256,
        128,
        {"search": float(golden["jitter.center"])},
        {"search": float(golden["jitter.scale"])},
    )
    for i in range(8):
        monkeypatch.setattr(torch, "randn", lambda n, i=i: torch.tensor(golden["jitter.randn"][i]))
        monkeypatch.setattr(torch, "rand", lambda n, i=i: torch.tensor(golden["jitter.rand"][i]))
        box = process._get_jittered_box(torch.tensor(golden["jitter.boxes_in"][i]), "search")
        assert np.allclose(box, golden["jitter.boxes_out"][i], atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**31), center=st.floats(0, 5), scale=st.floats(0, 1), pair=st.booleans()
)
def test_uniform_jitter_stays_within_its_factors(seed, center, scale, pair):
    torch.manual_seed(seed)
    box = jittered_box(BOX, scale, (center, 0) if pair else center, scale_mode="uniform")
    change = (box[2:] / BOX[2:]).log().abs()
    moved = (box[:2] + box[2:] / 2 - BOX[:2] - BOX[2:] / 2).abs()
    reach = box[2:].prod().sqrt() * center / 2
    assert (
        change.max() <= scale + 1e-5
        and moved[0] <= reach + 1e-4
        and moved[1] <= (0 if pair else reach) + 1e-4
    )


# Labels


def test_label_peaks_follow_the_box():
    process = processing.DiMPProcessing(
        4, 128, *STILL, mode="sequence", label_function_params=LABEL | {"kernel_sz": 1}
    )
    out = process(sample())
    assert out["train_label"].shape == (2, 8, 8)  # an odd kernel needs no cell more
    middle = prutils.gaussian_label_function(torch.tensor([[64.0, 32, 16, 16]]), 0.1, 1, 8, 128)[0]
    row, column = divmod(int(middle.argmax()), 8)
    assert (row, column) == (
        2,
        4,
    ) and middle.max() == 1  # (72, 40) px is the middle of that cell of 16 px


def test_find_local_maxima():
    scores = torch.zeros(1, 1, 6, 6)
    for (y, x), value in {(1, 2): 3.0, (4, 4): 5.0, (4, 5): 4.0, (0, 5): 0.1}.items():
        scores[0, 0, y, x] = value
    coords, values = prutils.find_local_maxima(scores, 0.5, 3)
    assert coords.tolist() == [[4, 4], [1, 2]] and values.tolist() == [5, 3]


def test_label_density():
    far, near = torch.tensor([[9999.0, 9999, 1, 1]]), torch.tensor([[54.0, 54, 20, 20]])
    params = {"feature_sz": 16, "sigma_factor": 0.05, "kernel_sz": 4}
    density = LabelDensities(params, 128)(near)
    assert density.sum().item() == pytest.approx(1, abs=0.01)
    assert LabelDensities(params | {"uni_weight": 0.5}, 128)(
        far
    ).unique().tolist() == pytest.approx([0.5 / 17**2])
    mixed = LabelDensities(params | {"uni_weight": 0.5}, 128)(near)
    assert torch.allclose(mixed, 0.5 * density + 0.5 / 17**2)
    even = LabelDensities(params | {"normalize": True, "shrink": 0.25}, 128)(far)
    assert even.unique().tolist() == pytest.approx([0.75 / 17**2])
    cut = LabelDensities(params | {"threshold": 0.05}, 128)(near)
    assert 0 < (cut > 0).sum() < (density > 0).sum()
    assert LabelDensities(params | {"interp_factor": 2}, 128)(near).shape == (1, 33, 33)


def test_distractor_frames_have_no_label():
    process = processing.KLDiMPProcessing(
        5, 128, *STILL, mode="sequence", label_function_params=LABEL
    )
    out = process(sample(is_distractor_test_frame=torch.tensor([True, False])))
    assert (
        out["test_label"][0].max() == 0
        and out["test_label"][1].max() > 0.5
        and out["train_label"].amin(0).max() > 0.5
    )


def test_dense_box_targets():
    box = torch.tensor([[20.0, 30, 40, 50]])
    targets, region = DenseBoxes(128, 16, use_normalized_coords=False)(box)
    assert targets[0, :, 3, 2].tolist() == [
        40 - 20,
        56 - 30,
        60 - 40,
        80 - 56,
    ]  # the cell's centre is x 40, y 56
    assert region[0, 0].nonzero().tolist() == [[y, x] for y in (2, 3, 4) for x in (1, 2, 3)]
    assert torch.allclose(
        DenseBoxes((128, 64), 16)(box)[0][0, :, 1, 1],
        torch.tensor([4 / 128, -6 / 64, 36 / 128, 56 / 64]),
    )
    near = DenseBoxes(128, 16, center_sampling_radius=0.75)(box)[1]
    assert near[0, 0].nonzero().tolist() == [[3, 2]]  # within 12 px of (40, 55)


# Proposals


def test_perturbed_boxes_overlap_enough():
    random.seed(0)
    torch.manual_seed(0)
    for min_iou in (0.1, 0.7, 0.95):
        box, overlap = prutils.perturb_box(BOX, min_iou, [0.1, 0.5])
        assert overlap.shape == (1,) and overlap > min_iou and torch.equal(box, box.round())
        assert torch.allclose(overlap, prutils.iou(BOX[None], box[None]))
    assert prutils.perturb_box(BOX, 2.0, 0.1)[1] <= 1  # ends though it cannot succeed


def test_box_mixture():
    torch.manual_seed(0)
    boxes, drawn, label = prutils.sample_box_gmm(BOX, [(0.05, 0.1)], (0.05, 0.1), 2000)
    assert torch.allclose(drawn, label, rtol=1e-4)  # one component with the label's spread
    offsets = box_utils.rect_to_rel(boxes, BOX[None, 2:]) - box_utils.rect_to_rel(
        BOX[None], BOX[None, 2:]
    )
    assert torch.allclose(offsets.std(0), torch.tensor([0.05, 0.05, 0.1, 0.1]), rtol=0.1)
    boxes, drawn, label = prutils.sample_box_gmm(BOX, [(0.05, 0.1)], None, 4, add_mean_box=True)
    assert torch.allclose(boxes[0], BOX) and (drawn[0], label[0]) == (-1, 1) and not label[1:].any()


def test_mixture_densities_are_means_of_normal_ones():
    std = torch.tensor([[1.0, 2.0], [1.0, 4.0]])  # two components in two dimensions
    value = prutils.gmm_density_centered(torch.zeros(1, 2), std[None])
    assert value.item() == pytest.approx((1 + 1 / 8) / (4 * np.pi))
    mean = torch.tensor([5.0, -5])
    drawn, density = prutils.sample_gmm(mean, std, 3)
    assert drawn.shape == (3, 2) and torch.allclose(
        density, prutils.gmm_density_centered(drawn - mean, std[None])
    )
    with pytest.raises(BadValue, match="does not suit"):
        prutils.gmm_density_centered(torch.zeros(1, 2, 2), std[None])
    uniform = prutils.rand_uniform(2, 3, (100,))
    assert uniform.min() >= 2 and uniform.max() < 3


@settings(max_examples=30, deadline=None)
@given(
    x=st.floats(-99, 99),
    y=st.floats(-99, 99),
    w=st.floats(1, 99),
    h=st.floats(1, 99),
    own=st.booleans(),
)
def test_relative_boxes_and_back(x, y, w, h, own):
    box = torch.tensor([[x, y, w, h]]).double()
    unit = None if own else torch.tensor([[7.0, 9.0]]).double()
    assert torch.allclose(
        box_utils.rel_to_rect(box_utils.rect_to_rel(box, unit), unit), box, atol=1e-6
    )


def test_masks_of_several_objects():
    labels = torch.zeros(6, 6)
    labels[1:3, 1:4], labels[4:, 4:] = 2, 5
    assert [b.tolist() for b in box_utils.masks_to_bboxes_multi(labels, [2, 5], "t")] == [
        [1, 1, 3, 2],
        [4, 4, 2, 2],
    ]
    with pytest.raises(ValueError, match="fmt"):
        box_utils.masks_to_bboxes(labels, "x")


# Masks, absent targets, several targets


def masks(frames=2):
    mask = np.zeros((120, 160), np.uint8)
    mask[40:60, 60:90] = 1
    return {"train_masks": [mask] * frames, "test_masks": [torch.from_numpy(mask)] * frames}


@pytest.mark.parametrize("make", [processing.LWLProcessing, processing.RTSProcessing])
def test_masks_follow_images_and_boxes(make):
    labels = {"label_function_params": LABEL} if make is processing.RTSProcessing else {}
    flip = tfm.Transform(tfm.RandomHorizontalFlip(1.0))
    out = make(
        4,
        (128, 96),
        {"train": (2, 0), "test": 1},
        {"mode": "uniform", "train": 0.2, "test": 0.2},
        mode="sequence",
        joint_transform=flip,
        **labels,
    )(sample(**masks()))
    assert out["train_masks"].shape == (2, 96, 128) and out["test_images"].shape == (2, 3, 96, 128)
    for box, mask in zip(out["test_anno"], out["test_masks"], strict=True):
        found = box_utils.masks_to_bboxes(mask, "t")
        assert torch.allclose(
            found + torch.tensor([-1, 0, 0, 0]) * (128 / 80), box, atol=5
        )  # x flips as W - 1 - x
    assert ("train_label" in out) == bool(labels)


def test_lwl_new_roll():
    random.seed(0)
    process = processing.LWLProcessing(
        4, 64, *STILL, mode="sequence", new_roll=True, joint_transform=tfm.RandomHorizontalFlip(0.5)
    )
    outs = [process(sample(**masks())) for _ in range(20)]
    differ = [not torch.equal(out["train_images"], out["test_images"]) for out in outs]
    assert any(differ) and not all(differ)


def test_kys_labels_vanish_with_the_target():
    random.seed(0)
    torch.manual_seed(0)
    process = processing.KYSProcessing(
        5,
        128,
        {"train_factor": 1, "test_factor": 2, "test_limit_motion": True},
        {"train": 0.1, "test": 0.1},
        PERTURBED,
        LABEL,
        min_crop_inside_ratio=0.1,
    )
    data = sample(
        4,
        test_valid_anno=torch.tensor([True, False, True, True]),
        test_visible=torch.tensor([True, True, True, False]),
    )
    data["test_anno"][1] = torch.tensor([float("nan")] * 4)
    out = process(data)
    assert [bool(label.max() > 0) for label in out["test_label"]] == [True, False, True, False]
    assert not out["test_label"].isnan().any() and not out["test_proposals"].isnan().any()
    assert (out["proposal_iou"][[1, 3]] == -1).all() and (out["proposal_iou"][[0, 2]] > -1).all()
    with pytest.raises(BadValue, match="absent from all"):
        process(sample(2, test_valid_anno=torch.zeros(2)))
    with pytest.raises(BadValue, match="lacks the entry 'test_factor'"):
        processing.KYSProcessing(5, 128, {"train": 1}, {"train": 1})


def test_kys_limits_motion_and_shows_the_frame():
    torch.manual_seed(0)
    process = processing.KYSProcessing(
        3,
        96,
        {"train": 0, "test": 4, "test_limit_motion": True},
        {"train": 0, "test": 0},
        min_crop_inside_ratio=0.6,
    )
    around = process._crop_boxes(sample(30), "test")
    centers = torch.stack([box[:2] + box[2:] / 2 for box in around])
    assert (centers[1:] - centers[:-1]).abs().max() <= 2 * np.sqrt(600) + 1e-3
    assert min(process._part_inside(box, IMAGE) for box in around) >= 0.6


def test_tamos_objects_keep_their_slots():
    random.seed(0)
    process = processing.TaMOsProcessing(
        3,
        5,
        (128, 96),
        *JITTER,
        mode="sequence",
        stride=16,
        include_high_res_labels=True,
        enforce_one_sample_region_per_object=True,
        label_function_params={"feature_sz": (8, 6), "sigma_factor": 0.1, "kernel_sz": 4},
    )
    tiny = torch.tensor([1.0, 1, 2, 2])
    data = sample()
    data["train_anno"], data["test_anno"] = (
        [{"a": BOX, "b": tiny}, {"a": BOX}],
        [{"a": BOX + 1, "c": tiny}, {"b": tiny}],
    )
    out = process(data)
    assert out["train_images"].shape == (2, 3, 96, 128) and out["train_anno"].shape == (2, 3, 4)
    slot = int(out["train_anno"][0, :, 2].argmax())
    assert torch.allclose(out["train_anno"][1, slot], BOX * 0.8) and torch.allclose(
        out["test_anno"][0, slot], (BOX + 1) * 0.8
    )
    assert all(
        (out[f"{name}_anno"][:, :, 2] > 0).sum(1).tolist() == [2, 1] for name in ("train", "test")
    )
    absent = out["test_anno"][..., 2] == 0
    for key, shape in {
        "label": (7, 9),
        "ltrb_target": (4, 6, 8),
        "sample_region": (1, 6, 8),
        "label_highres": (25, 33),
        "ltrb_target_highres": (4, 24, 32),
        "sample_region_highres": (1, 24, 32),
    }.items():
        assert out[f"test_{key}"].shape == (2, 3, *shape)
        assert not out[f"test_{key}"][absent].any()
    assert out["test_sample_region"][~absent].flatten(1).any(1).all()  # the tiny ones too


def test_tamos_more_objects_than_slots():
    random.seed(0)
    data = sample(1)
    data["train_anno"], data["test_anno"] = [{"a": BOX}], [dict.fromkeys("abcdef", BOX)]
    out = processing.TaMOsProcessing(2, 5, 64, *JITTER)(data)
    assert (
        out["train_anno"].shape == (2, 4)
        and (out["test_anno"][:, 2] > 0).all()
        and (out["train_anno"][:, 2] > 0).sum() == 1
    )
    assert (
        out["train_images"].shape == (3, 64, 64) and not out["train_images"][:, 48:].any()
    )  # 160 x 120 fits as 64 x 48


# Candidates


def candidates(*targets, mode="self_sup"):
    """A frame for each target index, with candidates at (2, 3), (11, 11) and (20, 4) on the score
    map.
    """
    n = len(targets)
    return TensorDict(
        images=[IMAGE] * n,
        search_area_box=[torch.tensor([20.0, 10, 88, 88])] * n,
        dataset="mine",
        sup_mode=mode,
        target_candidate_coords=[torch.tensor([[2.0, 3], [11, 11], [20, 4]])] * n,
        target_candidate_scores=[torch.tensor([0.2, 0.9, 0.4])] * n,
        target_candidate_index=list(targets),
    )


def test_candidates_of_one_frame_match_themselves():
    process = processing.TargetCandiateMatchingProcessing(352, enable_search_area_aug=False)
    out = process(candidates(1))
    assert out["img_cropped0"].shape == (3, 352, 352) and torch.equal(
        out["img_cropped0"], out["img_cropped1"]
    )
    assert out["candidate_img_coords0"].tolist() == [
        [32, 48],
        [176, 176],
        [320, 64],
    ]  # 16 px a cell
    assert out["gt_matches0"].tolist() == out["gt_matches1"].tolist() == [0, 1, 2]
    assert torch.equal(out["gt_assignment"], torch.eye(3))
    assert out["img_shape1"].tolist() == [352, 352] and out["dataset"] == "mine"


def test_candidates_move_with_the_search_area():
    random.seed(1)
    process = processing.TargetCandiateMatchingProcessing(352, img_aug_transform=tfm.ToBGR())
    lost = compared = 0
    for _ in range(20):
        out = process(candidates(1))
        here, there = out["gt_assignment"].nonzero().T
        moved = out["candidate_img_coords1"][there] - out["candidate_img_coords0"][here]
        assert moved.abs().max() <= 100.01 and torch.allclose(moved, moved[:1], atol=1e-3)
        assert (out["gt_matches0"] == -1).sum() == 3 - len(here) and (out["gt_matches1"] >= 0).all()
        y, x = out["candidate_img_coords0"][1].int().tolist()
        v, u = out["candidate_img_coords1"][int(out["gt_matches0"][1])].round().int().tolist()
        if min(u, v) >= 8 and max(u, v) < 344:  # the crop moved by what the candidate did
            before, after = out["img_cropped0"], out["img_cropped1"].flip(0)
            assert torch.equal(
                before[:, y - 8 : y + 8, x - 8 : x + 8], after[:, v - 8 : v + 8, u - 8 : u + 8]
            )
            compared += 1
        lost += 3 - len(here)
    assert lost > 0 and compared > 10


def test_only_the_targets_match_is_known_between_frames():
    process = processing.TargetCandiateMatchingProcessing(352, mode="self_and_partial_sup")
    out = process(candidates(1, 2, mode="partial_sup"))
    assert out["gt_matches0"].tolist() == [-2, 2, -2] and out["gt_matches1"].tolist() == [-2, -2, 1]
    assert out["gt_assignment"].nonzero().tolist() == [[1, 2]]
    out = process(candidates(1, -1, mode="partial_sup"))
    assert out["gt_matches0"].tolist() == [-2, -1, -2] and out["gt_assignment"].sum() == 0
    with pytest.raises(BadValue, match="two frames, not 1"):
        process(candidates(1, mode="partial_sup"))


@pytest.mark.parametrize(("real", "counts"), [(False, (2, 5)), (True, (2, 3))])
def test_number_of_candidates(real, counts):
    random.seed(0)
    for wanted, count in zip((2, 5), counts, strict=True):
        process = processing.TargetCandiateMatchingProcessing(
            352, wanted, "partial_sup", real_target_candidates_only=real
        )
        out = process(candidates(0, 0))
        assert len(out["gt_matches0"]) == len(out["candidate_tsm_scores1"]) == count
        assert (
            int((out["gt_matches0"] >= 0).sum()) == 1
        )  # the target stays though its score is the lowest
        assert (out["gt_matches0"][3:] == -1).all() and (
            out["candidate_tsm_scores0"][3:] <= 0.2
        ).all()
