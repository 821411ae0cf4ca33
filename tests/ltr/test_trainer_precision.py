"""`settings.precision` of fully supervised training: which arithmetic networks and losses have."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ltr.actors import TranstActor
from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.trainers import LTRTrainer


class Net(nn.Module):
    """Returns the product of its inputs and remembers in which type it computed it."""

    def forward(self, search, template):
        product = search.flatten(1) @ template.flatten(1).T
        self.computed_in = product.dtype
        return {"product": product}


class Criterion(nn.Module):
    """Takes the mean of the product for every loss and remembers the type it was given."""

    def __init__(self):
        super().__init__()
        self.weight_dict = {"loss_ce": 1.0, "loss_bbox": 0.0, "loss_giou": 0.0}

    def forward(self, outputs, targets):
        self.given = outputs["product"].dtype
        mean = outputs["product"].mean()
        return {"loss_ce": mean, "loss_bbox": mean, "loss_giou": mean, "iou": mean}


@pytest.mark.parametrize(
    ("precision", "network_type"),
    [
        (None, torch.float32),
        ("fp32", torch.float32),
        ("tf32", torch.float32),
        ("bf16", torch.bfloat16),
    ],
)
def test_the_network_computes_in_what_is_asked_for_and_losses_in_fp32(precision, network_type):
    net = Net()
    criterion = Criterion()
    data = TensorDict(
        search_images=torch.rand(2, 3, 8, 8),
        template_images=torch.rand(2, 3, 8, 8),
        search_anno=torch.tensor([[1.0, 1, 4, 4], [2.0, 2, 3, 3]]),
    )
    data["settings"] = SimpleNamespace(precision=precision)
    TranstActor(net, criterion)(data)
    assert net.computed_in is network_type
    assert criterion.given is torch.float32


@pytest.mark.parametrize(
    ("precision", "tf32_allowed"),
    [(None, []), ("fp32", [False]), ("tf32", [True]), ("bf16", [True])],
)
def test_the_trainer_sets_the_switches_of_a_gpu(precision, tf32_allowed, monkeypatch):
    switched = []
    monkeypatch.setattr("ltr.parallel.precision._switch_tf32", switched.append)
    trainer = SimpleNamespace(device=torch.device("cuda"))
    LTRTrainer._set_precision(trainer, precision)
    assert switched == tf32_allowed


def test_another_word_is_told():
    with pytest.raises(BadValue, match="precision is 'half'; give one of fp32, tf32, bf16"):
        LTRTrainer._set_precision(SimpleNamespace(device=torch.device("cpu")), "half")
