"""The Ocean tracker: geometry with a network that answers what it is told. (Parity with the
reference: tests/golden.)
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput
from ltr.models.tracking.ocean import grid
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.ocean import ocean as parameter_file
from pytracking.tracker.base import MatchingTracker, hann_window
from pytracking.tracker.ocean import Ocean, get_tracker_class

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
FRAME = np.array([160.0, 120.0])
START = (60.0, 40.0, 30.0, 24.0)
PLAIN = {
    "penalty_k": 0.0,
    "window_influence": 0.0,
    "lr": 1.0,
    "smooth_once": True,
}  # takes what the network says


class AnsweringNet(torch.nn.Module):
    """Position `best` of a 9 x 9 map has the probability `sure`, the others `unsure`; boxes by
    position or for all.
    """

    def __init__(
        self, best=40, ltrb=(20.0, 20.0, 20.0, 20.0), sure=0.9, unsure=0.1, align=0.5, iou=None
    ):
        super().__init__()
        self.template_sz, self.search_sz = 63, 127
        scores = torch.full((81,), unsure)
        scores[best] = sure
        boxes = (
            torch.tensor(ltrb).view(1, -1, 4).expand(1, 81, 4).transpose(1, 2).reshape(1, 4, 9, 9)
        )
        self.answer = {
            "pred_logits": scores.logit().view(1, 1, 9, 9),
            "pred_boxes": boxes.clone(),
            "align_logits": torch.full((1, 1, 9, 9), align).logit(),
        }
        if iou is not None:
            self.answer["pred_ious"] = torch.full((1, 1, 9, 9), iou)

    def template(self, z):
        self.z = z

    def track(self, x):
        self.x = x
        return self.answer


def started(net: torch.nn.Module, start=START, **params) -> Ocean:
    parameters = parameter_file.parameters()
    vars(parameters).update(params)
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net.eval()
    tracker = Ocean(parameters)
    assert set(tracker.initialize(IMAGE, {"init_bbox": list(start)})) == {"time"}
    return tracker


def padded(size):
    """SiamFC's context: half the sum of the sides around the box, as a square."""
    return float(np.sqrt((size[0] + sum(size) / 2) * (size[1] + sum(size) / 2)))


def penalty(size, last, k):
    size_change, shape_change = (
        padded(size) / padded(last),
        (size[0] / size[1]) / (last[0] / last[1]),
    )
    return np.exp(
        -k * (max(size_change, 1 / size_change) * max(shape_change, 1 / shape_change) - 1)
    )


def test_is_a_matching_tracker_with_the_published_parameters():
    assert get_tracker_class() is Ocean and issubclass(Ocean, MatchingTracker)
    assert Ocean.multiobj_mode == "parallel" and Ocean.default_sizes == (127, 255)
    tracker = started(AnsweringNet())
    values = {
        "penalty_k": 0.062,
        "window_influence": 0.38,
        "lr": 0.765,
        "ratio": 0.94,
        "smooth_once": False,
    }
    assert {name: getattr(tracker, name) for name in values} == values and set(
        Ocean.tunable
    ) == set(values) - {"smooth_once"}


@pytest.mark.parametrize(
    "start", [START, (5, 5, 100, 12), (100, 80, 60, 50)], ids=["inside", "wide", "over the border"]
)
def test_crops_are_siamfcs(start):
    tracker, side = started(AnsweringNet(), start), padded(start[2:])
    assert tracker.template_side() == round(side)
    tracker.track(IMAGE)
    assert tracker.scale == pytest.approx(63 / side) and tracker.side == round(side * 127 / 63)
    net, center = tracker.net.net, np.array(start[:2]) + np.array(start[2:]) / 2
    for shown, size, window in ((net.z, 63, round(side)), (net.x, 127, tracker.side)):
        assert shown.shape == (1, 3, size, size)
        again = tracker.net.preprocess_image(
            tracker.get_subwindow(IMAGE, center, size, window, IMAGE.mean((0, 1)))
        )
        torch.testing.assert_close(shown, again)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 80),
    st.lists(st.floats(4, 40), min_size=4, max_size=4),
    st.tuples(st.floats(0, 150), st.floats(0, 110), st.floats(8, 80), st.floats(8, 80)),
)
def test_box_is_counted_from_its_position_and_kept_in_the_frame(best, ltrb, start):
    """With nothing held back the tracker goes where the network says, from 10 px on a side to the
    frame's.
    """
    tracker = started(AnsweringNet(best, ltrb), start, **PLAIN, ratio=1.0)
    tracker.lr = 1 / 0.9  # the score is part of the rate
    x, y, w, h = tracker.track(IMAGE)["target_bbox"]
    scale, line = (
        63 / padded(start[2:]),
        grid(9, 127, torch.zeros(1, dtype=torch.float64)).numpy() - 63,
    )
    left, top, right, bottom = ltrb
    center = np.array(start[:2]) + np.array(start[2:]) / 2
    center = (
        center
        + (np.array([line[best % 9], line[best // 9]]) + np.array([right - left, bottom - top]) / 2)
        / scale
    )
    center, size = (
        np.clip(center, 0, FRAME),
        np.clip(np.array([left + right, top + bottom]) / scale, 10, FRAME),
    )
    assert np.allclose([x + w / 2, y + h / 2, w, h], [*center, *size], atol=1e-3)
    assert np.allclose(tracker.center_pos, center, atol=1e-3) and np.allclose(
        tracker.size, size, atol=1e-3
    )


@pytest.mark.parametrize("ratio, score", [(1.0, 0.9), (0.94, 0.94 * 0.9 + 0.06 * 0.4), (0.0, 0.4)])
def test_score_mixes_classification_and_align_head(ratio, score):
    output = started(AnsweringNet(align=0.4), ratio=ratio).track(IMAGE)
    assert output["best_score"] == pytest.approx(score) and isinstance(output["best_score"], float)


@pytest.mark.parametrize("iou", [None, 0.75])
def test_predicted_iou_is_passed_on_when_there_is_one(iou):
    assert started(AnsweringNet(iou=iou)).track(IMAGE).get("pred_iou") == iou


@pytest.mark.parametrize("influence, chosen", [(0.0, 0), (0.38, 40), (0.9, 40)])
def test_window_favours_the_middle(influence, chosen):
    """A corner's 0.6 against the middle's 0.5: the window turns the choice, not the score that is
    returned.
    """
    net = AnsweringNet(best=0, sure=0.6, unsure=0.5)
    tracker = started(net, **{**PLAIN, "window_influence": influence}, ratio=1.0)
    scores = np.full(81, 0.5)
    scores[0] = 0.6
    assert np.argmax(scores * (1 - influence) + hann_window(81) * influence) == chosen
    assert tracker.track(IMAGE)["best_score"] == pytest.approx(scores[chosen])
    assert (tracker.center_pos[0] < 70) == (chosen == 0)


@pytest.mark.parametrize(
    "last, other, k, favoured",
    [
        ((30, 24), (1.0, 1.0), 0.2, "none"),
        ((30, 24), (2.0, 2.0), 0.2, "same"),
        ((30, 24), (0.5, 0.5), 0.2, "same"),
        ((30, 24), (0.5, 2.0), 0.2, "same"),
        ((30, 24), (2.0, 2.0), 0.0, "none"),
        ((30, 24), (1.2, 1.2), 0.062, "none"),
    ],
    ids=["same box", "larger", "smaller", "another shape", "no penalty", "a little larger"],
)
def test_changes_of_size_and_shape_are_penalised(last, other, k, favoured):
    """Position 39 has a slightly better score and another box than the rest, which keep the
    target's size.
    """
    crop_size = np.array(last) * 63 / padded(last)
    boxes = torch.tensor([*crop_size / 2, *crop_size / 2]).float().repeat(81, 1)
    boxes[39] *= torch.tensor([*other, *other])
    tracker = started(
        AnsweringNet(best=39, ltrb=boxes.tolist(), sure=0.60, unsure=0.55),
        (50, 40, *last),
        **{**PLAIN, "penalty_k": k},
        ratio=1.0,
    )
    expected = penalty(boxes[39, :2].numpy() * 2, crop_size, k)
    assert (0.60 * expected < 0.55) == (favoured == "same")
    table = tracker.read(tracker.net.net.answer)[0].numpy()
    tracker.search_side()
    found = tracker._penalty(
        (table[:, 2:4] + table[:, 4:6]).astype(float), tracker.size * tracker.scale
    )
    assert found[39] == pytest.approx(expected, rel=1e-5) and found[0] == pytest.approx(1, rel=1e-5)
    assert tracker.track(IMAGE)["best_score"] == pytest.approx(0.55 if favoured == "same" else 0.60)


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("lr", [0.2, 0.765, 1.0])
def test_size_follows_by_penalty_score_and_rate_once_or_twice(once, lr):
    tracker = started(AnsweringNet(ltrb=(30, 15, 30, 15)), lr=lr, smooth_once=once)
    last, scale = np.array(START[2:]), 63 / padded(START[2:])
    found = np.array([60, 30]) / scale
    rate = lr * (0.94 * 0.9 + 0.06 * 0.5) * penalty(found, last, 0.062)
    expected = last + (found - last) * rate * (1 if once else rate)
    assert np.allclose(tracker.track(IMAGE)["target_bbox"][2:], expected, atol=1e-4)


@pytest.mark.parametrize(
    "start, ltrb, expected",
    [
        ((60, 40, 12, 12), (1.0,) * 4, (10, 10)),
        ((0, 0, 160, 120), (60.0,) * 4, (160, 120)),
        ((60, 40, 0, 20), (20.0,) * 4, (10, 20)),
    ],
    ids=["collapsing", "beyond the frame", "empty at first"],
)
def test_sizes_stay_between_10_px_and_the_frame(start, ltrb, expected):
    tracker = started(AnsweringNet(ltrb=ltrb), start, **{**PLAIN, "penalty_k": 0.062})
    tracker.lr = 2.0
    with np.errstate(divide="ignore"):
        size = tracker.track(IMAGE)["target_bbox"][2:]
    assert size == pytest.approx(expected)


@pytest.mark.parametrize("name", ["pred_logits", "pred_boxes", "align_logits", "pred_ious"])
def test_network_that_returns_nan_is_named(name):
    net = AnsweringNet(iou=0.5)
    net.answer[name][..., 3, 3] = float("nan")
    with pytest.raises(BadInput, match="not finite"):
        started(net).track(IMAGE)
