"""The light Ocean: positions, boxes, the template's cells, files that rebuild it."""

import numpy as np
import pytest
import torch

from ltr.admin import loading
from ltr.admin.errors import BadValue
from ltr.io import checkpoint
from ltr.models.tracking.ocean_light import STRIDE, from_state_dict, ocean_light, positions

SMALL = {"channels": 16, "depth": 1, "template_sz": 65, "search_sz": 97}


def make(seed: int = 0, **options):
    """A new network whose batch norms have the statistics of one batch, so that nothing is huge."""
    torch.manual_seed(seed)
    net = ocean_light(**{**SMALL, **options}).train()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    template, search = crops(net, 2)
    with torch.no_grad():
        net(search, template)
    return net.eval()


def crops(net, batch: int = 1):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(batch, 3, size, size, generator=generator)
        for size in (net.template_sz, net.search_sz)
    ]


@torch.no_grad()
def outputs_of(net, batch: int = 1):
    template, search = crops(net, batch)
    return net(search, template)


def test_predictions_of_a_new_network():
    """Nearly nothing is the target, boxes are 53 px wide, and IoU is even."""
    net, side = make(), 13
    for layer in (net.head.score, net.head.distances, net.head.iou):
        torch.nn.init.zeros_(layer.weight)
    outputs = outputs_of(net, 2)
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {
        "pred_logits": (2, 1, side, side),
        "pred_boxes": (2, 4, side, side),
        "pred_ious": (2, 1, side, side),
    }
    assert float(outputs["pred_logits"].sigmoid().mean()) == pytest.approx(0.018, abs=1e-3)
    assert float(outputs["pred_boxes"].mean()) == pytest.approx(26.6, abs=0.1)
    assert float(outputs["pred_ious"].mean()) == pytest.approx(0.5)


def test_positions_reach_from_the_first_pixel_to_the_last():
    places = positions(25, torch.zeros(1))
    assert places.shape == (2, 25, 25)
    assert places[0, 0, [0, 1, -1]].tolist() == [0.5, 8.5, 192.5]
    assert places[1, :, 0].tolist() == places[0, 0].tolist()


@pytest.mark.parametrize("axis", [-1, -2], ids=["x", "y"])
def test_predictions_move_by_two_positions_with_sixteen_pixels(axis):
    """Positions are where the network looks, away from the border."""
    net = make()
    template, _ = crops(net)
    image = torch.randn(1, 3, 497, 497, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        cells = net.encode_template(template)
        here = net.match(cells, image.narrow(axis, 0, 481))["pred_boxes"]
        shifted = net.match(cells, image.narrow(axis, 16, 481))["pred_boxes"]
    across = 3 if axis == -2 else 2
    middle = here.narrow(axis, 29, 4).narrow(across, 29, 4)
    torch.testing.assert_close(
        middle, shifted.narrow(axis, 27, 4).narrow(across, 29, 4), atol=1e-3, rtol=1e-3
    )


def test_the_match_depends_on_which_part_of_the_template_is_where():
    """A template turned upside down is another template, though its mean is the same."""
    net = make()
    template, search = crops(net)
    with torch.no_grad():
        cells = net.encode_template(template)
        upright, turned = (net.match(zf, search) for zf in (cells, cells.flip(-2)))
    difference = (upright["pred_boxes"] - turned["pred_boxes"]).abs().max()
    assert float(difference) > 0.1


def test_each_search_crop_meets_its_own_template():
    net = make()
    template, search = crops(net, 2)
    with torch.no_grad():
        together = net(search, template)
        alone = net(search[1:], template[1:])
    for name, value in together.items():
        torch.testing.assert_close(value[1:], alone[name], atol=1e-4, rtol=1e-4)


def test_folded_norms_change_no_prediction():
    net = make()
    before = outputs_of(net)
    net.fold_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.backbone.modules())
    for name, value in outputs_of(net).items():
        torch.testing.assert_close(value, before[name], atol=1e-3, rtol=1e-3)


def test_a_bad_step_cannot_send_a_side_to_infinity():
    net = make()
    torch.nn.init.constant_(net.head.distances.bias, 1e4)
    assert float(outputs_of(net)["pred_boxes"].max()) == pytest.approx(STRIDE * np.exp(4), rel=1e-5)


def test_tracking_equals_training_forward():
    net = make()
    template, search = crops(net)
    with pytest.raises(RuntimeError, match=r"before OceanLight\.template"):
        net.track(search)
    net.template(template)
    for name, value in outputs_of(net).items():
        torch.testing.assert_close(net.track(search)[name], value)


@pytest.mark.parametrize("with_constructor", [True, False], ids=["by its factory", "by its shapes"])
def test_a_checkpoint_rebuilds_the_network(tmp_path, with_constructor):
    net = make(channels=24, depth=3)
    content = {"net": net.state_dict(), "net_info": net.info}
    if with_constructor:
        content["constructor"] = net.constructor
    checkpoint.write_checkpoint(tmp_path / "light.pth.tar", content)
    again, _ = loading.load_network(tmp_path / "light.pth.tar")
    assert (again.template_sz, again.search_sz) == (65, 97)
    for name, value in outputs_of(again.eval()).items():
        torch.testing.assert_close(value, outputs_of(net)[name])


def test_shapes_alone_give_the_default_crops():
    net = from_state_dict({f"module.{k}": v for k, v in make().state_dict().items()})
    assert (net.template_sz, net.search_sz, net.training) == (113, 193, False)


@pytest.mark.parametrize(
    "options, message",
    [
        pytest.param({"search_sz": 200}, "search_sz=200 .* use 193", id="search"),
        pytest.param({"template_sz": 112}, "template_sz=112 .* use 113", id="template"),
        pytest.param({"iou_head": False}, "always predicts IoU", id="no IoU head"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(BadValue, match=message):
        make(**options)
