"""The TransT tracker: geometry with a network that answers what it is told. (Parity with the
reference: tests/golden.)
"""

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput
from ltr.data.crops import context_side
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.base import BaseTracker, SiameseTracker, hann_window
from pytracking.tracker.transt import TransT, get_tracker_class
from pytracking.utils import TrackerParams

MEAN, STD = (
    torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1),
    torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1),
)
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)


class AnsweringNet(torch.nn.Module):
    """Cell `best` of an n x n grid has the score logit `logit` and the box `box`; keeps the images
    it was shown.
    """

    def __init__(self, best=None, box=(0.5, 0.5, 0.25, 0.25), side=8, logit=5.0, iou=None):
        super().__init__()
        self.best, self.box, self.side, self.logit, self.iou = best, box, side, logit, iou

    def template(self, z):
        self.z = z

    def track(self, x):
        self.x = x
        cells = self.side**2
        logits = torch.zeros(1, cells, 2)
        boxes = torch.tensor(self.box, dtype=torch.float32).repeat(1, cells, 1)
        if self.best is not None:
            logits[0, self.best, 0] = self.logit
        out = {"pred_logits": logits, "pred_boxes": boxes}
        if self.iou is not None:
            out["pred_ious"] = torch.full((1, cells, 1), self.iou)
        return out


def tracker_with(net: torch.nn.Module, **params) -> TransT:
    parameters = TrackerParams()
    vars(parameters).update(params)
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net.eval()
    return TransT(parameters)


def test_is_a_siamese_tracker():
    assert get_tracker_class() is TransT and issubclass(TransT, SiameseTracker)
    assert issubclass(SiameseTracker, BaseTracker)
    assert (
        TransT.multiobj_mode == "parallel"
        and BaseTracker(None).predicts_segmentation_mask() is False
    )


@pytest.mark.parametrize(
    "sizes, expected", [({}, (128, 256)), ({"template_sz": 64, "search_sz": 96}, (64, 96))]
)
def test_crop_sizes_are_the_networks(sizes, expected):
    net = AnsweringNet()
    vars(net).update(sizes)
    tracker = tracker_with(net)
    assert set(tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})) == {"time"}
    tracker.track(IMAGE)
    net = tracker.net.net
    assert net.z.shape == (1, 3, expected[0], expected[0]) and net.x.shape == (
        1,
        3,
        expected[1],
        expected[1],
    )
    grey = net.z * STD + MEAN
    assert grey.min() > -1e-6 and 0.9 < grey.max() < 1 + 1e-6


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.floats(0, 1)] * 4),
    st.tuples(st.floats(0, 150), st.floats(0, 110), st.floats(8, 80), st.floats(8, 80)),
)
def test_box_is_relative_to_the_search_window_and_clipped(box, start):
    tracker = tracker_with(AnsweringNet(best=27, box=box))
    tracker.initialize(IMAGE, {"init_bbox": list(start)})
    x, y, w, h = tracker.track(IMAGE)["target_bbox"]
    side = context_side(start[2], start[3], 4)
    center = np.clip(
        [
            start[0] + start[2] / 2 + (box[0] - 0.5) * side,
            start[1] + start[3] / 2 + (box[1] - 0.5) * side,
        ],
        0,
        (160, 120),
    )
    size = np.clip(np.array(box[2:]) * side, 10, (160, 120))
    assert np.allclose([x + w / 2, y + h / 2, w, h], [*center, *size], atol=1e-3)
    assert np.allclose(tracker.center_pos, center, atol=1e-3) and np.allclose(
        tracker.size, size, atol=1e-3
    )


@pytest.mark.parametrize(
    "penalty, chosen",
    [({}, "middle"), ({"window_penalty": 0.0}, "corner"), ({"window_penalty": 0.9}, "middle")],
)
def test_window_favours_the_middle(penalty, chosen):
    tracker = tracker_with(AnsweringNet(best=0, logit=1.0, side=5), **penalty)
    tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})
    out = tracker.track(IMAGE)
    sure, unsure, weight = 1 / (1 + math.exp(-1)), 0.5, penalty.get("window_penalty", 0.49)
    expected = unsure * (1 - weight) + weight if chosen == "middle" else sure * (1 - weight)
    assert out["best_score"] == pytest.approx(expected) and isinstance(out["best_score"], float)
    assert out["target_score"] == pytest.approx(unsure if chosen == "middle" else sure)


@pytest.mark.parametrize("iou", [None, 0.75])
def test_predicted_iou_is_passed_on_when_there_is_one(iou):
    tracker = tracker_with(AnsweringNet(iou=iou))
    tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})
    assert tracker.track(IMAGE).get("pred_iou") == iou


@pytest.mark.parametrize(
    ("params", "ious", "widths", "moved"),
    [
        ({}, [0.1, 0.1], [1, 1], [True, True]),
        ({"unsure_below": 0.4}, [0.4, 0.9], [1, 1], [True, True]),
        (
            {"unsure_below": 0.4},
            [0.9, 0.3, 0.3, 0.8, 0.9],
            [1, 1, 1.1, 1.21, 1],
            [True, False, False, True, True],
        ),
        (
            {"unsure_below": 0.4, "widest": 1.15},
            [0.3, 0.3, 0.3, 0.3],
            [1, 1.1, 1.15, 1.15],
            [False] * 4,
        ),
    ],
    ids=["off", "sure", "lost and found", "lost for long"],
)
def test_an_unsure_tracker_waits_and_looks_further(params, ious, widths, moved):
    """Where the predicted IoU is low the box stays, and the next region is wider; a fresh start
    forgets that.
    """
    tracker = tracker_with(AnsweringNet(best=45, box=(0.6, 0.6, 0.25, 0.25)), **params)
    for _ in range(2):
        tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})
        for iou, width, moves in zip(ious, widths, moved, strict=True):
            before, side = tracker.center_pos.copy(), context_side(*tracker.size, 4)
            tracker.net.net.iou = iou
            out = tracker.track(IMAGE)
            assert tracker.side == pytest.approx(side * width)
            assert (tracker.center_pos != before).all() == moves
            assert out["object_presence_score"] == pytest.approx(iou)


def test_reading_the_network_is_no_tracking_time(monkeypatch):
    tracker = tracker_with(AnsweringNet())
    monkeypatch.setattr(tracker, "initialize_features", lambda: time.sleep(0.3))
    assert tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})["time"] < 0.3


def test_two_trackers_of_one_network_keep_their_templates():
    parameters = TrackerParams()
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = AnsweringNet()
    one, other = TransT(parameters), TransT(parameters)
    one.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})
    kept = one.net.net.z.clone()
    other.initialize(IMAGE, {"init_bbox": [90, 60, 20, 24]})
    assert torch.equal(one.net.net.z, kept) and not torch.equal(other.net.net.z, kept)


@pytest.mark.parametrize(
    "net, expected",
    [
        (AnsweringNet(box=(float("nan"),) * 4), "not finite"),
        (AnsweringNet(best=1, logit=float("nan")), "not finite"),
    ],
)
def test_network_that_returns_nan_is_named(net, expected):
    tracker = tracker_with(net)
    tracker.initialize(IMAGE, {"init_bbox": [40, 30, 20, 24]})
    with pytest.raises(BadInput, match=expected):
        tracker.track(IMAGE)


def test_positions_must_be_a_square_grid():
    with pytest.raises(BadInput, match="a window needs a square map, got 7 positions"):
        hann_window(7)
