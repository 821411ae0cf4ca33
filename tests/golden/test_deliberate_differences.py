"""Where ours differs from the reference on purpose: what is done by default, next to the
reference's number.

docs/fidelity.md explains each; the checks run with the switches on.
"""

import numpy as np
import pytest
import torch
from torch import nn

from ltr.models.loss.matcher import target_cells
from spot_ext.training import augmentation
from spot_ext.training.architectures import Prediction, get_architecture
from spot_ext.training.data.exploration import coarse_box
from spot_ext.training.teacher import Teacher, pick
from tests.golden.checks.labels import merged_state
from tests.golden.folder import COMMITTED, Golden


@pytest.fixture(scope="module")
def golden():
    return Golden(COMMITTED / "seed0")


def test_a_better_box_is_taken_whatever_its_position_in_the_list(golden):
    case = golden.json("sampler_state_update.json")
    expected = case["after_reference"]
    first = expected["S"][0]
    assert (
        7 in first["relay_frame_ids"] and 7 not in first["key_frame_ids"]
    )  # what the reference's guard confuses
    row = first["relay_frame_ids"].index(7)
    first["bboxes"][row], first["confidence"][row] = [83.9, 36.2, 94.1, 15.4], 0.95
    assert merged_state(case, reference_key_guard=False) == expected


def test_counters_are_copied_not_averaged(golden):
    stored = golden.arrays("ema_keep0.998.npz")
    name = "backbone.0.body.bn1.num_batches_tracked"
    counters = {}
    for reference in (True, False):
        student, teacher = (
            nn.BatchNorm2d(1),
            Teacher(nn.BatchNorm2d(1), get_architecture("transt"), 0.4, reference),
        )
        student.num_batches_tracked.fill_(int(stored[f"student/{name}"]))
        teacher.net.num_batches_tracked.fill_(int(stored[f"teacher_before/{name}"]))
        teacher.update(student, 0.998)
        counters[reference] = teacher.net.num_batches_tracked.item()
    assert counters == {True: int(stored[f"teacher_after/{name}"]), False: 1000}


def test_every_target_has_a_positive(golden):
    boxes = torch.from_numpy(golden.arrays("criterion_transt.npz")["edge_targets"])
    assert (target_cells(boxes, 32)[0].sum(1) > 0).all()
    assert not (target_cells(boxes, 32, reference_edges=True)[0].sum(1) > 0).all()


def test_boxes_are_cut_at_the_crop(golden):
    stored = golden.arrays("augment.npz")
    angles = torch.from_numpy(stored["ell.angle"] + 180 * stored["ell.ud"])
    boxes = augmentation.turn_boxes(
        torch.from_numpy(stored["ell.s96.box_in"]),
        augmentation.TurnDraws(angles, torch.from_numpy(stored["ell.lr"])),
        96,
    )
    assert boxes.min() >= 0 and (boxes[:, :2] + boxes[:, 2:]).max() <= 96 + 1e-4
    theirs = stored["ell.s96.box_out"]
    assert (theirs[:, :2] + theirs[:, 2:]).max() > 100  # the reference's reach beyond it
    prediction = Prediction(
        torch.ones(1, 4),
        torch.tensor([[[0.0, 0.5, 0.4, 0.2]]] * 4).transpose(0, 1),
        torch.ones(1, 4),
    )
    assert pick(prediction, 0.4, 100).boxes_xywh[0].tolist() == pytest.approx([0, 40, 20, 20])
    assert pick(prediction, 0.4, 100, reference_clamp=True).boxes_xywh[0].tolist() == pytest.approx(
        [0, 40, 40, 20]
    )


def test_grey_is_grey(golden):
    stored = golden.arrays("augment.npz")
    values, chosen = torch.from_numpy(stored["gray.in0"]), torch.tensor([True] * 4)
    ours, theirs = (
        augmentation.to_grey(values, chosen),
        augmentation.to_grey(values, chosen, reference=True),
    )
    assert torch.equal(ours[:, 0], ours[:, 1]) and torch.equal(ours[:, 1], ours[:, 2])
    assert not torch.allclose(theirs[:, 0], theirs[:, 1])


def test_interpolation_is_not_mirrored(golden):
    """Outside the two frames the nearer one's box is taken; the reference extrapolates with the
    weight's size (S5).
    """
    case = next(
        c
        for c in golden.json("sampler_helpers.json")["linear_interpolation_bbox"]
        if c["fid_1"] < c["fid_2"] <= c["fid_1"] + c["limit"] and c["target"] > c["fid_2"]
    )
    box = coarse_box(
        np.array([case["fid_1"], case["fid_2"]]),
        np.array([case["bbox_1"], case["bbox_2"]]),
        case["target"],
    )
    assert box.tolist() == pytest.approx(case["bbox_2"]) and box.tolist() != pytest.approx(
        case["result"]
    )
