"""Contract checks D01-D05: parameter files, finding networks, boxes of polygons, tensor
collections, mask overlays.
"""

import importlib.util
import pickle

import numpy as np
import pytest
import torch

from ltr.io.checkpoint import write_checkpoint
from pytracking import TensorDict, TensorList
from pytracking.utils.convert_vot_anno_to_rect import convert_vot_anno_to_rect
from pytracking.utils.loading import load_network

PARAMETER_FILE = """
import torch
from pytracking.utils import TrackerParams, FeatureParams, Choice
from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.features.extractor import MultiResolutionExtractor
from pytracking.features import deep

def parameters():
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    params.use_gpu = True
    params.image_sample_size = 18*16
    params.search_area_scale = 5
    params.border_mode = 'inside_major'
    params.patch_max_scale_change = 1.5
    params.sample_memory_size = 50
    params.learning_rate = Choice(0.01, 0.01)
    params.augmentation = {'fliplr': True, 'rotate': [10, -10, 45, -45], 'blur': [(3,1), (1, 3)],
                           'relativeshift': [(0.6, 0.6)], 'dropout': (2, 0.2)}
    params.net_opt_hn_iter = 1
    params.window_output = False
    params.advanced_localization = True
    params.dispalcement_scale = 0.8
    params.hard_negative_learning_rate = 0.02
    params.iounet_k = 3
    params.box_jitter_pos = 0.1
    params.box_refinement_space = 'relative'
    params.conf_ths = 0.9
    params.search_area_rescaling_at_occlusion = True
    params.vot_anno_conversion_type = 'preserve_area'
    params.device = torch.device('cpu')
    params.features = MultiResolutionExtractor([deep.ATOMResNet18(
        output_layers=['layer3'], net_path='atom_default.pth', use_gpu=params.use_gpu,
        fparams=FeatureParams(feature_stride=[16], scale=2), normalize_power=2)])
    params.net = NetWithBackbone(net_path='dimp50.pth', use_gpu=params.use_gpu)
    return params
"""


@pytest.fixture
def settings_file(tmp_path, monkeypatch):
    """Writes the evaluation's local.py with this `network_path`."""

    def write(network_path) -> None:
        file = tmp_path / "local.py"
        file.write_text(
            "from pytracking.evaluation.environment import EnvSettings\ndef local_env_settings():\n"
            f"    settings = EnvSettings()\n    settings.network_path = {network_path!r}\n    "
            "return settings\n"
        )
        monkeypatch.setenv("PYTRACKING_LOCAL", str(file))

    return write


def test_D01_upstream_parameter_file_needs_no_network_on_disk(tmp_path):
    file = tmp_path / "dimp50.py"
    file.write_text(PARAMETER_FILE)
    spec = importlib.util.spec_from_file_location("dimp50", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    params = module.parameters()
    assert (
        params.net.net_path == "dimp50.pth"
        and params.learning_rate == 0.01
        and params.dispalcement_scale == 0.8
    )
    assert params.get("x", 5) == 5
    with pytest.raises(AttributeError, match="'x'"):
        params.get("x")
    assert params.features.get_fparams("feature_stride") == [16] and params.features.stride() == [
        16
    ]
    assert pickle.loads(pickle.dumps(params)).image_sample_size == 288  # worker processes get it so


def test_D02_network_is_found_in_the_second_folder_and_by_its_absolute_path(
    tmp_path, settings_file
):
    from ltr.models.tracking.transt import transt_small

    options = {"hidden_dim": 16, "nheads": 2, "dim_feedforward": 16, "width": 4}
    net = transt_small(**options)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    write_checkpoint(
        tmp_path / "b" / "n.pth.tar",
        {"net": net.state_dict(), "constructor": net.constructor, "net_info": None},
    )
    settings_file([str(tmp_path / "a"), str(tmp_path / "b")])
    found = load_network("n.pth.tar")
    settings_file(str(tmp_path / "nowhere"))
    for loaded in (found, load_network(str(tmp_path / "b" / "n.pth.tar"))):
        assert all(
            torch.equal(value, net.state_dict()[name])
            for name, value in loaded.state_dict().items()
        )


@pytest.mark.parametrize(
    "anno, kind, box",
    [
        ([10, 10, 30, 10, 30, 30, 10, 30], "union", [10, 10, 20, 20]),
        ([10, 10, 30, 10, 30, 30, 10, 30], "preserve_area", [9.5, 9.5, 21, 21]),
        ([1, 2, 3, 4], "any", [1, 2, 3, 4]),
    ],
    ids=["D03 hull", "D03 same area", "D03 a box stays"],
)
def test_D03_polygon_to_box(anno, kind, box):
    assert convert_vot_anno_to_rect(anno, kind) == pytest.approx(box)


def test_D04_collections_broadcast_and_keep_what_is_no_tensor():
    assert TensorList([1, 2]) + 1 == [2, 3]
    moved = TensorDict({"a": torch.ones(1), "s": "x"}).to("cpu")
    assert moved["s"] == "x" and moved["a"].device.type == "cpu"


def test_D05_mask_overlay_on_current_numpy():
    from pytracking.utils.plotting import overlay_mask

    mask = np.zeros((4, 4), np.uint8)
    mask[1:3, 1:3] = 1
    shown = overlay_mask(np.full((4, 4, 3), 100, np.uint8), mask)
    assert shown.shape == (4, 4, 3) and shown.dtype == np.uint8
    assert (shown[mask == 0] == 100).all() and (shown[mask == 1] != 100).any()
