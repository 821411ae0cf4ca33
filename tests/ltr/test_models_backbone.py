"""Backbones: layers, strides, frozen parts, and where ImageNet weights come from."""

import urllib.error
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from ltr.admin.errors import BadValue, MissingFile
from ltr.models.backbone import pretrained, resnet18, resnet34, resnet50, resnet152
from ltr.models.backbone.pretrained import load_imagenet_weights
from ltr.models.backbone.resnet import BasicBlock, Bottleneck
from ltr.models.backbone.transt_backbone import (
    Backbone,
    SmallResNet,
    TruncatedResNet50,
    build_backbone,
)


@pytest.mark.parametrize(
    "layers, shapes",
    [
        (["conv1"], {"conv1": (64, 32, 32)}),
        (["layer4", "fc"], {"layer4": (2048, 2, 2), "fc": (1000,)}),
    ],
)
def test_resnet50_returns_the_layers_asked_for(layers, shapes):
    net = resnet50(output_layers=layers).eval()
    with torch.no_grad():
        outputs = net(torch.zeros(1, 3, 64, 64))
    assert isinstance(outputs, OrderedDict)
    assert {name: tuple(value.shape[1:]) for name, value in outputs.items()} == shapes
    for name, shape in shapes.items():
        if name.startswith("layer"):
            assert (net.out_feature_channels(name), 64 // net.out_feature_strides(name)) == shape[
                :2
            ]


@pytest.mark.parametrize("make", [resnet18, resnet34, resnet152])
def test_resnet_agrees_with_torchvision(make):
    torch.manual_seed(0)
    ours, theirs = make().eval(), getattr(torchvision.models, make.__name__)().eval()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))
        assert list(ours(x, ["layer1"])) == ["layer1"]


@pytest.mark.parametrize(
    "factor, stride, dilated",
    [(1, 32, []), (2, 16, [("layer4", 2)]), (4, 8, [("layer3", 2), ("layer4", 4)])],
)
def test_dilation_replaces_stride_from_the_back(factor, stride, dilated):
    net = resnet50(output_layers=["layer4"], dilation_factor=factor).eval()
    found = [
        (name.split(".")[0], m.dilation[0])
        for name, m in net.named_modules()
        if isinstance(m, torch.nn.Conv2d) and m.dilation != (1, 1)
    ]
    assert found == dilated and net.out_feature_strides("layer4") == stride
    with torch.no_grad():
        assert net(torch.zeros(1, 3, 64, 64))["layer4"].shape[-1] == 64 // stride


def test_blocks_take_dilation_by_position_and_do_without_batch_norms():
    plain = BasicBlock(4, 4, 1, None, 2, use_bn=False).eval()
    assert list(plain.state_dict()) == ["conv1.weight", "conv2.weight"]
    x = torch.randn(1, 4, 9, 9)
    dilated = {"padding": 2, "dilation": 2}
    hidden = torch.conv2d(x, plain.conv1.weight, **dilated).relu()
    expected = (torch.conv2d(hidden, plain.conv2.weight, **dilated) + x).relu()
    torch.testing.assert_close(plain(x), expected)
    assert Bottleneck(16, 4, 1, None, 3).conv2.dilation == (3, 3)
    first = resnet18(dilation_factor=2).layer4[0]
    assert first.conv1.dilation == first.conv2.dilation == (2, 2)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: resnet50(output_layers=["layr3"]), "no layer 'layr3', did you mean 'layer3'"),
        (lambda: resnet18()(torch.zeros(1, 3, 32, 32), ["conv2"]), "no layer 'conv2'"),
        (lambda: resnet18(dilation_factor=3), "dilation_factor=3"),
        (lambda: SmallResNet(4, frozen_layers="some"), "'none', 'all' or a list"),
        (lambda: SmallResNet(4, frozen_layers=["layr1"]).train(), "did you mean 'layer1'"),
        (lambda: Backbone(["layer4"]), "TransT's backbone has no layer 'layer4'"),
    ],
)
def test_wrong_names_are_value_errors_with_a_hint(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "frozen, still",
    [
        ("none", set()),
        (("conv1", "bn1"), {"conv1", "bn1"}),
        ("all", {"conv1", "bn1", "relu", "layer1", "layer2", "layer3"}),
    ],
)
def test_frozen_layers_keep_weights_and_statistics(frozen, still):
    net = SmallResNet(4, frozen_layers=frozen).eval().train()
    for name, child in net.named_children():
        assert child.training == (name not in still)
        assert all(p.requires_grad == (name not in still) for p in child.parameters())
    before = net.bn1.running_mean.clone()
    net(torch.randn(2, 3, 32, 32) + 3)
    assert torch.equal(net.bn1.running_mean, before) == ("bn1" in still)


@pytest.mark.parametrize("body, channels", [(TruncatedResNet50(), 1024), (SmallResNet(4), 16)])
def test_bodies_have_stride_8(body, channels):
    with torch.no_grad():
        assert body.eval()(torch.zeros(1, 3, 64, 48))["layer3"].shape == (1, channels, 8, 6)


def test_transt_body_is_a_resnet50_with_one_dilated_convolution():
    body, whole = (
        TruncatedResNet50().eval(),
        resnet50(output_layers=["layer3"], dilation_factor=4).eval(),
    )
    dilated = [
        name
        for name, m in body.named_modules()
        if isinstance(m, torch.nn.Conv2d) and m.dilation != (1, 1)
    ]
    assert dilated == ["layer3.0.conv2"]
    whole.load_state_dict(body.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(body(x)["layer3"], whole(x)["layer3"])


# ---------------------------------------------------------------- ImageNet weights


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty torch cache, no local.py, and no network."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent" / "local.py"))

    def refuse(*_args, **_kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def imagenet_file(path):
    """A stand-in for torchvision's resnet18 file: all entries, one recognisable value."""
    state = torchvision.models.resnet18().state_dict()
    state = {
        name: value.clone()
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }
    state["conv1.weight"].fill_(0.5)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["resnet18-f37072fd.pth", "resnet18-5c106cde.pth"])
def test_weights_come_from_the_cache(cache, name):
    imagenet_file(cache / name)
    assert resnet18(pretrained=True).conv1.weight.eq(0.5).all()


@pytest.mark.parametrize("name", ["resnet18-f37072fd.pth", "resnet18-5c106cde.pth", "resnet18.pth"])
def test_pretrained_networks_goes_before_the_cache(cache, tmp_path, monkeypatch, name):
    imagenet_file(cache / "resnet18-f37072fd.pth")
    state = torch.load(cache / "resnet18-f37072fd.pth", weights_only=True)
    folder = tmp_path / "networks"
    folder.mkdir()
    torch.save({**state, "conv1.weight": torch.full((64, 3, 7, 7), 0.25)}, folder / name)
    local_file = tmp_path / "local.py"
    local_file.write_text(
        f"class EnvironmentSettings:\n    pretrained_networks = {str(folder)!r}\n"
    )
    monkeypatch.setenv("LTR_LOCAL", str(local_file))
    assert resnet18(pretrained=True).conv1.weight.eq(0.25).all()


@pytest.mark.parametrize("name", ["mine.pth", "mine.safetensors"])
def test_weights_come_from_a_named_file(cache, tmp_path, name):
    assert resnet18(weights=imagenet_file(tmp_path / name)).conv1.weight.eq(0.5).all()


def test_transt_backbone_ignores_the_layers_it_lacks(tmp_path):
    state = {
        **TruncatedResNet50().state_dict(),
        "layer4.0.conv1.weight": torch.zeros(1),
        "fc.bias": torch.zeros(1000),
    }
    state["bn1.running_mean"] = torch.arange(64.0)
    torch.save(state, tmp_path / "r50.pth")
    settings = SimpleNamespace(hidden_dim=16, position_embedding="sine")
    backbone = build_backbone(settings, backbone_weights=tmp_path / "r50.pth")
    assert torch.equal(backbone[0].body.bn1.running_mean, torch.arange(64.0))


def test_no_weights_anywhere_names_the_file_and_the_setting(cache):
    with pytest.raises(
        MissingFile, match=r"no resnet50-0676ba61.pth in `pretrained_networks` .*backbone_weights"
    ):
        build_backbone(SimpleNamespace(hidden_dim=16, position_embedding="sine"))


def test_without_pretrained_nothing_is_looked_up(monkeypatch):
    monkeypatch.setattr(pretrained, "_find", lambda *_: pytest.fail("looked for weights"))
    build_backbone(
        SimpleNamespace(hidden_dim=16, position_embedding="sine"), backbone_pretrained=False
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "does not exist"),
        (b"half a fi", "cannot be read as a weight file"),
        ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, "no entry 'bn1.weight'"),
        ([1, 2], "holds a list"),
    ],
    ids=["absent", "truncated", "another network", "not a state dict"],
)
def test_bad_weight_files_are_named(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises((BadValue, MissingFile), match=message) as caught:
        load_imagenet_weights(resnet18(), "resnet18", path)
    assert "weights.pth" in str(caught.value)


def test_weights_of_another_resnet_are_refused(tmp_path):
    path = imagenet_file(tmp_path / "r18.pth")
    with pytest.raises(
        BadValue, match=r"'layer1.0.conv1.weight' is|no entry 'layer1.0.conv3.weight'"
    ):
        build_backbone(
            SimpleNamespace(hidden_dim=16, position_embedding="sine"), backbone_weights=path
        )
