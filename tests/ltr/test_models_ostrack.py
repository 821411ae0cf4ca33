"""OSTrack: its transformer, elimination, head, decoding, weights, low-rank changes."""

import math
import sys
import types

import pytest
import torch
from torch import nn

from ltr.actors.ostrack import keep_rate
from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.models.backbone.one_stream_vit import OneStreamViT, resize_position_code
from ltr.models.backbone.vit_weights import load_vit_weights
from ltr.models.layers.lora import LoRALinear, add_lora, merge_lora
from ltr.models.loss.ostrack_criterion import OSTrackCriterion, gaussian_heat_map
from ltr.models.tracking import ostrack

TINY = {"template_sz": 32, "search_sz": 64, "width": 16, "depth": 4, "nheads": 2, "head_width": 16}


def tiny(**options):
    torch.manual_seed(0)
    return ostrack.ostrack(**{**TINY, **options})


def crops(count=2):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.randn(count, 3, 64, 64, generator=generator),
        torch.randn(count, 3, 32, 32, generator=generator),
    )


def test_outputs_and_the_ways_to_them():
    net = tiny(iou_head=True).eval()
    search, template = crops()
    with torch.no_grad():
        outputs = net(search, template)
        assert {name: tuple(value.shape) for name, value in outputs.items()} == {
            "score_map": (2, 1, 4, 4),
            "size_map": (2, 2, 4, 4),
            "offset_map": (2, 2, 4, 4),
            "pred_ious": (2, 16, 1),
        }
        matched = net.match(net.encode_template(template), search)
        net.template(template[:1])
        tracked = net.track(search[:1])
    for name, value in outputs.items():
        assert torch.equal(matched[name], value)
        torch.testing.assert_close(tracked[name], value[:1])
    with pytest.raises(RuntimeError, match="give the template crop"):
        tiny().track(search)


def test_both_images_change_the_answer():
    net = tiny().eval()
    search, template = crops()
    with torch.no_grad():
        scores = net(search, template)["score_map"]
        assert not torch.allclose(net(search, template.flip(0))["score_map"], scores)
        assert not torch.allclose(net(search.flip(3), template)["score_map"].flip(3), scores)


def reference_blocks(backbone, template, search):
    """Run the blocks with torch's own attention, one sample and no elimination."""
    tokens = torch.cat((template, search), 1)
    width = backbone.width
    for block in backbone.blocks:
        attention = nn.MultiheadAttention(width, backbone.nheads, batch_first=True)
        attention.in_proj_weight = block.attn.qkv.weight
        attention.in_proj_bias = block.attn.qkv.bias
        attention.out_proj = block.attn.proj
        normed = block.norm1(tokens)
        read, weights = attention(normed, normed, normed)
        tokens = tokens + read
        tokens = tokens + block.mlp.fc2(nn.functional.gelu(block.mlp.fc1(block.norm2(tokens))))
    return backbone.norm(tokens), weights


def test_blocks_are_those_of_a_vit():
    backbone = tiny().eval().backbone
    template, search = torch.randn(1, 4, 16), torch.randn(1, 16, 16)
    with torch.no_grad():
        expected, weights = reference_blocks(backbone, template, search)
        found = torch.cat(backbone(template, search), 1)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
        last = backbone.blocks[-1]
        normed = torch.randn(1, 20, 16)
        attention = nn.MultiheadAttention(16, 2, batch_first=True)
        attention.in_proj_weight, attention.in_proj_bias = last.attn.qkv.weight, last.attn.qkv.bias
        _, weights = attention(normed, normed, normed)
        _, interest = last.attn(normed, slice(1, 3))
    torch.testing.assert_close(interest, weights[:, 1:3].mean(1))


@pytest.mark.parametrize("rows", ["center", "all"])
def test_elimination_leaves_out_what_the_template_does_not_attend_to(rows, monkeypatch):
    seen = []
    from ltr.models.backbone import one_stream_vit

    real = one_stream_vit.eliminate

    def noted(tokens, interest, cells, template_count, keep_count):
        tokens, cells = real(tokens, interest, cells, template_count, keep_count)
        seen.append((interest, cells, keep_count))
        return tokens, cells

    monkeypatch.setattr(one_stream_vit, "eliminate", noted)
    backbone = tiny(elimination={1: 0.7, 2: 0.5}, template_rows=rows).eval().backbone
    with torch.no_grad():
        _, search = backbone(torch.randn(2, 4, 16), torch.randn(2, 16, 16))
    assert [count for _, _, count in seen] == [math.ceil(0.7 * 16), math.ceil(0.5 * 12)]
    for interest, cells, count in seen:
        assert cells.shape == (2, count)
        assert interest.shape[1] == (16 if count == 12 else 12)
    first_interest, first_cells, _ = seen[0]
    best = first_interest.topk(12, dim=1).indices
    assert torch.equal(best.sort(1).values, first_cells.sort(1).values)
    assert ((search != 0).any(-1).sum(1) == 6).all()
    kept = [set(cells.tolist()) for cells in seen[1][1]]
    assert [set(row.nonzero()[:, 0].tolist()) for row in (search != 0).any(-1)] == kept


def test_no_elimination_is_the_same_network():
    plain, eliminating = tiny().eval(), tiny(elimination={1: 0.5}).eval()
    eliminating.load_state_dict(plain.state_dict())
    search, template = crops()
    with torch.no_grad():
        expected = plain(search, template)["score_map"]
        assert not torch.allclose(eliminating(search, template)["score_map"], expected)
        eliminating.backbone.keep_rate = 1.0
        assert torch.equal(eliminating(search, template)["score_map"], expected)


def test_checkpointing_changes_memory_and_no_gradient():
    gradients = []
    search, template = crops()
    for checkpointing in (False, True):
        net = tiny(checkpointing=checkpointing, elimination={2: 0.5}).train()
        net(search, template)["score_map"].sum().backward()
        gradients.append(net.backbone.blocks[0].attn.qkv.weight.grad)
    torch.testing.assert_close(*gradients)


def test_candidates_are_where_the_maps_say():
    outputs = {
        "score_map": torch.rand(1, 1, 4, 4),
        "size_map": torch.full((1, 2, 4, 4), 0.25),
        "offset_map": torch.zeros(1, 2, 4, 4),
    }
    outputs["offset_map"][0, :, 2, 1] = torch.tensor([0.5, -1.0])
    outputs["size_map"][0, :, 2, 1] = torch.tensor([0.2, 0.3])
    found = ostrack.decode(outputs)
    assert found.ious_BN is None and torch.equal(found.scores_BN, outputs["score_map"].flatten(1))
    expected = torch.tensor([1.5 / 4, 1.0 / 4, 0.2, 0.3])
    torch.testing.assert_close(found.boxes_cxcywh_BN4[0, 2 * 4 + 1], expected)


@pytest.mark.parametrize("make", [tiny, lambda **k: ostrack.ostrack_small(width=16, depth=1, **k)])
def test_rebuilt_from_its_weights(make):
    net = make(iou_head=True).eval()
    again = ostrack.from_state_dict(net.state_dict(), net.info)
    assert (again.template_sz, again.search_sz) == (net.template_sz, net.search_sz)
    assert again.context_crops == net.context_crops
    search = torch.randn(1, 3, net.search_sz, net.search_sz)
    template = torch.randn(1, 3, net.template_sz, net.template_sz)
    with torch.no_grad():
        for name, value in net(search, template).items():
            assert torch.equal(again(search, template)[name], value)
        net.fold_norms()
        folded = net(search, template)["score_map"]
        torch.testing.assert_close(folded, again(search, template)["score_map"])


def test_low_rank_changes_alone_learn_and_merge_into_the_weights():
    net = tiny(lora_rank=2, iou_head=True).train()
    assert {
        name.split(".")[-1] for name, p in net.backbone.named_parameters() if p.requires_grad
    } == {
        "lora_a",
        "lora_b",
    }
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    for _ in range(2):
        optimizer.zero_grad()
        net(*crops())["offset_map"].square().sum().backward()
        optimizer.step()
    changed = [
        name
        for name, value in net.backbone.named_parameters()
        if not torch.equal(value, before[f"backbone.{name}"])
    ]
    assert changed and all(name.endswith(("lora_a", "lora_b")) for name in changed)
    net.eval()
    again = ostrack.from_state_dict(net.state_dict(), net.info)
    with torch.no_grad():
        expected = net(*crops())
        net.fold_norms()
        assert not any(isinstance(module, LoRALinear) for module in net.modules())
        for name, value in net(*crops()).items():
            torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(again(*crops())[name], expected[name])


def test_lora_of_one_layer():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 4))
    x = torch.randn(3, 6)
    before = net(x)
    add_lora(net, 2, ["0"])
    assert torch.equal(net(x), before)
    with torch.no_grad():
        net[0].lora_b.normal_()
    adapted = net(x)
    torch.testing.assert_close(adapted, before + x @ net[0].lora_a.T @ net[0].lora_b.T)
    merge_lora(net)
    assert type(net[0]) is nn.Linear
    torch.testing.assert_close(net(x), adapted)
    with pytest.raises(BadValue, match=r"names 'qkw'.*choose among 0"):
        add_lora(net, 2, ["qkw"])


def vit_file(folder, backbone, **changes):
    state = {
        name: torch.randn_like(value)
        for name, value in backbone.state_dict().items()
        if name not in ("pos_embed_z", "pos_embed_x")
    }
    state["decoder_pred.weight"] = torch.zeros(3)
    path = folder / "mae_pretrain_vit_tiny.pth"
    torch.save({"model": {**state, **changes}}, path)
    return path, state


def test_weights_of_a_vit_with_resized_position_codes(tmp_path):
    net = tiny()
    path, state = vit_file(tmp_path, net.backbone)
    load_vit_weights(net.backbone, path)
    assert torch.equal(net.backbone.blocks[2].mlp.fc1.weight, state["blocks.2.mlp.fc1.weight"])
    expected = resize_position_code(state["pos_embed"], 2)
    assert torch.equal(net.backbone.pos_embed_z, expected)
    assert torch.equal(resize_position_code(state["pos_embed"], 14), state["pos_embed"][:, 1:])
    path, _ = vit_file(tmp_path, net.backbone, **{"norm.weight": torch.zeros(3)})
    with pytest.raises(BadValue, match=r"'norm.weight' is \(3,\) instead of \(16,\)"):
        load_vit_weights(net.backbone, path)
    with pytest.raises(MissingFile, match="mae_pretrain_vit_base"):
        load_vit_weights(net.backbone, tmp_path / "none.pth")
    with pytest.raises(BadValue, match="no pretrained weights of a ViT of width 16"):
        load_vit_weights(net.backbone)


def test_timm_is_named_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for weights in (None, "timm"):
        with pytest.raises(NotConfigured, match="package timm"):
            load_vit_weights(OneStreamViT(4, 16, width=192, depth=1, nheads=3), weights)


def test_weights_of_timm_fit_by_their_names(monkeypatch):
    """With a stand-in for the package, whose ViTs have the names of `OneStreamViT` and a head."""
    backbone = OneStreamViT(4, 16, width=192, depth=1, nheads=3)
    state = {name: torch.randn_like(value) for name, value in backbone.state_dict().items()}
    theirs = {
        name: value for name, value in state.items() if name not in ("pos_embed_z", "pos_embed_x")
    }
    theirs["head.weight"] = torch.zeros(10, 192)
    made = types.SimpleNamespace(state_dict=lambda: theirs)
    asked = []
    timm = types.ModuleType("timm")
    timm.create_model = lambda name, pretrained: asked.append((name, pretrained)) or made
    monkeypatch.setitem(sys.modules, "timm", timm)
    load_vit_weights(backbone)
    assert asked == [("vit_tiny_patch16_224", True)]
    assert torch.equal(backbone.blocks[0].attn.qkv.weight, state["blocks.0.attn.qkv.weight"])


WRONG = {
    "crop": ({"search_sz": 70}, "search_sz=70 does not fit OSTrack.*use 64"),
    "heads": ({"nheads": 3}, "16 cannot be split into 3 heads"),
    "block": ({"elimination": {9: 0.5}}, r"elimination \{9: 0.5\} is not possible"),
    "share": ({"elimination": {1: 0.0}}, "shares above 0"),
    "rows": ({"template_rows": "some"}, "'center' or 'all'"),
    "target": ({"lora_rank": 1, "lora_targets": ("nosuch",)}, "names 'nosuch'"),
}


@pytest.mark.parametrize(("options", "text"), WRONG.values(), ids=WRONG)
def test_wrong_options(options, text):
    with pytest.raises(BadValue, match=text):
        tiny(**options)


def test_frozen_backbone_learns_nothing_and_is_let_go():
    backbone = tiny().backbone
    backbone.freeze(True)
    assert not any(p.requires_grad for p in backbone.parameters())
    backbone.freeze(False)
    still = {name for name, p in backbone.named_parameters() if not p.requires_grad}
    assert still == {"cls_token", "pos_embed"}


def test_criterion_without_a_target_has_no_box_loss():
    outputs = {
        name: value.detach().requires_grad_()
        for name, value in tiny(iou_head=True)(*crops()).items()
    }
    boxes = torch.tensor([[0.5, 0.5, 0.3, 0.3], [0, 0, 0, 0]])
    losses = OSTrackCriterion()(outputs, boxes, with_iou=True)
    losses["total"].backward()
    assert outputs["size_map"].grad[0].any() and not outputs["size_map"].grad[1].any()
    alone = {name: value[:1] for name, value in outputs.items()}
    torch.testing.assert_close(
        losses["loss_giou"], OSTrackCriterion()(alone, boxes[:1])["loss_giou"]
    )
    assert outputs["pred_ious"].grad[1].all()


def test_criterion_in_two_parts_is_that_of_the_whole():
    outputs = {name: value.detach() for name, value in tiny(iou_head=True)(*crops()).items()}
    boxes = torch.tensor([[0.5, 0.5, 0.3, 0.3], [0.3, 0.6, 0.5, 0.2]])
    criterion = OSTrackCriterion()
    whole = criterion(outputs, boxes, with_iou=True)
    counts = criterion.counts(criterion.targets(boxes, outputs), True)
    parts = []
    for row in (slice(0, 1), slice(1, 2)):
        part = {name: value[row] for name, value in outputs.items()}
        targets = criterion.targets(boxes[row], part)
        parts.append(criterion.losses(criterion.sums(part, targets, True), counts))
    for name, value in whole.items():
        torch.testing.assert_close(parts[0][name] + parts[1][name], value)


def test_heat_map_peaks_at_the_nearest_cell():
    boxes = torch.tensor([[0.5, 0.25, 0.6, 0.6], [1.2, 0.5, 0.1, 0.1]])
    heat = gaussian_heat_map(boxes, 16)
    assert heat[0].argmax() == 4 * 16 + 8 and heat[0].max() == 1
    assert 0 < heat[0, 4, 9] < 1 and heat[0, 4, 9] == heat[0, 5, 8]
    assert not (heat[1] == 1).any()


@pytest.mark.parametrize(("epoch", "rate"), [(1, 1), (20, 1), (60, 0.85), (100, 0.7), (300, 0.7)])
def test_elimination_is_warmed_up(epoch, rate):
    assert keep_rate(epoch, 20, 100, 0.7) == pytest.approx(rate)
