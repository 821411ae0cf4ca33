"""Ocean's behaviour: shapes, interface, where the align head looks, weights, and what is held still
in training.
"""

import copy
from types import SimpleNamespace

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from ltr.admin.loading import load_network
from ltr.io import checkpoint
from ltr.models.backbone.ocean_backbone import UnpaddedResNet, map_cells
from ltr.models.backbone.pretrained import load_imagenet_weights
from ltr.models.backbone.transt_backbone import SmallResNet, TruncatedResNet50
from ltr.models.tracking import ocean
from tests.golden.tolerances import MARGIN

SMALL = {"width": 4, "channels": 8, "depth": 1}


def tiny(**options):
    torch.manual_seed(0)
    return ocean.ocean_small(**{**SMALL, **options}).eval()


def images(batch, size, seed=1):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def stirred(net):
    """Batch norms with statistics, scales and shifts of their own, so that mistakes in them
    show.
    """
    draw = torch.Generator().manual_seed(3)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for value, low in (
                (module.weight, 0.5),
                (module.bias, -0.2),
                (module.running_mean, -0.2),
                (module.running_var, 0.5),
            ):
                value.data.copy_(low + torch.rand(value.shape, generator=draw))
    return net


def assert_same(outputs, expected, rows=slice(None), **tolerance):
    assert outputs.keys() == expected.keys()
    for name, value in outputs.items():
        torch.testing.assert_close(value, expected[name][rows], **tolerance)


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    "build, cells",
    [
        (ocean.ocean_resnet50, 25),
        (tiny, 9),
        (lambda: tiny(template_sz=79, search_sz=143), 11),
        (lambda: tiny(template_sz=63, search_sz=135), 10),
        (lambda: tiny(template_sz=135, search_sz=255), 24),
        (lambda: tiny(template_sz=63, search_sz=63), 1),
    ],
    ids=["published", "small", "both larger", "even search map", "even template map", "smallest"],
)
def test_maps_have_a_position_for_every_place_of_the_template(build, cells):
    net = build().eval()
    with torch.no_grad():
        template = net.encode_template(images(2, net.template_sz))
        outputs = net.match(template, images(2, net.search_sz))
        backbone = net.features(images(1, net.search_sz))
    assert template.shape[-1] == 7 + (map_cells(net.template_sz) + 1) % 2
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "pred_logits": (2, 1, cells, cells),
        "pred_boxes": (2, 4, cells, cells),
        "align_logits": (2, 1, cells, cells),
        "pred_ious": (2, 1, cells, cells),
    }
    assert backbone.shape[1:] == (net.features.features.channels, *2 * [map_cells(net.search_sz)])
    assert (outputs["pred_boxes"] > 0).all() and outputs["pred_boxes"].max() <= 110
    assert outputs["pred_ious"].min() >= 0 and outputs["pred_ious"].max() <= 1


def test_small_network_stays_small():
    assert 0.3e6 < sum(p.numel() for p in ocean.ocean_small().parameters()) < 1.2e6


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ocean.ocean_resnet50(chanels=3), "no option 'chanels', did you mean 'channels'"),
        (lambda: ocean.ocean_resnet50(network="tutor"), "choose 'student' or 'teacher'"),
        (lambda: tiny(template_sz=62), "template_sz=62 is too small .* 6 cells on a side and 7"),
        (lambda: tiny(search_sz=8), "search_sz=8 is too small .* 0 cells"),
        (lambda: tiny().train().fold_norms(), r"call eval\(\) first"),
    ],
    ids=["option", "role", "template", "search", "folding in training"],
)
def test_wrong_options_are_named(call, message):
    with pytest.raises(BadValue, match=message):
        call()


# ---------------------------------------------------------------- interface


def test_template_and_track_match_and_forward_agree():
    net, z, x = tiny(), images(1, 63, seed=2), images(1, 127)
    with pytest.raises(RuntimeError, match=r"before Ocean\.template"):
        net.track(x)
    expected = net(x, z)
    net.template(z)
    assert_same(net.track(x), expected, rtol=0, atol=0)
    assert_same(net.match(net.encode_template(z), x), expected, rtol=0, atol=0)
    assert not net.track(x)["pred_boxes"].requires_grad and not net.zf.requires_grad
    copy.deepcopy(net)  # a stored template must not hinder making a teacher


def test_samples_do_not_influence_each_other_in_eval_mode():
    net, templates, searches, order = (
        stirred(tiny()),
        images(3, 63),
        images(3, 127),
        torch.tensor([2, 0, 0]),
    )
    whole = net(searches, templates[order])
    encoded = net.encode_template(templates)
    for row, of_template in enumerate(order):
        assert_same(
            net.match(encoded[of_template][None], searches[row : row + 1]),
            whole,
            slice(row, row + 1),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("rows", [1, 2, None])
def test_iou_rows_limits_what_the_iou_tower_averages(rows):
    whole, part = tiny(), tiny()
    for net, options in ((whole, {"iou_rows": rows}), (part, {})):
        net.connect_model.iou_pred_tower.train()
        outputs = net(
            images(3, 127)[: 3 if net is whole else rows],
            images(3, 63)[: 3 if net is whole else rows],
            **options,
        )
        assert len(outputs["pred_ious"]) == (rows or 3) and len(outputs["pred_logits"]) == (
            3 if net is whole else rows or 3
        )
    statistics, expected = (
        net.connect_model.iou_pred_tower[1].running_mean for net in (whole, part)
    )
    assert statistics.abs().max() > 0
    torch.testing.assert_close(statistics, expected)


def test_iou_head_judges_and_does_not_teach():
    net = tiny().train()
    net(images(2, 127), images(2, 63))["pred_ious"].sum().backward()
    reached = {name.split(".")[1] for name, p in net.named_parameters() if p.grad is not None}
    assert reached == {"iou_pred_tower", "iou_pred"}


def test_folded_norms_give_the_same_outputs():
    net = stirred(tiny(depth=2))
    folded = copy.deepcopy(net)
    folded.fold_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        assert_same(
            folded(images(2, 127), images(2, 63)),
            net(images(2, 127), images(2, 63)),
            rtol=1e-3,
            atol=1e-4,
        )


# ---------------------------------------------------------------- geometry


@pytest.mark.parametrize(
    "cells, size, first, last",
    [(25, 255, 31, 223), (9, 127, 31, 95), (10, 135, 31, 103), (1, 63, 31, 31)],
)
def test_grid_is_where_the_template_fits(cells, size, first, last):
    line = ocean.grid(cells, size, torch.zeros(1))
    assert (line[0], line[-1]) == (first, last) and (line.diff() == 8).all()
    assert line.mean() == (size - 1) / 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 110), min_size=4, max_size=4))
def test_taps_span_the_predicted_box(ltrb):
    """The outer taps lie on its sides, one on the pixel before its first row and column; the others
    half-way between.
    """
    left, top, right, bottom = ltrb
    offsets = ocean.box_offsets(torch.tensor(ltrb).view(1, 4, 1, 1)).view(3, 3, 2)
    for row in range(3):
        for column in range(3):
            y, x = (offsets[row, column] + torch.tensor([row - 1.0, column - 1.0])) * 8
            assert y == pytest.approx((-top - 1, (bottom - top - 1) / 2, bottom)[row], abs=1e-3)
            assert x == pytest.approx((-left - 1, (right - left - 1) / 2, right)[column], abs=1e-3)


def test_align_head_reads_where_the_box_is():
    """A box around the only bright cell is scored by it, from a position far away; positions with
    other boxes are not.
    """
    head = ocean.AlignHead(1)
    for parameter in head.parameters():
        torch.nn.init.ones_(parameter)
    torch.nn.init.zeros_(head.rpn_cls.bias)
    features = torch.zeros(1, 1, 9, 9)
    features[0, 0, 2, 6] = 1
    ltrb = torch.full((1, 4, 9, 9), 7.5)  # 3 x 3 cells around, as an ordinary convolution
    ltrb[0, :, 7, 1] = torch.tensor([-40 + 8, 40 + 7, 40 + 8, -40 + 7]) + torch.tensor(
        [0.0, 1, 0, 0]
    )
    scores = head(features, ocean.box_offsets(ltrb))[0, 0]
    assert scores[7, 1] > 0.5 and scores[2, 6] > 0.5 and scores[7, 2] == scores[6, 1] == 0


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize(
    "options, prefix",
    [({}, ""), ({"depth": 3, "iou_head": False, "template_sz": 79, "search_sz": 143}, "module.")],
    ids=["small", "no IoU head, other crops, data-parallel"],
)
@pytest.mark.parametrize("with_constructor", [True, False], ids=["factory stored", "weights alone"])
def test_network_is_rebuilt_from_its_checkpoint(tmp_path, options, prefix, with_constructor):
    net = stirred(tiny(**options))
    content = {
        "net": {prefix + name: value for name, value in net.state_dict().items()},
        "net_info": net.info,
    }
    content |= {"constructor": net.constructor} if with_constructor else {}
    checkpoint.write_checkpoint(tmp_path / "net.pth.tar", content)
    rebuilt = load_network(tmp_path / "net.pth.tar")[0].eval()
    assert (rebuilt.template_sz, rebuilt.search_sz) == (net.template_sz, net.search_sz)
    with torch.no_grad():
        x, z = images(1, net.search_sz), images(1, net.template_sz)
        assert_same(rebuilt(x, z), net(x, z), rtol=0, atol=0)
        assert_same(
            ocean.from_state_dict(content["net"], net.info)(x, z), net(x, z), rtol=0, atol=0
        )


def test_full_size_network_is_rebuilt_as_it_was_trained():
    net = ocean.ocean_resnet50(
        SimpleNamespace(channels=8, depth=3, device="cuda"), iou_head=False, depth=2
    )
    assert net.connect_model.cls_pred.weight.shape[1] == 8 and not hasattr(
        net.connect_model, "iou_pred"
    )
    rebuilt = ocean.from_state_dict(net.state_dict())
    assert not rebuilt.training and (rebuilt.template_sz, rebuilt.search_sz) == (127, 255)
    assert {k: v.shape for k, v in rebuilt.state_dict().items()} == {
        k: v.shape for k, v in net.state_dict().items()
    }


@pytest.mark.parametrize(
    "remove, add, message",
    [
        (
            ["connect_model.bbox_tower.0.weight"],
            [],
            "not Ocean's: there is no entry 'connect_model.bbox_tower.0.weight'",
        ),
        (
            ["features.features.conv1"],
            [],
            "look like Ocean's but have no entry 'features.features.conv1.weight'",
        ),
        (["align_head"], [], "do not fit it: .*align_head"),
        (["connect_model.iou_pred_tower"], [], "do not fit it: .*iou_pred_tower"),
        ([], ["mask_head.weight"], "do not fit it: .*mask_head"),
    ],
    ids=["another network", "stem missing", "head missing", "half an IoU head", "entry too many"],
)
def test_weights_that_cannot_be_used_are_refused_in_one_sentence(tmp_path, remove, add, message):
    state = {
        name: value
        for name, value in tiny().state_dict().items()
        if not name.startswith(tuple(remove) or "-")
    }
    state |= {name: torch.zeros(2) for name in add}
    with pytest.raises(BadValue, match=message) as caught:
        ocean.from_state_dict(state)
    assert "\n" not in str(caught.value)
    for constructor in ({"constructor": tiny().constructor}, {}):
        checkpoint.write_checkpoint(tmp_path / "damaged.pth.tar", {"net": state, **constructor})
        with pytest.raises((BadValue, RuntimeError), match=r"damaged\.pth\.tar") as caught:
            load_network(tmp_path / "damaged.pth.tar")
        assert "\n" not in str(caught.value)


def test_imagenet_weights_enter_the_centre_of_larger_shortcuts(tmp_path):
    """What a 3x3 shortcut then computes is the 1x1 shortcut's, of the cell under its centre."""
    torch.manual_seed(0)
    imagenet = stirred(torchvision.models.resnet50())
    torch.save(imagenet.state_dict(), tmp_path / "resnet50.pth")
    net = UnpaddedResNet().eval()
    load_imagenet_weights(net, "resnet50", tmp_path / "resnet50.pth")
    theirs = copy.deepcopy(net)
    for layer, shift in ((net.layer2[0], 1), (net.layer3[0], 0)):
        small = imagenet.get_submodule(f"layer{2 + (layer is net.layer3[0])}.0.downsample.0").weight
        large = layer.downsample[0].weight
        assert (
            torch.equal(large[..., 1:2, 1:2], small)
            and large.count_nonzero() == small.count_nonzero()
        )
        one = torch.nn.Conv2d(*small.shape[1::-1], 1, layer.downsample[0].stride, bias=False)
        one.weight = torch.nn.Parameter(small)
        rim = torch.nn.ZeroPad2d(-shift)  # without padding its first centre is cell 1
        theirs.get_submodule(f"layer{2 + (layer is net.layer3[0])}")[0].downsample[0] = (
            torch.nn.Sequential(rim, one)
        )
    for name in ("conv1", "bn1", "layer1", "layer2", "layer3"):
        ours = getattr(net, name).state_dict()
        assert all(
            torch.equal(value, ours[key])
            for key, value in getattr(imagenet, name).state_dict().items()
            if ours[key].shape == value.shape
        )
    with torch.no_grad():
        features, expected = net(images(1, 127)), theirs(images(1, 127))
        exact = theirs.double()(images(1, 127).double())
    # Both sum in float32, in another order; how far such a sum strays depends on the kernels.
    bound = MARGIN * (expected - exact).abs().max().item()
    assert (features - exact).abs().max().item() <= bound
    assert bound < 1e-4 * exact.abs().max().item()


# ---------------------------------------------------------------- what is held still

BODIES = {
    "Ocean": lambda: UnpaddedResNet((1, 1, 1), 4, ("conv1", "bn1")),
    "TransT, small": lambda: SmallResNet(4),
    "TransT": lambda: TruncatedResNet50(frozen_layers=("conv1", "bn1")),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "frozen, norms, moves, learns",
    [
        (True, True, set(), set()),
        (True, False, {"bn1", "layer1", "layer2", "layer3"}, set()),
        (
            False,
            True,
            {"bn1", "layer1", "layer2", "layer3"},
            {"conv1", "bn1", "layer1", "layer2", "layer3"},
        ),
    ],
    ids=["frozen", "frozen but for statistics", "let go"],
)
def test_freeze_holds_weights_and_statistics(name, frozen, norms, moves, learns):
    body = BODIES[name]().train()
    always = set(body.frozen_layers)
    learns = learns - always
    moves = moves - (always if norms else set())
    for turn in (True, frozen):  # the second call decides; the same again changes nothing
        body.freeze(turn, norms)
    body.eval().train()
    before = copy.deepcopy(body.state_dict())
    out = body(images(2, 64) + 3)
    out = out["layer3"] if isinstance(out, dict) else out
    if learns:
        out.sum().backward()
    else:
        assert not out.requires_grad
    statistics = {
        key.split(".")[0]
        for key, value in body.state_dict().items()
        if "running" in key and not torch.equal(value, before[key])
    }
    taught = {key.split(".")[0] for key, value in body.named_parameters() if value.grad is not None}
    assert (statistics, taught) == (moves, learns)


def test_a_frozen_backbone_stays_frozen_inside_its_network():
    net = ocean.ocean_resnet50(channels=8)
    body = net.features.features
    body.freeze()
    net.train()
    assert not any(module.training for child in body.children() for module in child.modules())
    assert not any(p.requires_grad for p in body.parameters()) and net.neck.training
    body.freeze(False)
    still = {name.split(".")[0] for name, p in body.named_parameters() if not p.requires_grad}
    assert still == {"conv1", "bn1"} and body.layer1.training and not body.bn1.training
    net.eval()
    assert not any(module.training for module in net.modules())
