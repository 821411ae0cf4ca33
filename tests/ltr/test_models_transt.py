"""TransT's behaviour: interface, attention, position codes, and rebuilding networks from
weights.
"""

import copy
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ltr.admin.errors import BadValue, MissingFile
from ltr.models.backbone.transt_backbone import TruncatedResNet50
from ltr.models.neck.featurefusion_network import Attention, FeatureFusionNetwork
from ltr.models.neck.position_encoding import (
    PositionEmbeddingLearned,
    PositionEmbeddingSine,
    build_position_encoding,
)
from ltr.models.tracking import transt, transt_model


@dataclass
class Nested:
    """Stands for util.misc.NestedTensor: images and a mask that is true on padding."""

    tensors: torch.Tensor
    mask: torch.Tensor


def tiny(**options):
    torch.manual_seed(0)
    options = {"hidden_dim": 16, "nheads": 2, "dim_feedforward": 24, "width": 4, **options}
    return transt.transt_small(**options).eval()


def images(batch, size, seed=1):
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def full_net():
    """A network with the structure of the published ones, narrow where only time is at stake."""
    torch.manual_seed(0)
    return transt.transt_resnet50(
        hidden_dim=32, nheads=4, dim_feedforward=16, featurefusion_layers=2
    ).eval()


# ---------------------------------------------------------------- interface


@pytest.mark.parametrize("iou_head", [True, False])
def test_shapes_and_ranges(iou_head):
    net = tiny(iou_head=iou_head)
    outputs = net(images(3, 128), images(3, 64))
    assert outputs["pred_logits"].shape == (3, 256, 2)
    assert outputs["pred_boxes"].shape == (3, 256, 4)
    assert outputs["pred_boxes"].min() >= 0 and outputs["pred_boxes"].max() <= 1
    assert net.has_iou_head == iou_head == ("pred_ious" in outputs)
    if iou_head:
        assert outputs["pred_ious"].shape == (3, 256, 1)
    assert (net.stride, net.template_sz, net.search_sz) == (8, 64, 128)


def test_full_size_network_on_published_crop_sizes(full_net):
    with torch.no_grad():
        outputs = full_net(images(2, 256), images(2, 128))
    assert {name: tuple(value.shape) for name, value in outputs.items()} == {
        "pred_logits": (2, 1024, 2),
        "pred_boxes": (2, 1024, 4),
    }
    assert (full_net.stride, full_net.template_sz, full_net.search_sz) == (8, 128, 256)


def test_small_network_stays_small():
    parameters = sum(p.numel() for p in transt.transt_small().parameters())
    assert 0.3e6 < parameters < 0.5e6


def test_template_then_track_equals_forward():
    net = tiny()
    expected = net(images(1, 128), images(1, 64, seed=2))
    net.template(images(1, 64, seed=2))
    tracked = net.track(images(1, 128))
    assert tracked.keys() == expected.keys()
    for name, value in tracked.items():
        assert torch.equal(value, expected[name]) and not value.requires_grad
    assert not net.zf.requires_grad
    copy.deepcopy(net)  # a stored template must not hinder making a teacher


def test_track_without_template_says_what_is_missing():
    with pytest.raises(RuntimeError, match="before TransT"):
        tiny().track(images(1, 128))


def test_templates_can_be_encoded_once_and_matched_in_any_order():
    net = tiny()
    templates, searches = images(3, 64), images(3, 128)
    order = torch.tensor([2, 0, 0])
    expected = net(searches, templates[order])
    matched = net.match(net.encode_template(templates)[order], searches)
    for name, value in matched.items():
        torch.testing.assert_close(value, expected[name])


def test_iou_head_judges_and_does_not_teach():
    net = tiny().train()
    net(images(2, 128), images(2, 64))["pred_ious"].sum().backward()
    reached = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None}
    assert reached == {"iou_embed"}


def test_nested_tensors_without_padding_are_images():
    net = tiny()

    def nested(x):
        return Nested(x, torch.zeros(x.shape[0], *x.shape[-2:], dtype=torch.bool))

    expected = net(images(1, 128), images(1, 64))
    outputs = net(nested(images(1, 128)), nested(images(1, 64)))
    assert torch.equal(outputs["pred_boxes"], expected["pred_boxes"])
    padded = nested(images(1, 128))
    padded.mask[:, 100:] = True
    with pytest.raises(BadValue, match="without padding"):
        net(padded, images(1, 64))
    features, codes = net.backbone(padded)
    assert (
        features[0].mask.shape == (1, 16, 16)
        and features[0].mask.any()
        and codes[0].shape == (1, 16, 16, 16)
    )


# ---------------------------------------------------------------- factories


def test_settings_fields_are_read_and_options_go_before_them():
    settings = SimpleNamespace(
        hidden_dim=32,
        nheads=4,
        dim_feedforward=48,
        featurefusion_layers=1,
        dropout=0.25,
        position_embedding="learned",
        device="cuda",
        batch_size=3,
        backbone_pretrained=False,
    )
    net = transt.transt_resnet50(settings, dim_feedforward=40, iou_head=True)
    layers = net.featurefusion_network.encoder.layers
    assert len(layers) == 1 and layers[0].linear11.weight.shape == (40, 32)
    assert (
        layers[0].self_attn1.nhead == 4
        and layers[0].self_attn1.dropout == layers[0].dropout.p == 0.25
    )
    assert isinstance(net.backbone[1], PositionEmbeddingLearned) and net.has_iou_head
    assert net.input_proj.weight.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda: transt.transt_resnet50(hiden_dim=32),
            "no option 'hiden_dim', did you mean 'hidden_dim'",
        ),
        (lambda: transt.transt_small(hidden_dim=30, nheads=4), "cannot be split into 4 heads"),
        (lambda: transt_model.transt_resnet50(network="tutor"), "choose 'student' or 'teacher'"),
        (
            lambda: build_position_encoding(
                SimpleNamespace(hidden_dim=8, position_embedding="sin")
            ),
            "did you mean 'sine'",
        ),
    ],
)
def test_wrong_options_are_named(call, message):
    with pytest.raises(BadValue, match=message):
        call()


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """The folder `pretrained_networks`, with a file that stands in for ImageNet's; no local.py."""
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "absent" / "local.py"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    state = TruncatedResNet50().state_dict()
    state["bn1.running_mean"] = torch.arange(64.0)
    torch.save(state, tmp_path / "resnet50-0676ba61.pth")
    return tmp_path


@pytest.mark.parametrize("factory", [transt.transt_resnet50, transt_model.transt_resnet50])
@pytest.mark.parametrize(
    "asked, from_imagenet",
    [({}, True), ({"backbone_pretrained": True}, True), ({"backbone_pretrained": False}, False)],
)
def test_a_recipe_starts_from_imagenet_unless_it_asks_otherwise(
    factory, asked, from_imagenet, networks
):
    env = SimpleNamespace(pretrained_networks=str(networks))
    settings = SimpleNamespace(hidden_dim=16, featurefusion_layers=1, env=env, **asked)
    means = factory(settings).backbone[0].body.bn1.running_mean
    assert torch.equal(means, torch.arange(64.0)) == from_imagenet


def test_a_recipe_without_imagenet_weights_stops(networks, monkeypatch):
    (networks / "resnet50-0676ba61.pth").unlink()

    def refuse(*_args, **_kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    env = SimpleNamespace(pretrained_networks=str(networks))
    with pytest.raises(
        MissingFile, match=r"no resnet50-0676ba61.pth in `pretrained_networks`"
    ) as it:
        transt.transt_resnet50(SimpleNamespace(hidden_dim=16, featurefusion_layers=1, env=env))
    assert str(networks) in str(it.value) and "\n" not in str(it.value)


# ---------------------------------------------------------------- weights


@pytest.mark.parametrize(
    "build, options, prefix",
    [
        (
            transt.transt_small,
            {"hidden_dim": 24, "nheads": 3, "featurefusion_layers": 2, "width": 4},
            "module.",
        ),
        (
            transt.transt_small,
            {"hidden_dim": 16, "nheads": 2, "iou_head": False, "template_sz": 48, "search_sz": 96},
            "",
        ),
        (
            transt.transt_resnet50,
            {"hidden_dim": 16, "featurefusion_layers": 3, "iou_head": True},
            "",
        ),
        (
            transt.transt_resnet50,
            {"hidden_dim": 16, "featurefusion_layers": 1, "position_embedding": "learned"},
            "",
        ),
    ],
    ids=["small, data-parallel", "small, other crops", "full, IoU head", "full, learned positions"],
)
def test_network_is_rebuilt_from_its_weights(build, options, prefix):
    net = build(**options).eval()
    rebuilt = transt.from_state_dict({prefix + k: v for k, v in net.state_dict().items()}, net.info)
    assert not rebuilt.training
    assert (rebuilt.template_sz, rebuilt.search_sz) == (net.template_sz, net.search_sz)
    with torch.no_grad():
        expected = net(images(1, net.search_sz), images(1, net.template_sz))
        outputs = rebuilt(images(1, net.search_sz), images(1, net.template_sz))
    assert outputs.keys() == expected.keys()
    assert all(torch.equal(outputs[name], expected[name]) for name in expected)


def damaged(remove=(), add=()):
    state = {
        name: value
        for name, value in tiny().state_dict().items()
        if not name.startswith(tuple(remove) or "-")
    }
    return {**state, **{name: torch.zeros(2) for name in add}}


@pytest.mark.parametrize(
    "state, message",
    [
        ({"conv1.weight": torch.zeros(1)}, "not TransT's: there is no entry 'input_proj.weight'"),
        ({}, "not TransT's"),
        (damaged(remove=["bbox_embed"]), "do not fit it: .*bbox_embed"),
        (damaged(add=["mask_head.weight"]), "do not fit it: .*mask_head"),
    ],
    ids=["another network", "empty", "entry missing", "entry too many"],
)
def test_weights_that_cannot_be_used_are_refused_in_one_sentence(state, message):
    with pytest.raises(BadValue, match=message) as caught:
        transt.from_state_dict(state)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- parts


def test_attention_takes_the_weights_of_torch_multihead_attention():
    torch.manual_seed(0)
    theirs, ours = nn.MultiheadAttention(12, 3, batch_first=True), Attention(12, 3)
    ours.load_state_dict(theirs.state_dict())
    query, key, value = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.randn(2, 7, 12)
    ignored = torch.zeros(2, 7, dtype=torch.bool)
    ignored[1, 3:] = True
    torch.testing.assert_close(
        ours(query, key, value, ignored), theirs(query, key, value, ignored)[0]
    )
    torch.testing.assert_close(ours(query, query, query), theirs(query, query, query)[0])


def test_attention_drops_weights_only_in_training():
    attention, x = Attention(8, 2, dropout=0.5), torch.randn(1, 6, 8)
    assert not torch.equal(attention(x, x, x), attention(x, x, x))
    attention.eval()
    assert torch.equal(attention(x, x, x), attention(x, x, x))


def test_masked_cells_do_not_influence_the_others():
    torch.manual_seed(0)
    fusion = FeatureFusionNetwork(8, 2, num_featurefusion_layers=2, dim_feedforward=16).eval()
    template, search, code = (
        torch.randn(1, 8, 2, 2),
        torch.randn(1, 8, 3, 3),
        torch.zeros(1, 8, 1, 1),
    )
    ignored = {
        "template": torch.zeros(1, 2, 2, dtype=torch.bool),
        "search": torch.zeros(1, 3, 3, dtype=torch.bool),
    }
    ignored["template"][..., 1], ignored["search"][..., 2] = True, True

    def fused():
        outputs = fusion(
            template,
            ignored["template"],
            search,
            ignored["search"],
            code.expand_as(template),
            code.expand_as(search),
        )
        assert outputs.shape == (1, 1, 9, 8)
        return outputs.unflatten(2, (3, 3))[..., :2, :]

    before = fused()
    template[..., 1], search[..., 2] = 7, -7
    torch.testing.assert_close(fused(), before)


@pytest.mark.parametrize("height, width", [(16, 16), (4, 7)])
def test_sine_code_counts_from_one_to_full_circle(height, width):
    encode = PositionEmbeddingSine(6, normalize=True)
    code = encode(torch.zeros(2, 3, height, width))
    assert code.shape == (1, 12, height, width)
    rows = (torch.arange(height) + 1) / height * 2 * torch.pi
    columns = (torch.arange(width) + 1) / width * 2 * torch.pi
    torch.testing.assert_close(code[0, 0], rows.sin()[:, None].expand(-1, width), atol=1e-5, rtol=0)
    torch.testing.assert_close(code[0, 1], rows.cos()[:, None].expand(-1, width), atol=1e-5, rtol=0)
    torch.testing.assert_close(code[0, 6], columns.sin().expand(height, -1), atol=1e-5, rtol=0)
    slower = columns / 10000 ** (2 / 6)
    torch.testing.assert_close(code[0, 9], slower.cos().expand(height, -1), atol=1e-5, rtol=0)
    padded = Nested(
        torch.zeros(1, 3, height + 2, width), torch.zeros(1, height + 2, width, dtype=torch.bool)
    )
    padded.mask[:, height:] = True
    torch.testing.assert_close(encode(padded)[..., :height, :], code)


def test_sine_code_is_kept_and_serves_training_after_inference():
    encode, features = PositionEmbeddingSine(4, normalize=True), torch.zeros(1, 8, 5, 5)
    with torch.inference_mode():
        code = encode(features)
    assert encode(features) is code and not code.is_inference()
    assert encode(features.double()).dtype == torch.float64


def test_position_codes_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match="normalize=True"):
        PositionEmbeddingSine(4, scale=1.0)
    with pytest.raises(BadValue, match="exceeds its table of 50"):
        PositionEmbeddingLearned(4)(torch.zeros(1, 1, 51, 3))
    learned = PositionEmbeddingLearned(4)
    code = learned(torch.zeros(1, 1, 2, 3))
    assert torch.equal(code[0, :4, 1, 2], learned.col_embed.weight[2])
    assert torch.equal(code[0, 4:, 1, 2], learned.row_embed.weight[1])


@pytest.mark.parametrize("relative", [True, False])
def test_relative_boxes_start_at_their_position(relative):
    """With a silent box head each box has its centre on its own cell, or all of them are the middle
    of the crop.
    """
    net = transt.transt_small(relative_boxes=relative).eval()
    torch.nn.init.zeros_(net.bbox_embed.layers[2].weight)
    torch.nn.init.zeros_(net.bbox_embed.layers[2].bias)
    with torch.no_grad():
        boxes = net(torch.randn(1, 3, 128, 128), torch.randn(1, 3, 64, 64))["pred_boxes"][0].view(
            16, 16, 4
        )
    cells = (torch.arange(16) + 0.5) / 16
    own = torch.stack([cells.expand(16, 16), cells[:, None].expand(16, 16)], -1)
    expected = own if relative else torch.full((16, 16, 2), 0.5)
    torch.testing.assert_close(boxes[..., :2], expected)
    assert torch.equal(boxes[..., 2:], torch.full((16, 16, 2), 0.5))


def test_relative_boxes_survive_a_rebuild_from_weights():
    for relative in (True, False):
        net = transt.transt_small(relative_boxes=relative)
        assert transt.from_state_dict(net.state_dict(), net.info).relative_boxes is relative
