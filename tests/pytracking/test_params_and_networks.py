"""Parameter files: attribute bags, networks named in them and loaded later, plug-in folders."""

import copy
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ltr.admin.errors import BadValue, MissingFile
from ltr.io import plugins
from pytracking.features import net_wrappers
from pytracking.features.net_wrappers import NetWithBackbone, NetWrapper
from pytracking.libs import TensorList
from pytracking.utils import Choice, FeatureParams, TrackerParams, loading
from pytracking.utils.convert_vot_anno_to_rect import convert_vot_anno_to_rect


class Net(torch.nn.Module):
    """Keeps its template as TransT does, one level down too."""

    template_sz = 64

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.register_buffer("count", torch.zeros(1))

    def template(self, z):
        self.z = z
        self.layer.z = z

    def track(self, x):
        return {"sum": x + self.z + self.layer.z}


@pytest.fixture
def loads(monkeypatch) -> list:
    """The files that ltr was asked to load, with the keyword arguments; it gives a `Net`."""
    asked = []

    def load(path, **kwargs):
        asked.append((path, kwargs))
        if b"damaged" in Path(path).read_bytes():
            raise ValueError("damaged")
        return Net(), {}

    monkeypatch.setattr("pytracking.utils.loading.load_checkpoint", load)
    monkeypatch.setattr(net_wrappers, "_networks", type(net_wrappers._networks)())
    return asked


def add_setting(local: Path, assignment: str) -> None:
    local.write_text(
        local.read_text().replace("    return", f"    settings.{assignment}\n    return")
    )


def test_get_and_defaults():
    params = TrackerParams()
    params.a = 1
    params.set_default_values({"a": 2, "b": 3})
    assert (params.a, params.b, params.get("c", 5), params.get("a", 5), params.has("b")) == (
        1,
        3,
        5,
        1,
        True,
    )
    with pytest.raises(AttributeError, match="'c'"):
        params.get("c")
    with pytest.raises(ValueError, match="at most one default"):
        params.get("c", 1, 2)


def test_feature_params_and_choice():
    params = FeatureParams(a=[1, 2], b=3)
    assert type(params.a) is TensorList and params.b == 3 and Choice(1, 2) in (1, 2)
    with pytest.raises(ValueError, match="keyword"):
        FeatureParams(1)


@pytest.mark.parametrize(
    "name",
    [
        "transt50",
        "spot_transt",
        "spot_transt_k2",
        "spot_transt_k5",
        "spot_transt_got10k",
        "spot_quickstart",
    ],
)
def test_shipped_parameters(name):
    params = __import__(f"pytracking.parameter.transt.{name}", fromlist=["x"]).parameters()
    assert params.net.net_path == {"transt50": "transt.pth"}.get(name, f"{name}.pth.tar")
    assert (params.debug, params.visualization, params.use_gpu) == (0, False, True)


@pytest.mark.parametrize(
    "folders, files, loaded",
    [
        ("a", ["a/n.pth"], ["a/n.pth"]),
        (["a", "b"], ["a/n.pth", "b/n.pth"], ["a/n.pth"]),
        (("a", "b"), ["a/n.pth:damaged", "b/n.pth"], ["a/n.pth", "b/n.pth"]),
    ],
    ids=["one folder", "first wins", "damaged in the first"],
)
def test_network_folders(machine, loads, folders, files, loaded):
    for file in files:
        path, _, text = file.partition(":")
        (machine.root / path).parent.mkdir(exist_ok=True)
        (machine.root / path).write_text(text)
    value = (
        f"{machine.root}/{folders}"
        if isinstance(folders, str)
        else [f"{machine.root}/{name}" for name in folders]
    )
    add_setting(machine.local, f"network_path = {value!r}")
    assert isinstance(loading.load_network("n.pth", k=3), Net)
    assert [(os.path.relpath(path, machine.root), kwargs) for path, kwargs in loads] == [
        (path, {"k": 3, "backbone_pretrained": False}) for path in loaded
    ]


def test_absolute_network_path_needs_no_settings(tmp_path, loads, monkeypatch):
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "none.py"))
    (tmp_path / "n.pth").touch()
    assert isinstance(loading.load_network(str(tmp_path / "n.pth")), Net)
    assert not (tmp_path / "none.py").exists()


@pytest.mark.parametrize("kind", [AssertionError, MissingFile, FileNotFoundError])
def test_missing_network_says_where_and_what_to_do(machine, kind):
    with pytest.raises(
        kind,
        match=r"^Failed to load network 'n\.pth': there is no '.*network_path/n\.pth' - put the "
        r"file there.* network_path in .*local\.py.*run_training\.py spot transt_sparse",
    ):
        NetWithBackbone("n.pth").initialize()


def test_network_is_loaded_when_asked_and_then_reached_through_the_wrapper(machine, loads):
    machine.network_path.mkdir()
    (machine.network_path / "n.pth").touch()
    wrapper = NetWrapper("n.pth", use_gpu=False, k=3)
    assert loads == [] and wrapper.net is None
    with pytest.raises(AttributeError, match=r"'n\.pth' is not loaded yet"):
        _ = wrapper.template_sz
    wrapper.initialize(), wrapper.initialize()
    assert len(loads) == 1 and wrapper.template_sz == 64 and not wrapper.net.training
    with pytest.raises(AttributeError, match="no_such"):
        _ = wrapper.no_such
    assert NetWrapper("n.pth", use_gpu=False, initialize=True).net is not None


def test_file_is_read_once_and_again_when_it_changes(machine, loads):
    machine.network_path.mkdir()
    file = machine.network_path / "n.pth"
    file.touch()
    for kwargs in ({}, {}, {"k": 1}):
        NetWithBackbone("n.pth", use_gpu=False, **kwargs).initialize()
    assert len(loads) == 2
    os.utime(file, (1, 1))
    NetWithBackbone("n.pth", use_gpu=False).initialize()
    assert len(loads) == 3
    for k in range(10):
        NetWithBackbone("n.pth", use_gpu=False, k=k).initialize()
    assert len(net_wrappers._networks) == net_wrappers.KEPT_NETWORKS


@pytest.mark.parametrize(
    "twin_of", [copy.copy, copy.deepcopy, lambda one: NetWithBackbone("n.pth", use_gpu=False)]
)
def test_copies_share_weights_and_not_the_template(machine, loads, twin_of):
    machine.network_path.mkdir()
    (machine.network_path / "n.pth").touch()
    one = NetWithBackbone("n.pth", use_gpu=False)
    one.initialize()
    other = twin_of(one)
    other.initialize()
    one.template(torch.ones(1)), other.template(torch.zeros(1))
    assert one.track(torch.ones(1))["sum"] == 3 and other.track(torch.ones(1))["sum"] == 1
    assert one.net.layer.weight is other.net.layer.weight and one.net.count is other.net.count


@pytest.mark.parametrize(
    "image_format, expected",
    [
        ("rgb", [(1 - 0.4) / 0.2, (0.2 - 0.4) / 0.2, (0 - 0.4) / 0.2]),
        ("bgr", [(0 - 0.4) / 0.2, (0.2 - 0.4) / 0.2, 3]),
        ("bgr255", [(0 - 0.4) / 0.2, (51 - 0.4) / 0.2, (255 - 0.4) / 0.2]),
    ],
)
def test_preprocessing(image_format, expected):
    image = torch.tensor([255.0, 51, 0]).view(1, 3, 1, 1)
    net = NetWithBackbone(
        "n", use_gpu=False, image_format=image_format, mean=[0.4] * 3, std=[0.2] * 3
    )
    assert torch.allclose(net.preprocess_image(image).flatten(), torch.tensor(expected), atol=1e-4)
    assert image.flatten().tolist() == [255, 51, 0]


def test_unknown_format_and_devices_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(BadValue, match="unknown image format 'gbr'"):
        NetWithBackbone("n", image_format="gbr")
    for device, expected in (
        ("gpu", "unknown device 'gpu'"),
        ("cuda:1", "use cpu or cuda:0 to cuda:0"),
    ):
        with pytest.raises(BadValue, match=expected):
            NetWithBackbone("n").set_device(device)


def test_without_gpu_the_cpu_is_used_and_said_once(machine, loads, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(net_wrappers, "_warned", set())
    machine.network_path.mkdir()
    (machine.network_path / "n.pth").touch()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            net = NetWithBackbone("n.pth")
            net.initialize()
    assert net.device == torch.device("cpu") and caplog.text.count("no CUDA device") == 1


@pytest.mark.parametrize("device", ["cpu", None])
def test_device_of_the_tracker_goes_before_the_parameter_file(machine, device):
    from pytracking.evaluation import Tracker

    params = Tracker("transt", "transt50", device=device).get_parameters()
    # The file says use_gpu = True, and tests see no GPU.
    assert not params.use_gpu
    assert params.net.device == (torch.device("cpu") if device else None)


@pytest.mark.parametrize("anno, kind", [([0] * 8, "other"), ([0, 0, 1, 0, 1, 1], "preserve_area")])
def test_vot_annotation_errors(anno, kind):
    with pytest.raises(ValueError, match="VOT annotation"):
        convert_vot_anno_to_rect(anno, kind)


def test_plugin_may_be_an_importable_package(machine, monkeypatch):
    package = machine.root / "mylab"
    (package / "parameter" / "labtracker").mkdir(parents=True)
    (package / "parameter" / "labtracker" / "one.py").write_text(
        "def parameters():\n    return 'mine'\n"
    )
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(machine.root))
    add_setting(machine.local, "plugins = 'mylab'")
    from pytracking.evaluation import Tracker

    assert Tracker("labtracker", "one").get_parameters() == "mine"
    assert str(package) in plugins.folders()


@pytest.mark.parametrize("tracker", ["transt", "moving"], ids=["shipped", "of another plug-in"])
def test_plugin_adds_parameter_files_to_a_tracker_that_exists(machine, trees, tracker):
    folder = trees.write_files(
        machine.root / "more",
        {
            f"parameter/{tracker}/mine_{tracker}.py": "def parameters():\n    return 'mine'\n",
            f"parameter/{tracker}/twice_{tracker}.py": f"from pytracking.parameter.{tracker}.mine_{tracker} import parameters\n",
        },
    )
    add_setting(machine.local, f"plugins = '{folder}'")
    from pytracking.evaluation import Tracker

    assert Tracker(tracker, f"twice_{tracker}").get_parameters() == "mine"
    with pytest.raises(MissingFile, match=f"did you mean 'mine_{tracker}'"):
        Tracker(tracker, f"mime_{tracker}").get_parameters()


PLUGIN_OF_SHIPPED_NAMES = {
    "parameter/transt/__init__.py": "",
    "parameter/transt/transt50.py": "def parameters(net_path='mine'):\n    return net_path\n",
    "parameter/transt/spot_transt_k2.py": "def parameters():\n    return 'my k2'\n",
    "tracker/transt/__init__.py": "def get_tracker_class():\n    return 'my class'\n",
    "experiments/myexperiments.py": "mine = True\n",
    "libs/dcf.py": "mine = True\nhann2d = 5\n",
    "libs/dcf_of_my_own.py": "mine = True\n",
}


@pytest.mark.parametrize("form", ["", "pytracking/"], ids=["flat", "checkout"])
def test_plugin_file_of_a_shipped_name_wins_where_people_edit_files(tmp_path, trees, form):
    folder = trees.write_files(
        tmp_path, {form + name: text for name, text in PLUGIN_OF_SHIPPED_NAMES.items()}
    )
    code = """
import logging
logging.basicConfig(level=logging.INFO, format="%(message)s")
import importlib
from ltr.io import plugins
def load(name):
    return importlib.import_module(f"pytracking.{name}")
print(load("parameter.transt.transt50").parameters())
print(load("parameter.transt.spot_transt_k5").parameters())
print(load("parameter.transt.spot_transt_k2").parameters())
print(load("tracker.transt").get_tracker_class(), load("tracker.transt.config").__file__ is not None)
print(load("experiments.myexperiments").mine)
print(load("libs.dcf").hann2d == 5, load("libs.dcf").mine, load("libs.dcf_of_my_own").mine)
print("light_onnx" in plugins.modules_in("pytracking.parameter.transt"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTRACKING_PLUGINS": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [
        "mine",
        "spot_transt_k5.pth.tar",
        "my k2",
        "my class True",
        "True",
        "False True True",
        "True",
    ], done.stderr
    for name in ("parameter.transt.transt50", "tracker.transt", "experiments.myexperiments"):
        assert f"takes the place of our pytracking.{name}" in done.stderr
    assert "pytracking.libs.dcf" not in done.stderr


def test_plugin_that_does_not_exist_is_said_once(monkeypatch, caplog):
    monkeypatch.setenv(
        "PYTRACKING_PLUGINS", os.pathsep.join(["/no/such/folder", "no_such_package", ""])
    )
    plugins.folders(), plugins.folders()
    assert (
        caplog.text.count("'/no/such/folder' is neither") == 1
        and caplog.text.count("'no_such_package'") == 1
    )
