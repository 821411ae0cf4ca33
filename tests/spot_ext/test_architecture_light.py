"""`transt_light` as SPOT trains it."""

import pytest
import torch

from ltr.admin.errors import BadValue
from ltr.models.backbone.base import Backbone
from spot_ext.training.architectures import get_architecture

SMALL = {
    "hidden_dim": 32,
    "dim_feedforward": 64,
    "featurefusion_layers": 1,
    "template_sz": 49,
    "search_sz": 97,
}


@pytest.fixture
def architecture():
    return get_architecture("transt_light")


def test_groups_cover_every_parameter_once(architecture):
    net = architecture.build(SMALL)
    head, backbone = architecture.parameter_groups(net, 1e-3, 1e-4)
    assert (head["lr"], backbone["lr"]) == (1e-3, 1e-4)
    assert {id(p) for p in head["params"] + backbone["params"]} == {id(p) for p in net.parameters()}
    assert {id(p) for p in backbone["params"]} == {
        id(p) for p in architecture.backbone(net).parameters()
    }


def test_backbone_can_be_held_still(architecture):
    net = architecture.build(SMALL)
    body = architecture.backbone(net)
    assert isinstance(body, Backbone)
    body.freeze()
    net.train()
    before = {name: value.clone() for name, value in body.state_dict().items()}
    outputs = net(torch.randn(2, 3, 97, 97), torch.randn(2, 3, 49, 49))
    architecture.criterion(outputs, torch.tensor([[0.5, 0.5, 0.3, 0.3]] * 2), True)[
        "total"
    ].backward()
    assert (
        all(p.grad is None for p in body.parameters()) and net.detail_proj.weight.grad is not None
    )
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items())


def test_positives_lie_on_the_networks_positions(architecture):
    """A box from pixel 40 to 72 of 97 holds positions 48 and 64 of 0, 16, …, 96: columns 3 and 4 of
    7.
    """
    architecture.build(SMALL)
    logits = torch.full((1, 7, 7, 2), 0.0)
    logits[..., 1] = 20
    logits[:, 3:5, 3:5] = torch.tensor([20.0, 0.0])
    outputs = {"pred_logits": logits.view(1, 49, 2), "pred_boxes": torch.full((1, 49, 4), 0.5)}
    box = torch.tensor([[56.5, 56.5, 32, 32]]) / 97
    assert float(architecture.criterion(outputs, box, False)["loss_ce"]) < 1e-6


def test_unknown_option(architecture):
    with pytest.raises(BadValue, match="has no option 'hiden_dim', did you mean 'hidden_dim'"):
        architecture.build({"hiden_dim": 32})
