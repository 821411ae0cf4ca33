"""A tracker made from a network file: where its results go, and that trackers share the weights."""

from pathlib import Path

import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.io import checkpoint
from ltr.models.tracking.transt_light import transt_light
from pytracking.evaluation.network_tracker import NetworkTracker

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


def test_a_tracker_that_is_not_there_is_a_sentence(network, no_local_file):
    with pytest.raises(BadInput, match="parameter file pytracking/parameter/transt/ligth"):
        NetworkTracker("transt", "ligth", network).maker()
