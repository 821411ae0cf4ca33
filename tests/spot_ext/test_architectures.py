"""The method does not know the networks it trains: only `spot_ext/training/architectures` does."""

import inspect
import re
from pathlib import Path

import pytest
import torch

import spot_ext
from spot_ext.training.architectures import Architecture, get_architecture
from spot_ext.training.architectures.ocean import OceanArchitecture
from spot_ext.training.architectures.ostrack import OSTrackArchitecture
from spot_ext.training.architectures.transt import TransTArchitecture

ROOT = Path(spot_ext.__file__).parent
NETWORKS = {
    "transt_small": {"width": 4, "hidden_dim": 16, "nheads": 2},
    "ocean_small": {"width": 4, "channels": 8, "depth": 1},
    "ostrack_small": {"width": 16, "depth": 1, "head_width": 16},
}


def test_no_file_outside_architectures_names_a_network():
    """Not in code, text or comments: then a further network changes one file here."""
    files = [path for path in ROOT.rglob("*.py") if "architectures" not in path.parts]
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search("ocean|transt|ostrack", line, re.IGNORECASE)
    ]
    assert len(files) > 20 and named == []


@pytest.mark.parametrize(
    "architecture", [TransTArchitecture, OceanArchitecture, OSTrackArchitecture]
)
def test_architectures_have_the_protocols_methods(architecture):
    wanted = {
        name: inspect.signature(member)
        for name, member in vars(Architecture).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    assert wanted.keys() == {
        "known_options",
        "build",
        "backbone",
        "parameter_groups",
        "predict",
        "decode",
        "rows",
    }
    assert {name: inspect.signature(getattr(architecture, name)) for name in wanted} == wanted


@pytest.mark.parametrize("name", NETWORKS)
def test_predictions_are_decoded_in_crop_units_and_split_by_rows(name):
    """Boxes are what the criterion wants: with the decoded boxes as targets the IoU at their own
    position is 1.
    """
    torch.manual_seed(0)
    architecture = get_architecture(name)
    net = architecture.build(NETWORKS[name]).eval()
    searches, templates = (
        torch.randn(3, 3, net.search_sz, net.search_sz),
        torch.randn(3, 3, net.template_sz, net.template_sz),
    )
    with torch.no_grad():
        outputs = architecture.predict(net, searches, templates, 3)
        found = architecture.decode(outputs)
        count = found.scores_BN.shape[1]
        assert found.boxes_cxcywh_BN4.shape == (3, count, 4) and found.ious_BN.shape == (3, count)
        assert 0 <= found.scores_BN.min() <= found.scores_BN.max() <= 1
        part = architecture.decode(architecture.rows(outputs, 1, None))
        assert all(
            torch.equal(getattr(part, field), getattr(found, field)[1:])
            for field in ("scores_BN", "boxes_cxcywh_BN4", "ious_BN")
        )
        losses = architecture.criterion(outputs, found.boxes_cxcywh_BN4[:, count // 2], True)
    assert {"total", "iou", "loss_iou_pred"} <= losses.keys()
    side = round(count**0.5)
    assert side * side == count


def test_ocean_boxes_are_counted_from_their_positions():
    architecture = get_architecture("ocean_small")
    architecture.criterion.crop_size = 127
    ltrb = torch.tensor([1.0, 2, 30, 40]).view(1, 4, 1, 1).expand(1, 4, 9, 9)
    maps = {name: torch.zeros(1, 1, 9, 9) for name in ("pred_logits", "align_logits", "pred_ious")}
    maps["pred_logits"][0, 0, 2, 6], maps["align_logits"][0, 0, 2, 6] = 100, -100
    found = architecture.decode({**maps, "pred_boxes": ltrb})
    index = 2 * 9 + 6
    x, y = 63 + 8 * (6 - 4), 63 + 8 * (2 - 4)
    expected = torch.tensor([x + 14.5, y + 19, 31, 42]) / 127
    torch.testing.assert_close(found.boxes_cxcywh_BN4[0, index], expected)
    assert found.scores_BN[0, index] == pytest.approx(0.94) and found.scores_BN[
        0, 0
    ] == pytest.approx(0.5)
