"""The light tracker out of the box, on torch and on ONNX Runtime, and the crop that keeps it fast
on large targets.
"""

import copy
import json

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.data.crops import CropWindow, cut
from ltr.io import checkpoint
from ltr.models.tracking.transt_light import transt_light
from pytracking.features import onnx_export, onnx_net
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.features.onnx_net import OnnxNet
from pytracking.parameter.transt import light, light_onnx
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams

SMALL = {
    "hidden_dim": 32,
    "dim_feedforward": 64,
    "featurefusion_layers": 1,
    "template_sz": 49,
    "search_sz": 97,
}


@pytest.fixture(scope="module")
def network_file(tmp_path_factory):
    """A small untrained network whose boxes keep about the target's size."""
    torch.manual_seed(0)
    net = transt_light(**SMALL).eval()
    net.bbox_embed.layers[-1].bias.data[2:] = -1.1  # a quarter of the crop
    path = tmp_path_factory.mktemp("light") / "light.safetensors"
    checkpoint.write_checkpoint(
        path, {"net": net.state_dict(), "constructor": net.constructor, "net_info": net.info}
    )
    return path


@pytest.fixture(scope="module")
def exported(network_file):
    """The folder that `export-onnx` writes."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"the extra [onnx] is not installed: {package}")
    from spot_ext.__main__ import main

    main(["export-onnx", str(network_file), str(network_file.parent / "onnx")])
    return network_file.parent / "onnx"


@pytest.fixture
def frames():
    """A textured square that drifts over noise."""
    rng = np.random.default_rng(0)
    patch = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
    images = []
    for index in range(6):
        image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
        image[40:70, 50 + 3 * index : 80 + 3 * index] = patch
        images.append(image)
    return images


def follow(params, images, box=(50, 40, 30, 30)):
    tracker = TransT(params)
    tracker.initialize(images[0], {"init_bbox": list(box)})
    return [tracker.track(image) for image in images[1:]]


def boxes(outputs):
    return np.array([output["target_bbox"] for output in outputs])


def test_needs_no_local_file(network_file, frames, monkeypatch, tmp_path):
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "none" / "local.py"))
    outputs = follow(light.parameters(network_file), frames)
    assert not (tmp_path / "none").exists()
    assert all(0 <= output["pred_iou"] <= 1 for output in outputs)


def test_shipped_network_lies_in_the_package_and_is_the_default():
    assert light.SHIPPED.parts[-3:] == ("pytracking", "networks", "transt_light.safetensors")
    assert (
        light.parameters().net.net_path == str(light.SHIPPED)
        and light.parameters().backend == "torch"
    )
    assert light_onnx.parameters().backend == "onnx"


@pytest.mark.parametrize("source", ["exported folder", "exported in memory"])
def test_onnx_runtime_gives_the_same_boxes(source, network_file, exported, frames, monkeypatch):
    exports = []

    def to_onnx(net):  # what it wrote into the folder: exporting takes seconds
        exports.append(net)
        return (
            {name: (exported / file).read_bytes() for name, file in onnx_export.FILES.items()},
            json.loads((exported / onnx_export.INFO).read_text()),
        )

    monkeypatch.setattr(onnx_net, "to_onnx", to_onnx)
    monkeypatch.setattr(onnx_net, "_exports", type(onnx_net._exports)())
    params = light.parameters(network_file, backend="onnx")
    if source == "exported folder":
        params.net = OnnxNet(exported)
    expected, outputs = follow(light.parameters(network_file), frames), follow(params, frames)
    follow(light.parameters(network_file, backend="onnx"), frames[:2])
    assert len(exports) == 1, "a network is exported once, however many trackers use it"
    np.testing.assert_allclose(boxes(outputs), boxes(expected), atol=0.05)
    for name in ("pred_iou", "best_score", "target_score"):
        np.testing.assert_allclose(
            [o[name] for o in outputs], [o[name] for o in expected], atol=1e-4
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sequence", "alone"),
    [("Crossing", True), ("Crossing", False), ("Deer", False)],
    ids=["over a sequence", "frame by frame", "frame by frame, lost in the middle"],
)
def test_onnx_runtime_gives_the_shipped_networks_boxes(sequence, alone, shared_dir):
    """On Deer the target is lost; there 0.0004 px once round a crop's side to another pixel, and
    the two go other ways.
    """
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    if not light.SHIPPED.is_file():
        pytest.skip(f"no network at {light.SHIPPED}")
    images, first = otb(shared_dir, sequence)
    expected, tracker = (TransT(light.parameters(backend=backend)) for backend in ("torch", "onnx"))
    for each in (expected, tracker):
        each.initialize(images[0], {"init_bbox": first})
    for image in images[1:]:
        if not alone:
            tracker.center_pos, tracker.size = expected.center_pos.copy(), expected.size.copy()
        box, wanted = tracker.track(image)["target_bbox"], expected.track(image)["target_bbox"]
        assert np.abs(np.subtract(box, wanted)).max() < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("sequence", ["person-1", "person-2"])
def test_confidence_falls_when_the_target_is_out_of_view(sequence, shared_dir):
    folder = shared_dir / "data" / "lasot" / "person" / sequence
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted((folder / "img").glob("*.jpg"))]
    gone = np.loadtxt(folder / "out_of_view.txt", delimiter=",").astype(bool).reshape(-1)[1:]
    first = np.loadtxt(folder / "groundtruth.txt", delimiter=",")[0].tolist()
    presence = np.array(
        [out["object_presence_score"] for out in follow(light.parameters(), images, first)]
    )
    assert gone.any() and presence[gone].mean() < presence[~gone].mean() - 0.1


def otb(shared_dir, name):
    folder = shared_dir / "data" / "otb" / name
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted((folder / "img").glob("*.jpg"))]
    line = (folder / "groundtruth_rect.txt").read_text().split("\n")[0]
    x, y, w, h = (float(value) for value in line.replace("\t", ",").split(","))
    return images, [x - 1, y - 1, w, h]


def test_onnx_runtime_follows_a_real_sequence(network_file, exported, shared_dir):
    images, first = otb(shared_dir, "Deer")
    params = light.parameters(network_file)
    expected = follow(params, images, first)
    params.net = OnnxNet(exported)
    difference = np.abs(boxes(follow(params, images, first)) - boxes(expected))
    assert len(difference) == 70 and difference.max() < 0.5


def test_onnx_follows_many_targets_at_once(exported, frames):
    params = TrackerParams()
    params.net = OnnxNet(exported)
    trackers = [TransT(params), TransT(params)]
    for tracker, box in zip(trackers, ([50, 40, 30, 30], [20, 20, 40, 40]), strict=True):
        tracker.initialize(frames[0], {"init_bbox": box})
    alone = [copy.deepcopy(tracker).track(frames[1])["target_bbox"] for tracker in trackers]
    together = [output["target_bbox"] for output in TransT.track_many(trackers, [frames[1]] * 2)]
    np.testing.assert_allclose(together, alone, atol=0.01)


def test_onnx_preprocessing_is_torchs(network_file, exported):
    crop = torch.randint(0, 256, (1, 3, 97, 97)).float()
    net = OnnxNet(exported)
    net.initialize()
    torch.testing.assert_close(
        net.preprocess_image(crop),
        NetWithBackbone(str(network_file), use_gpu=False).preprocess_image(crop),
        atol=1e-5,
        rtol=0,
    )


def params_with(**values):
    params = TrackerParams()
    vars(params).update(values)
    return params


@pytest.mark.parametrize(
    "error, words, act",
    [
        pytest.param(
            BadValue,
            "backend 'tensorrt' is not known",
            lambda tmp: TransT(
                params_with(net=NetWithBackbone("x", use_gpu=False), backend="tensorrt")
            ),
            id="unknown backend",
        ),
        pytest.param(
            MissingFile,
            "template.onnx in .*export-onnx NET",
            lambda tmp: OnnxNet(tmp).initialize(),
            id="empty folder",
        ),
        pytest.param(
            BadValue,
            "runs on the CPU, not on cuda",
            lambda tmp: OnnxNet(tmp).set_device("cuda:0"),
            id="gpu",
        ),
    ],
)
def test_onnx_errors(error, words, act, tmp_path):
    with pytest.raises(error, match=words):
        act(tmp_path)


def test_damaged_graph_is_one_sentence(exported, tmp_path):
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "track.onnx").write_bytes(b"no graph")
    with pytest.raises(BadValue, match="ONNX graph cannot be loaded"):
        OnnxNet(tmp_path).initialize()


def test_a_network_of_another_family_is_not_exported():
    pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
    from pytracking.features.onnx_export import to_onnx

    with pytest.raises(BadInput, match="Linear has no ONNX form"):
        to_onnx(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("side", [1, 63, 64, 65, 96, 127, 128, 129, 200, 256, 320, 777])
@pytest.mark.parametrize("out_size", [64, 65])
def test_padded_crops_fill_only_what_resizing_reads(side, out_size):
    """The same pixels as filling and copying the whole window."""
    rng = np.random.default_rng(side)
    for _ in range(8):
        height, width = rng.integers(20, 200, 2)
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        window = CropWindow(
            float(rng.uniform(-20, width + 20)),
            float(rng.uniform(-20, height + 20)),
            side,
            out_size,
        )
        (x, y), fill = window.corner, np.array([10, 200, 30], np.uint8)
        padded = np.empty((height + 2 * 1000, width + 2 * 1000, 3), np.uint8)
        padded[:] = fill
        padded[1000 : 1000 + height, 1000 : 1000 + width] = image
        whole = padded[1000 + y : 1000 + y + side, 1000 + x : 1000 + x + side]
        expected = cv2.resize(whole, (out_size, out_size), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(cut(image, window, fill), expected)
