"""A tracker made from a network file: where its results go, and that trackers share the weights."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.io import checkpoint
from ltr.models.tracking.transt_light import transt_light
from pytracking.evaluation.network_tracker import NetworkTracker
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams

# The package gives the function of the same name; the module is what it came from.
import pytracking.run_tracker  # noqa: F401  isort:skip

script = sys.modules["pytracking.run_tracker"]
SMALL = {
    "hidden_dim": 32,
    "dim_feedforward": 64,
    "featurefusion_layers": 1,
    "template_sz": 49,
    "search_sz": 97,
}


@pytest.fixture
def network(tmp_path) -> Path:
    torch.manual_seed(0)
    net = transt_light(**SMALL).eval()
    path = tmp_path / "net.safetensors"
    content = {"net": net.state_dict(), "constructor": net.constructor, "net_info": net.info}
    checkpoint.write_checkpoint(path, content)
    return path


@pytest.fixture
def no_local_file(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "nothing.py"))


def test_it_tracks_without_a_local_file_and_trackers_share_the_weights(network, no_local_file):
    make = NetworkTracker("transt", "light", network, device="cpu").maker()
    first, second = make(), make()
    assert first is not second
    weights = [tracker.params.net.class_embed.layers[-1].bias for tracker in (first, second)]
    assert weights[0].data_ptr() == weights[1].data_ptr()


def test_results_of_another_network_are_never_taken_for_its_own(network, tmp_path, no_local_file):
    folders = []
    for _ in range(2):
        tracker = NetworkTracker("transt", "light", network, tmp_path / "results", "My run, 3")
        folders.append(Path(tracker.results_dir))
        network.write_bytes(network.read_bytes() + b" ")
    assert [folder.parent for folder in folders] == [tmp_path / "results"] * 2
    assert all(folder.name.startswith("my_run__3_") for folder in folders)
    assert folders[0] != folders[1]


def test_other_weights_keep_the_image_format_of_the_parameter_file(
    network, no_local_file, monkeypatch
):
    params = TrackerParams()
    params.use_gpu = False
    params.net = NetWithBackbone("other", use_gpu=False, image_format="bgr255", mean=[1, 2, 3])
    module = SimpleNamespace(parameters=lambda: params)
    monkeypatch.setattr(NetworkTracker, "_parameter_module", lambda self: module)
    net = NetworkTracker("transt", "light", network).get_parameters().net
    assert (net.net_path, net.image_format) == (str(network), "bgr255")
    assert net._mean.flatten().tolist() == [1, 2, 3]
    net.initialize()
    assert params.net.net is not None


@pytest.mark.parametrize("name", ["net.safetensors", "absent.pth"])
def test_run_tracker_takes_a_network(name, network, tmp_path, monkeypatch):
    local_file = tmp_path / "local.py"
    local_file.write_text(
        "from pytracking.evaluation.environment import EnvSettings\n"
        "def local_env_settings():\n    settings = EnvSettings()\n"
        f"    settings.results_path = {str(tmp_path / 'results')!r}\n"
        f"    settings.network_path = {str(tmp_path)!r}\n    return settings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(local_file))
    asked = []
    monkeypatch.setattr(script, "get_dataset", lambda name: [])
    monkeypatch.setattr(
        script, "run_dataset", lambda data, trackers, *_, **__: asked.extend(trackers)
    )
    if name == "absent.pth":
        with pytest.raises(BadInput, match=r"Failed to load network 'absent.pth'"):
            script.run_tracker("transt", "light", network=name)
        return
    # A name is looked up in network_path, as those of parameter files are.
    script.run_tracker("transt", "light", 4, network=name)
    folder = Path(asked[0].results_dir)
    assert folder.parent == tmp_path / "results" / "transt"
    assert folder.name.startswith("light_net_") and folder.name.endswith("_004")
    assert asked[0].get_parameters().net.net_path == str(network)


def test_a_tracker_that_is_not_there_is_a_sentence(network, no_local_file):
    with pytest.raises(BadInput, match="parameter file pytracking/parameter/transt/ligth"):
        NetworkTracker("transt", "ligth", network).maker()
