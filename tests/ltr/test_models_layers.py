"""Layers that networks share, backbones beside ResNet-50, and TransT's helper names."""

import importlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

from ltr.admin.errors import BadValue, MissingFile
from ltr.models.backbone import resnet18_vggmconv1, resnet101, resnet_baby
from ltr.models.backbone.mobilenetv3 import mobilenet3
from ltr.models.layers import activation, blocks, filter, normalization, transform
from ltr.models.layers.distance import DistanceMap
from ltr.util import box_ops, misc


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("size_average, norm", [(False, 0.5), (True, 0.5 * 60**0.5)])
def test_instance_norm_gives_every_map_this_norm(size_average, norm):
    x = random(2, 3, 4, 5) * torch.tensor([1.0, 30.0]).view(2, 1, 1, 1)
    out = normalization.InstanceL2Norm(size_average, eps=1e-9, scale=0.5)(x)
    torch.testing.assert_close(out.flatten(1).norm(dim=1), torch.full((2,), norm))
    torch.testing.assert_close(
        out / out.norm(), x * (out[:, :1, :1, :1] / x[:, :1, :1, :1]) / out.norm()
    )


@pytest.mark.parametrize(
    "function, derivative",
    [
        (activation.LeakyReluPar(), activation.LeakyReluParDeriv()),
        (activation.BentIdentPar(2.0), activation.BentIdentParDeriv(2.0)),
    ],
)
def test_derivatives_of_activations(function, derivative):
    x, a = random(50).requires_grad_(), torch.tensor(0.3)
    (slope,) = torch.autograd.grad(function(x, a).sum(), x)
    torch.testing.assert_close(derivative(x.detach(), a), slope)
    assert function(torch.tensor(100.0), a) == pytest.approx(100, rel=0.02)
    assert function(torch.tensor(-100.0), a) == pytest.approx(-30, rel=0.05)


def test_mlu_and_softmax_with_mass_left_over():
    out = activation.MLU(0.05)(torch.tensor([-100.0, 0.0, 2.0]))
    torch.testing.assert_close(out, torch.tensor([-0.05, 0.0, 2.0]))
    x = random(2, 3, 4)
    probabilities = activation.softmax_reg(x, dim=1, reg=1.5)
    torch.testing.assert_close(
        probabilities, x.exp() / (x.exp().sum(1, keepdim=True) + torch.tensor(1.5).exp())
    )
    torch.testing.assert_close(activation.softmax_reg(x, 1), x.softmax(1))


@pytest.mark.parametrize(
    "options, kinds",
    [
        ({}, [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]),
        ({"relu": False}, [nn.Conv2d, nn.BatchNorm2d]),
        ({"batch_norm": False}, [nn.Conv2d, nn.ReLU]),
    ],
)
def test_blocks(options, kinds):
    block = blocks.conv_block(2, 4, **options)
    assert [type(layer) for layer in block] == kinds and block(random(2, 2, 5, 5)).shape == (
        2,
        4,
        5,
        5,
    )
    linear = blocks.LinearBlock(2, 6, 5, **options)
    assert linear(random(3, 2, 5, 5)).shape == (3, 6)
    assert (linear(random(3, 2, 5, 5)).min() >= 0) == options.get("relu", True)


def test_distance_maps_sum_to_one_and_peak_at_their_distance():
    maps = DistanceMap(4, 0.5)(torch.tensor([[2.0, 3.0], [0.0, 0.0]]), (5, 7))
    assert maps.shape == (2, 4, 5, 7)
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 5, 7))
    assert (
        maps[0, 0, 2, 3] == 1
        and maps[0, 2, 2, 4] == 1
        and maps[0, 3, 2, 5] == 1
        and maps[1, 3, 4, 6] == 1
    )


def test_maps_of_different_resolution_together():
    out = transform.InterpCat()({"a": random(1, 2, 8, 8), "b": random(1, 3, 4, 4)})
    assert out.shape == (1, 5, 8, 8)
    x = random(1, 2, 8, 8)
    assert transform.interpolate(x, None) is x and transform.interpolate(x, 4).shape[-2:] == (4, 4)


@pytest.mark.parametrize(
    "several, groups", [((), 1), ((2,), 1), ((4,), 2)], ids=["one", "two", "four in groups"]
)
@pytest.mark.parametrize("kernel", [(3, 3), (4, 3)], ids=["odd", "even"])
def test_filters_of_every_sequence(several, groups, kernel):
    feat, weight = random(3, 2, 4, 6, 7), random(2, *several, 4 // groups, *kernel, seed=1)
    scores = filter.apply_filter(feat, weight)
    assert scores.shape == (3, 2, *several, 6 + (kernel[0] + 1) % 2, 7)
    second = weight[1].reshape(-1, *weight.shape[-3:])
    alone = nn.functional.conv2d(feat[:, 1], second, padding=(kernel[0] // 2, 1), groups=groups)
    torch.testing.assert_close(
        scores[:, 1].flatten(1, -3) if several else scores[:, 1][:, None], alone
    )
    back = filter.apply_feat_transpose(feat, random(*scores.shape, seed=2), kernel, groups=groups)
    torch.testing.assert_close(
        (back * weight).sum(), (scores * random(*scores.shape, seed=2)).sum(), rtol=1e-4, atol=1e-3
    )
    label = random(*scores.shape, seed=3)
    weight.requires_grad_()
    (slope,) = torch.autograd.grad(
        (filter.apply_filter(feat, weight) - label).square().sum() / 2, weight
    )
    torch.testing.assert_close(
        filter.filter_gradient(feat, weight, label), slope, rtol=1e-4, atol=1e-3
    )


def test_filters_that_do_not_fit_are_named():
    with pytest.raises(BadValue, match="features of 2 sequences, but filters of 3"):
        filter.apply_filter(random(1, 2, 4, 5, 5), random(3, 4, 3, 3))
    with pytest.raises(BadValue, match="filters for 3"):
        filter.apply_filter(random(1, 4, 5, 5), random(3, 4, 3, 3))
    assert filter.apply_filter(random(2, 4, 5, 5), random(1, 4, 3, 3)).shape == (2, 1, 5, 5)


def test_filters_of_several_dilations():
    feat, weight = random(2, 3, 4, 9, 9), random(3, 3, 4, 3, 3)
    scores = filter.apply_filter(feat, weight, dilation_factors={1: 1, 3: 2})
    assert scores.shape == (2, 3, 3, 9, 9)
    for number, dilation in enumerate([1, 3, 3]):
        for sequence in range(3):
            one = weight[sequence, number, None]
            expected = F.conv2d(feat[:, sequence], one, padding=dilation, dilation=dilation)
            torch.testing.assert_close(scores[:, sequence, number], expected[:, 0])
    with pytest.raises(BadValue, match="name 2 filters, but there are 3"):
        filter.apply_filter(feat, weight, {1: 1, 2: 1})
    with pytest.raises(BadValue, match="use filters of odd size"):
        filter.apply_filter(feat, random(3, 3, 4, 4, 4), {1: 1, 2: 2})


# ---------------------------------------------------------------- backbones


@pytest.mark.parametrize(
    "factory, layers, shapes",
    [
        (resnet18_vggmconv1, ["vggconv1", "layer3"], [(96, 32), (256, 4)]),
        (resnet_baby, ["layer1", "layer4"], [(16, 16), (128, 2)]),
        (resnet101, ["layer3"], [(1024, 4)]),
        (
            mobilenet3,
            ["init_conv", "layer2", "layer4", "layer5"],
            [(16, 32), (24, 16), (80, 4), (112, 4)],
        ),
    ],
)
def test_backbones_give_the_layers_asked_for(factory, layers, shapes):
    net = factory(output_layers=layers).eval()
    with torch.no_grad():
        assert [
            (value.shape[1], value.shape[-1]) for value in net(torch.zeros(1, 3, 64, 64)).values()
        ] == shapes
    with pytest.raises(ValueError, match="no layer 'layer9'"):
        factory(output_layers=["layer9"])


def test_mobilenet_takes_torchvisions_weights_and_vggm_its_file(tmp_path):
    theirs = torchvision.models.mobilenet_v3_large().eval()
    torch.save(theirs.state_dict(), tmp_path / "mobile.pth")
    x = random(1, 3, 64, 64)
    with torch.no_grad():
        ours = mobilenet3(path=tmp_path / "mobile.pth").eval()(x)["layer_1x1"]
        torch.testing.assert_close(ours, theirs.features(x))
    net = resnet18_vggmconv1()
    torch.save(net.state_dict(), tmp_path / "vggm.pth")
    assert torch.equal(
        resnet18_vggmconv1(path=tmp_path / "vggm.pth").vggmconv1.weight, net.vggmconv1.weight
    )
    with pytest.raises(
        BadValue, match=r"does not fit ResNetVGGm1: it has no entry 'conv1\.weight'"
    ):
        resnet18_vggmconv1(path=tmp_path / "mobile.pth")
    with pytest.raises(MissingFile, match="no weight file"):
        resnet18_vggmconv1(path=tmp_path / "none.pth")
    with pytest.raises(NotImplementedError):
        resnet_baby(pretrained=True)


# ---------------------------------------------------------------- TransT's helpers


def test_boxes_of_two_sets():
    a, b = (
        torch.tensor([[0, 0, 2, 2.0], [1, 1, 3, 4]]),
        torch.tensor([[1, 1, 3, 3.0], [9, 9, 9, 9], [0, 0, 1, 1]]),
    )
    iou, union = box_ops.box_iou(a, b)
    torch.testing.assert_close(iou, torchvision.ops.box_iou(a, b))
    torch.testing.assert_close(union, torch.tensor([[7, 4, 4.0], [6, 6, 7]]))
    giou, same = box_ops.generalized_box_iou(a, b)
    torch.testing.assert_close(giou, torchvision.ops.generalized_box_iou(a, b))
    assert torch.equal(same, iou)
    for row in ([2, 0, 1, 1.0], [0, 0, float("nan"), 1]):
        with pytest.raises(BadValue, match="box 0 is"):
            box_ops.generalized_box_iou(torch.tensor([row]), b)
    masks = torch.zeros(2, 5, 6)
    masks[0, 1:3, 2:5] = 1
    assert box_ops.masks_to_boxes(masks).tolist() == [[2, 1, 4, 2], [0, 0, 0, 0]]


def test_nested_tensors():
    nested = misc.nested_tensor_from_tensor_list([torch.ones(3, 2, 4), torch.ones(3, 5, 1)]).to(
        "cpu"
    )
    tensors, mask = nested.decompose()
    assert (
        tensors.shape == (2, 3, 5, 4)
        and torch.equal(tensors[:, 0] == 0, mask)
        and (~mask).sum((1, 2)).tolist() == [8, 5]
    )
    assert not misc.nested_tensor_from_tensor(torch.ones(3, 2, 4)).mask.any()
    images, names = misc.collate_fn([(torch.ones(3, 2, 2), "a"), (torch.ones(3, 3, 2), "b")])
    assert images.tensors.shape == (2, 3, 3, 2) and names == ("a", "b")
    with pytest.raises(BadValue, match="of one C"):
        misc.nested_tensor_from_tensor_list([torch.ones(3, 2, 4), torch.ones(1, 5, 1)])


def test_transt_takes_nested_tensors():
    from ltr.models.tracking.transt import transt_small

    net = transt_small(hidden_dim=16, nheads=2, dim_feedforward=16, width=4).eval()
    search, template = random(1, 3, 128, 128), random(1, 3, 64, 64)
    nested = [misc.nested_tensor_from_tensor_2(x) for x in (search, template)]
    assert torch.equal(net(*nested)["pred_boxes"], net(search, template)["pred_boxes"])


def test_running_values_of_a_single_process(capsys):
    logger = misc.MetricLogger(delimiter="  ")
    for value in logger.log_every([1.0, 2.0, 6.0], 2, "Epoch 1"):
        logger.update(loss=torch.tensor(value))
    assert (logger.loss.global_avg, logger.loss.median, logger.loss.max, logger.loss.value) == (
        3,
        2,
        6,
        6,
    )
    lines = capsys.readouterr().out.splitlines()
    assert (
        len(lines) == 2
        and lines[0].startswith("Epoch 1  [0/3]  eta: ")
        and "loss: 2.0000 (3.0000)" in lines[1]
    )
    logger.synchronize_between_processes()
    assert misc.reduce_dict({"a": torch.tensor(2.0)}) == {"a": 2} and misc.all_gather("x") == ["x"]
    assert (misc.get_rank(), misc.get_world_size(), misc.is_main_process()) == (0, 1, True)
    with pytest.raises(AttributeError, match="no_such"):
        _ = logger.no_such


def test_accuracy_and_top_level_names(monkeypatch):
    monkeypatch.syspath_prepend(
        Path(__file__).resolve().parents[2]
    )  # `util` belongs to a checkout and is not installed
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.2]])
    assert (
        misc.accuracy(scores, torch.tensor([0, 1]))[0] == 50
        and misc.accuracy(scores[:0], torch.tensor([]))[0] == 0
    )
    assert misc.get_sha().startswith("sha: ")
    for name in ("misc", "box_ops"):
        module, own = (
            importlib.import_module(f"ltr.util.{name}"),
            importlib.import_module(f"util.{name}"),
        )
        assert all(getattr(own, key) is getattr(module, key) for key in module.__all__)
