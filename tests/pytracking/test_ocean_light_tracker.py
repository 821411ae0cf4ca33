"""The tracker of light Oceans: geometry with a network that answers what it is told, and the same
boxes on torch and on ONNX Runtime.
"""

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.models.tracking.ocean_light import ocean_light
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.parameter.ocean_light import light
from pytracking.tracker.ocean_light import OceanLightTracker, get_tracker_class
from pytracking.utils import TrackerParams

IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
START = (60.0, 40.0, 30.0, 30.0)
# Takes what the network says.
PLAIN = {"penalty_k": 0.0, "window_influence": 0.0, "lr": 1.0}
CELLS = 13
MIDDLE = CELLS**2 // 2


class AnsweringNet(torch.nn.Module):
    """A network whose position `best` of 13 x 13 is the target for sure."""

    def __init__(self, best=MIDDLE, ltrb=(24.0, 24.0, 24.0, 24.0), sure=1.0, unsure=0.1, iou=0.7):
        super().__init__()
        # A template at the scale of the search region.
        self.template_sz, self.search_sz = 49, 97
        scores = torch.full((CELLS**2,), unsure)
        scores[best] = sure
        self.answer = {
            "pred_logits": scores.logit(eps=1e-6).view(1, 1, CELLS, CELLS),
            "pred_boxes": torch.tensor(ltrb).view(1, 4, 1, 1).repeat(1, 1, CELLS, CELLS),
            "pred_ious": torch.full((1, 1, CELLS, CELLS), iou),
        }

    def template(self, z):
        self.z = z

    def track(self, x):
        self.x = x
        return self.answer


def started(net, start=START, **params):
    parameters = TrackerParams()
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net
    for name, value in {**PLAIN, **params}.items():
        setattr(parameters, name, value)
    tracker = OceanLightTracker(parameters)
    tracker.initialize(IMAGE, {"init_bbox": list(start)})
    return tracker


# A box of 30 x 30 px has a template of 60 px, shown at 49, and a search region of 119, at 97.
SCALE = 97 / 119


@pytest.mark.parametrize(
    "best, ltrb, expected",
    [
        pytest.param(MIDDLE, (12, 12, 12, 12), (75, 55, 24, 24), id="in the middle"),
        pytest.param(MIDDLE + 1, (12, 12, 12, 12), (83, 55, 24, 24), id="one position right"),
        pytest.param(MIDDLE - CELLS, (12, 12, 12, 12), (75, 47, 24, 24), id="one position up"),
        pytest.param(MIDDLE, (8, 10, 16, 20), (79, 60, 24, 30), id="uneven distances"),
    ],
)
def test_boxes_are_read_from_the_best_position(best, ltrb, expected):
    """`expected`: centre of the box in frame pixels, and its sides in pixels of the crop."""
    outputs = started(AnsweringNet(best, tuple(map(float, ltrb)))).track(IMAGE)
    x, y, w, h = outputs["target_bbox"]
    centre = np.array([x + w / 2, y + h / 2])
    moved = (np.array(expected[:2]) - (75, 55)) / SCALE
    np.testing.assert_allclose(centre, (75 + moved[0], 55 + moved[1]), atol=1e-6)
    np.testing.assert_allclose((w, h), np.array(expected[2:]) / SCALE, rtol=1e-5)


def test_the_search_region_has_the_scale_of_the_template():
    # The size stays.
    tracker = started(AnsweringNet(), lr=0.0)
    tracker.track(IMAGE)
    assert tracker.side / tracker.search_size == pytest.approx(
        tracker.template_side() / tracker.template_size, rel=0.01
    )
    assert tracker.net.net.x.shape == (1, 3, 97, 97)


def test_the_window_favours_positions_near_the_last_one():
    net = AnsweringNet(best=0, sure=0.6, unsure=0.5)
    far, near = (started(net, window_influence=value).track(IMAGE) for value in (0.0, 0.5))
    assert far["best_score"] == pytest.approx(0.6)
    assert near["best_score"] == pytest.approx(0.5)


def test_the_penalty_resists_a_change_of_shape():
    net = AnsweringNet(best=0, sure=0.6, unsure=0.5)
    net.answer["pred_boxes"][0, :, 0, 0] = torch.tensor([48.0, 2.0, 48.0, 2.0])
    free, held = (started(net, penalty_k=value).track(IMAGE) for value in (0.0, 0.3))
    assert free["best_score"] == pytest.approx(0.6)
    assert held["best_score"] == pytest.approx(0.5)


@pytest.mark.parametrize("lr, share", [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
def test_the_size_follows_at_its_rate(lr, share):
    width = started(AnsweringNet(), lr=lr).track(IMAGE)["target_bbox"][2]
    assert width == pytest.approx(30 + share * (48 / SCALE - 30), rel=1e-5)


def test_confidence_is_the_mean_of_score_and_predicted_overlap():
    outputs = started(AnsweringNet(sure=0.4, iou=0.9)).track(IMAGE)
    assert outputs["pred_iou"] == pytest.approx(0.9)
    assert outputs["object_presence_score"] == pytest.approx(0.6)


def test_damaged_weights_are_reported():
    net = AnsweringNet()
    net.answer["pred_boxes"][:] = float("nan")
    with pytest.raises(BadInput, match="not finite"):
        started(net).track(IMAGE)


@pytest.fixture(scope="module")
def network():
    """A small network whose boxes keep about the target's size."""
    torch.manual_seed(0)
    net = ocean_light(channels=16, depth=1, template_sz=65, search_sz=97)
    for layer in (net.head.distances, net.head.score):
        torch.nn.init.zeros_(layer.weight)
    return net.eval()


def wrapped(network, backend):
    parameters = TrackerParams()
    parameters.backend, parameters.net = backend, NetWithBackbone("none", use_gpu=False)
    parameters.net.net = network
    return parameters


def boxes(parameters):
    tracker = OceanLightTracker(parameters)
    tracker.initialize(IMAGE, {"init_bbox": list(START)})
    return [tracker.track(np.roll(IMAGE, 3 * k, 1))["target_bbox"] for k in range(3)]


def test_onnx_runtime_gives_the_same_boxes(network):
    for package in light.ONNX_PACKAGES:
        pytest.importorskip(package, reason=f"the extra [onnx] is not installed: {package}")
    expected, onnx = (boxes(wrapped(network, backend)) for backend in ("torch", "onnx"))
    np.testing.assert_allclose(onnx, expected, atol=0.02)


def test_many_targets_at_once_get_the_boxes_of_one_at_a_time(network):
    parameters = wrapped(network, "torch")
    starts = [START, (20.0, 30.0, 24.0, 40.0)]

    def make():
        trackers = [OceanLightTracker(parameters) for _ in starts]
        for tracker, start in zip(trackers, starts, strict=True):
            tracker.initialize(IMAGE, {"init_bbox": list(start)})
        return trackers

    alone = [tracker.track(IMAGE)["target_bbox"] for tracker in make()]
    together = OceanLightTracker.track_many(make(), [IMAGE, IMAGE])
    np.testing.assert_allclose([answer["target_bbox"] for answer in together], alone, atol=1e-3)


@pytest.mark.parametrize("missing", [None, "onnxruntime"])
def test_onnx_is_the_backend_where_it_is_installed(missing, monkeypatch):
    monkeypatch.setattr(light.importlib.util, "find_spec", lambda name: name != missing)
    assert light.parameters().backend == ("torch" if missing else "onnx")
    assert light.parameters(backend="torch").backend == "torch"
    assert get_tracker_class() is OceanLightTracker
