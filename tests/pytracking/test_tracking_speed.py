"""Ways to track faster: fewer digits, CUDA graphs (their logic on the CPU), and what they do where
they cannot be used.
"""

import json
import logging

import numpy as np
import pytest
import torch

from benchmarks import tracking as benchmark
from ltr.admin.errors import BadValue
from ltr.models.tracking.ocean import ocean_small
from ltr.models.tracking.transt import transt_small
from ltr.models.tracking.transt_light import transt_light
from pytracking.features import graphs, precision
from pytracking.features.graphs import Graphs, Recording
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams

CPU = torch.device("cpu")
NETWORKS = {
    "transt": transt_small,
    "ocean": ocean_small,
    "light": lambda: transt_light(
        hidden_dim=32, dim_feedforward=64, featurefusion_layers=1, template_sz=49, search_sz=97
    ),
}


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(precision, "_said", set())
    monkeypatch.setattr(graphs, "_said", set())


def seeded(name):
    torch.manual_seed(0)
    net = NETWORKS[name]().eval()
    net.fold_norms()
    return (
        net,
        torch.randn(1, 3, net.template_sz, net.template_sz),
        torch.randn(1, 3, net.search_sz, net.search_sz),
    )


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_bf16_is_near_fp32(name):
    net, template, search = seeded(name)
    net.template(template)
    expected = net.track(search)
    precision.lower(net, torch.bfloat16)
    with precision.autocast(CPU, "bf16"):
        net.template(template)
        found = net.track(search)
    assert net.zf.dtype == torch.bfloat16
    for key, value in expected.items():
        assert found[key].dtype == torch.float32, "heads have all digits"
        assert (found[key] - value).abs().max() < (
            0.05 if name == "ocean" or key == "pred_logits" else 0.01
        )  # Ocean's: px


def test_heads_keep_their_weights_and_others_are_rounded_once():
    net, *_ = seeded("transt")
    precision.lower(net, torch.bfloat16)
    dtypes = {name: parameter.dtype for name, parameter in net.named_parameters()}
    assert dtypes["bbox_embed.inner.layers.2.weight"] == torch.float32
    assert dtypes["input_proj.weight"] == dtypes["backbone.0.body.conv1.weight"] == torch.bfloat16
    assert (
        dtypes["featurefusion_network.encoder.layers.0.self_attn1.in_proj_weight"] == torch.bfloat16
    )
    assert dtypes["featurefusion_network.encoder.layers.0.norm11.weight"] == torch.float32


@pytest.mark.parametrize(
    "asked, has, used, said",
    [
        ("bf16", True, "bf16", ""),
        ("bf16", False, "fp32", "this CPU has no bf16 instructions"),
        ("fp16", True, "fp32", "a CPU is slower in fp16"),
        ("fp32", False, "fp32", ""),
        ("auto", True, "bf16", ""),
        ("auto", False, "fp32", ""),
    ],
)
def test_precision_that_a_cpu_has(asked, has, used, said, monkeypatch, caplog):
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    for _ in range(2):
        assert precision.usable(asked, CPU) == used
    assert [record.getMessage() for record in caplog.records] == (
        [f"precision '{asked}' is not used: {said}; tracking goes on in fp32"] if said else []
    )


def follow(**speed):
    """The boxes of a tracker with such parameters on a few frames."""
    params = TrackerParams()
    params.net = NetWithBackbone("given", use_gpu=False)
    params.net.net = seeded("transt")[0]
    vars(params).update(speed)
    tracker, rng = TransT(params), np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 60, 80, 3), np.uint8)
    tracker.initialize(images[0], {"init_bbox": [20, 15, 20, 20]})
    return [tracker.track(image)["target_bbox"] for image in images[1:]]


def test_graphs_without_a_gpu_change_nothing(caplog):
    assert follow(graphs=True) == follow()
    assert "CUDA graphs are not used: they need a GPU" in caplog.text


@pytest.mark.parametrize(
    "speed, words",
    [
        ({"precision": "bf61"}, "precision 'bf61' is not known, did you mean 'bf16'"),
        ({"precision": "bf16", "backend": "onnx"}, "for the backend 'torch'"),
    ],
)
def test_speed_that_is_not_there(speed, words):
    with pytest.raises(BadValue, match=words):
        follow(**speed)


class Recorder:
    """Records as CUDA does: what is replayed sees the recorded places only."""

    def __init__(self, fail=False):
        self.fail, self.rows = fail, []

    def __call__(self, function, inputs):
        if self.fail:
            raise RuntimeError("capture\n failed")
        self.rows.append(len(inputs[0]))
        places = tuple(value.clone() for value in inputs)
        outputs = function(*places)

        def replay():
            for name, value in function(*places).items():
                outputs[name].copy_(value)

        return Recording(places, replay, outputs)


def double(a, b):
    return {"sum": a * 2 + b}


def test_recordings_are_replayed_with_the_inputs_of_each_call():
    recorder = Recorder()
    recorded = Graphs(double, recorder)
    for rows in (1, 3, 4, 2, 1, 3):
        a, b = torch.randn(rows, 5), torch.randn(rows, 5)
        torch.testing.assert_close(recorded(a, b)["sum"], double(a, b)["sum"])
    assert recorder.rows == [1, 4, 2], "one for each power of two"
    recorded(torch.zeros(1, 7), torch.zeros(1, 7))
    assert recorder.rows == [1, 4, 2, 1], "and for each shape"


def test_what_cannot_be_recorded_is_called(caplog):
    recorded = Graphs(double, Recorder(fail=True))
    for _ in range(2):
        assert recorded(torch.ones(1), torch.ones(1))["sum"] == 3
    assert [record.getMessage() for record in caplog.records] == [
        "CUDA graphs are not used: capture failed; tracking goes on without them, with the same "
        "results"
    ]
    assert caplog.records[0].levelno == logging.WARNING


@pytest.mark.gpu
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_cuda_graphs_give_the_same_outputs(name):
    net, template, search = (value.cuda() for value in seeded(name))
    templates = net.encode_template(template)
    recorded = Graphs(net.match)
    for scale in (1.0, 0.5):
        expected = {
            key: value.clone() for key, value in net.match(templates, search * scale).items()
        }
        found = recorded(templates, search * scale)
        assert recorded.usable
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, atol=1e-4, rtol=1e-4)


def test_the_benchmark_runs(tmp_path, capsys):
    threads = torch.get_num_threads()
    benchmark.main(["--quick", "--json", str(tmp_path / "rows.json")])
    rows = json.loads((tmp_path / "rows.json").read_text())["parts"][0]["rows"]
    names = [row["name"] for row in rows]
    assert "TransT (small), 1 thread" in names and "light TransT, 8 sequences at once" in names
    assert all(row["ours"] > 0 for row in rows) and torch.get_num_threads() == threads
