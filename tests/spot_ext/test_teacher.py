"""The teacher: averaging, calibration, picking, filtering."""

import pytest
import torch
from torch import nn

from ltr.models.decoding import hann_window_float32
from spot_ext.training.architectures import Prediction, get_architecture
from spot_ext.training.teacher import Teacher, accept, calibrate, pick, refill


class Net(nn.Module):
    def __init__(self, value: float):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.norm = nn.BatchNorm1d(2)
        self.drop = nn.Dropout(0.5)
        with torch.no_grad():
            for entry in self.state_dict().values():
                entry.fill_(value)


@pytest.mark.parametrize("keep", [0.0, 0.9, 1.0])
def test_update_averages_floats_and_copies_counters(keep):
    student, teacher = Net(4), Teacher(Net(2), get_architecture("transt_small"), 0.4)
    teacher.update(student, keep)
    state = teacher.net.state_dict()
    assert state["norm.num_batches_tracked"] == 4
    floats = [value for value in state.values() if value.is_floating_point()]
    assert all(
        torch.allclose(value, torch.full_like(value, keep * 2 + (1 - keep) * 4)) for value in floats
    )
    assert student.linear.weight.unique().item() == 4


@pytest.mark.parametrize("reference", [False, True])
def test_teacher_mode(reference):
    teacher = Teacher(
        Net(1).train(), get_architecture("transt_small"), 0.4, reference_mode=reference
    )
    assert teacher.net.training is reference
    assert not any(p.requires_grad for p in teacher.net.parameters())


def prediction(scores, boxes=None, ious=None) -> Prediction:
    scores = torch.tensor(scores).float()
    boxes = torch.full((*scores.shape, 4), 0.5) if boxes is None else torch.tensor(boxes).float()
    return Prediction(
        scores, boxes, torch.zeros_like(scores) if ious is None else torch.tensor(ious).float()
    )


def test_window_has_zero_borders_and_one_peak():
    window = hann_window_float32(25).view(5, 5)
    assert window[0].abs().sum() == 0 and window[:, -1].abs().sum() == 0 and window[2, 2] == 1
    with pytest.raises(ValueError, match="square"):
        hann_window_float32(24)


@pytest.mark.parametrize(
    ("weight", "winner"), [(0.0, 0), (0.4, 12)], ids=["score alone", "near the coarse position"]
)
def test_calibration_prefers_the_centre(weight, winner):
    scores = torch.zeros(1, 25)
    scores[0, 0], scores[0, 12] = 0.9, 0.8
    assert calibrate(scores, weight).argmax().item() == winner


@pytest.mark.parametrize(
    ("box", "reference", "expected"),
    [
        ([0.5, 0.5, 0.2, 0.4], False, [40, 30, 20, 40]),
        ([0.1, 0.5, 0.4, 0.4], False, [0, 30, 30, 40]),
        ([0.1, 0.5, 0.4, 0.4], True, [0, 30, 40, 40]),
        ([0.9, 0.5, 0.4, 0.4], False, [70, 30, 30, 40]),
        ([0.5, 0.5, 0.0, 0.0], False, [50, 50, 1, 1]),
    ],
    ids=["inside", "clipped left", "reference moves", "clipped right", "at least a pixel"],
)
def test_pick_gives_crop_pixels(box, reference, expected):
    found = pick(
        prediction([[0.0, 0.0, 0.0, 0.9]], [[[0.0] * 4] * 3 + [box]], [[0.1, 0.2, 0.3, 0.4]]),
        0.0,
        100,
        reference,
    )
    assert found.index.item() == 3 and found.ious.item() == pytest.approx(0.4)
    torch.testing.assert_close(found.boxes_xywh[0], torch.tensor(expected).float())


def test_threshold_itself_is_accepted():
    assert accept(torch.tensor([0.8499999, 0.85, 0.9]), 0.85).tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("accepted", "max_repeats", "slots"),
    [
        ([True, True, True], None, [0, 1, 2]),
        ([False, True, False, True], None, [1, 1, 3, 3]),
        ([False, False, True], None, [2, 2, 2]),
        ([False, False, True, False], 1, [2, 2]),
        ([False, True, True], 0, [1, 2]),
        ([False, False], None, []),
        ([False, False], 3, []),
    ],
    ids=[
        "all",
        "rejected slots repeat in turn",
        "one for all",
        "limited",
        "no repeats",
        "none",
        "none, limited",
    ],
)
def test_refill(accepted, max_repeats, slots):
    assert refill(torch.tensor(accepted), max_repeats).tolist() == slots
