"""OSTrack's tracker: its crops, its window, its boxes at the border; published files; ONNX; bf16."""

import math
import sys
import types

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.models.tracking import ostrack
from pytracking.features import precision
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.features.onnx_net import OnnxNet
from pytracking.parameter.ostrack import ostrack256
from pytracking.tracker.ostrack import OSTrack, get_tracker_class
from pytracking.tracker.ostrack.ostrack import window
from pytracking.utils import loading

IMAGE = np.random.default_rng(0).integers(1, 255, (120, 160, 3)).astype(np.uint8)
START = (60.0, 40.0, 30.0, 20.0)
SIDE = 4


class AnsweringNet(torch.nn.Module):
    """Says that the target is at cell `best`, moved by `offset` cells, of `size` in the crop."""

    template_sz, search_sz = 32, 64

    def __init__(self, best=5, offset=(0.0, 0.0), size=(0.25, 0.25), context_crops=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.best, self.offset, self.size = best, offset, size
        self.context_crops = context_crops

    def template(self, z):
        self.z = z

    def track(self, x):
        self.x = x
        score = torch.full((1, 1, SIDE, SIDE), 0.1)
        score.flatten()[self.best] = 0.9
        return {
            "score_map": score,
            "offset_map": torch.tensor(self.offset).view(1, 2, 1, 1).expand(1, 2, SIDE, SIDE),
            "size_map": torch.tensor(self.size).view(1, 2, 1, 1).expand(1, 2, SIDE, SIDE),
        }


def started(net, start=START, **params):
    parameters = ostrack256.parameters()
    vars(parameters).update(params)
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net.eval()
    tracker = OSTrack(parameters)
    tracker.initialize(IMAGE, {"init_bbox": list(start)})
    return tracker


def test_box_is_where_the_maps_say():
    assert get_tracker_class() is OSTrack
    tracker = started(AnsweringNet(best=1 * SIDE + 2, offset=(0.5, 1.0), size=(0.3, 0.2)))
    output = tracker.track(IMAGE)
    side = math.ceil(math.sqrt(30 * 20) * 4)
    assert tracker.side == side
    center = np.array([75.0, 50.0]) + (np.array([2.5, 2.0]) / SIDE - 0.5) * side
    size = np.array([0.3, 0.2]) * side
    expected = [*(center - size / 2), *size]
    assert output["target_bbox"] == pytest.approx(expected, abs=1e-4)
    assert output["target_score"] == pytest.approx(0.9)
    assert output["best_score"] == pytest.approx(0.9 * window(16)[6], rel=1e-6)


def test_window_has_no_zeros_and_can_be_left_out():
    line = [0.5 * (1 - math.cos(2 * math.pi * k / (SIDE + 1))) for k in range(1, SIDE + 1)]
    assert window(16).reshape(SIDE, SIDE) == pytest.approx(np.outer(line, line), rel=1e-6)
    corner = AnsweringNet(best=0)
    strong = started(corner, window_penalty=2.0)
    assert strong.track(IMAGE)["target_score"] == pytest.approx(0.1)
    assert started(corner, window_penalty=0.0).track(IMAGE)["target_score"] == pytest.approx(0.9)


@pytest.mark.parametrize("context", [False, True])
def test_crops_are_those_the_network_was_trained_with(context):
    tracker = started(AnsweringNet(context_crops=context), (2, 3, 30, 20))
    tracker.track(IMAGE)
    net = tracker.net.net
    assert net.z.shape == (1, 3, 32, 32) and net.x.shape == (1, 3, 64, 64)
    black = tracker.net.preprocess_image(torch.zeros(1, 3, 1, 1))[0, :, 0, 0]
    corner = net.x[0, :, 0, 0]
    assert torch.allclose(corner, black) != context
    area_side = math.ceil(math.sqrt(600) * 4)
    assert tracker.side == (math.ceil(math.sqrt(105 * 95)) if context else area_side)


@pytest.mark.parametrize(
    ("start", "offset", "size", "expected"),
    [
        ((100, 60, 50, 50), (3.0, 0.0), (0.5, 0.5), "right"),
        ((10, 60, 50, 50), (-4.0, 0.0), (0.5, 0.5), "left"),
        ((70, 50, 20, 20), (0.0, 0.0), (0.01, 0.01), "small"),
        ((20, 20, 100, 80), (0.5, 0.5), (0.99, 0.99), "large"),
    ],
)
def test_ten_pixels_of_a_box_stay_in_the_frame(start, offset, size, expected):
    tracker = started(AnsweringNet(5, offset, size), start)
    x, y, w, h = tracker.track(IMAGE)["target_bbox"]
    assert 0 <= x <= 150 and 0 <= y <= 110 and w >= 10 and h >= 10
    assert x + w <= 160 + 10 and y + h <= 120 + 10
    if expected == "large":
        assert (x, y, w, h) == pytest.approx((0, 0, 160, 120))
    if expected == "small":
        assert (w, h) == pytest.approx((10, 10))
    again = [*(tracker.center_pos - tracker.size / 2), *tracker.size]
    assert again == pytest.approx([x, y, w, h])


def tiny(**options):
    torch.manual_seed(0)
    sizes = {"template_sz": 32, "search_sz": 64, "width": 16, "depth": 2, "nheads": 2}
    return ostrack.ostrack(**{**sizes, "head_width": 16, "iou_head": True, **options}).eval()


def test_many_targets_in_one_batch_are_tracked_as_alone():
    net = tiny(elimination={1: 0.7})
    starts = [START, (20, 30, 25, 25), (90, 50, 40, 30)]
    alone = [started(net, start).track(IMAGE) for start in starts]
    trackers = [started(net, start) for start in starts]
    together = OSTrack.track_many(trackers, [IMAGE] * 3)
    for one, other in zip(alone, together, strict=True):
        assert other["target_bbox"] == pytest.approx(one["target_bbox"], abs=1e-3)
        assert other["pred_iou"] == pytest.approx(one["pred_iou"], abs=1e-5)


def test_heads_stay_in_fp32():
    net = tiny()
    search, template = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(search, template)
        precision.lower(net, torch.bfloat16)
        assert net.backbone.blocks[0].attn.qkv.weight.dtype == torch.bfloat16
        with precision.autocast(torch.device("cpu"), "bf16"):
            outputs = net(search, template)
    for name, value in outputs.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[name], atol=0.05, rtol=0.05)


def test_onnx_gives_the_same_boxes():
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    net = tiny(elimination={1: 0.7}, lora_rank=1)
    expected = [
        started(net, start).track(IMAGE)["target_bbox"] for start in (START, (5, 5, 40, 30))
    ]
    wrapper = NetWithBackbone("none", use_gpu=False)
    wrapper.net = net
    parameters = ostrack256.parameters()
    parameters.net = OnnxNet(wrapper)
    for start, box in zip((START, (5, 5, 40, 30)), expected, strict=True):
        tracker = OSTrack(parameters)
        tracker.initialize(IMAGE, {"init_bbox": list(start)})
        assert tracker.track(IMAGE)["target_bbox"] == pytest.approx(box, abs=1e-2)


@pytest.fixture
def foreign_class(monkeypatch):
    """A class of the program that wrote the file, which is not installed where it is read."""
    module = types.ModuleType("lib.train.admin.settings")
    module.Settings = type("Settings", (), {"__module__": module.__name__})
    for name in ("lib", "lib.train", "lib.train.admin"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    made = module.Settings()
    made.batchsize = 32
    return made, lambda: [
        sys.modules.pop(name) for name in list(sys.modules) if name.startswith("lib.train")
    ]


def test_published_file_is_found_and_rebuilt(machine, foreign_class):
    settings, forget = foreign_class
    net = tiny(iou_head=False)
    machine.network_path.mkdir()
    content = {
        "epoch": 300,
        "actor_type": "OSTrackActor",
        "net_type": "OSTrack",
        "net": net.state_dict(),
        "net_info": None,
        "constructor": None,
        "stats": {},
        "settings": settings,
    }
    torch.save(content, machine.network_path / "ostrack256.pth.tar")
    forget()
    # How many heads there are is not in the file; published networks have one for 64 channels.
    loaded = loading.load_network("ostrack256.pth.tar", nheads=2, elimination={1: 0.5})
    assert loaded.backbone.elimination == {1: 0.5} and not loaded.context_crops
    loaded = loading.load_network("ostrack256.pth.tar", nheads=2)
    search, template = torch.randn(1, 3, 64, 64), torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        expected = net(search, template)["score_map"]
        assert torch.equal(loaded.eval()(search, template)["score_map"], expected)


def test_network_that_returns_nan_is_named():
    with pytest.raises(BadInput, match="not finite"):
        started(AnsweringNet(size=(float("nan"), 0.2))).track(IMAGE)
