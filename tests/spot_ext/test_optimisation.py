"""How the student learns: rates over the epochs, when the backbone joins, clipping, and steps that
are not taken.
"""

import dataclasses
import itertools

import pytest
import torch
from torch import nn

from ltr.admin.errors import BadInput, BadValue
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import OptimConfig
from spot_ext.training.optimization import (
    StudentStep,
    hold_backbone,
    make_optimizer,
    make_scheduler,
)

LOG = OptimConfig(
    method="sgd", lr=5e-3, lr_backbone=5e-4, schedule="log", start_lr=1e-3, final_lr=1e-5
)


def rates(config: OptimConfig, epochs: int) -> list[tuple[float, float]]:
    """Of head and backbone in each epoch."""
    groups = [
        {"params": [nn.Parameter(torch.zeros(1))], "lr": lr}
        for lr in (config.lr, config.lr_backbone)
    ]
    optimizer = torch.optim.SGD(groups)
    scheduler, found = make_scheduler(optimizer, config, epochs), []
    for _ in range(epochs):
        found.append(tuple(group["lr"] for group in optimizer.param_groups))
        optimizer.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("epochs", [350, 50])
def test_log_schedule_warms_up_and_decays_on_whole_epochs(epochs):
    found, length = rates(LOG, epochs), epochs // 50
    heads = [head for head, _ in found]
    assert all(backbone == pytest.approx(head / 10) for head, backbone in found)
    assert (
        all(len({*heads[start : start + length]}) == 1 for start in range(0, epochs, length))
        and len({*heads}) == 50
    )
    steps = heads[::length]
    assert [steps[i] for i in (0, 5, 49)] == pytest.approx([1e-3, 5e-3, 1e-5])
    assert [b / a for a, b in itertools.pairwise(steps)] == pytest.approx(
        [5**0.2] * 5 + [500 ** (-1 / 44)] * 44
    )


@pytest.mark.parametrize(
    "epochs, steps",
    [(7, [0, 7, 14, 21, 28, 35, 42]), (1, [0]), (75, [i * 50 // 75 for i in range(75)])],
)
def test_log_schedule_of_any_length_follows_the_same_curve(epochs, steps):
    whole = rates(LOG, 50)
    assert rates(LOG, epochs) == [whole[step] for step in steps]


def test_step_schedule_multiplies_once():
    found = rates(OptimConfig(lr=1.0, lr_backbone=0.1, decay_epoch=3, decay=0.5), 5)
    assert [head for head, _ in found] == [1, 1, 1, 0.5, 0.5]
    assert found[3] == pytest.approx((0.5, 0.05))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"method": "sdg"}, "optim.method is 'sdg', did you mean 'sgd'.*choose adamw or sgd"),
        ({"method": "lion"}, "optim.method is 'lion': choose"),
        ({"schedule": "cosine"}, "optim.schedule is 'cosine'.*step or log"),
    ],
    ids=["typing error", "method", "schedule"],
)
def test_unknown_methods_and_schedules_are_sentences(changes, message):
    with pytest.raises(BadValue, match=message) as caught:
        OptimConfig(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name, network",
    [
        ("transt_small", {"width": 4, "hidden_dim": 16, "nheads": 2}),
        ("ocean_small", {"width": 4, "channels": 8, "depth": 1}),
        ("ostrack_small", {"width": 16, "depth": 1, "head_width": 16}),
    ],
)
@pytest.mark.parametrize("method, kind", [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_every_parameter_is_in_one_group_and_the_backbones_in_its_own(name, network, method, kind):
    architecture = get_architecture(name)
    net = architecture.build(network)
    hold_backbone(net, architecture, OptimConfig(unfreeze_epoch=2), epoch=1)
    held = make_optimizer(net, architecture, dataclasses.replace(LOG, method=method))
    hold_backbone(net, architecture, OptimConfig(unfreeze_epoch=2), epoch=2)
    free = make_optimizer(net, architecture, dataclasses.replace(LOG, method=method))
    for optimizer in (
        held,
        free,
    ):  # the same groups at any epoch: a checkpoint of one fits the other
        assert isinstance(optimizer, kind) and [
            group["lr"] for group in optimizer.param_groups
        ] == [5e-3, 5e-4]
        head, backbone = ({id(p) for p in group["params"]} for group in optimizer.param_groups)
        assert backbone == {id(p) for p in architecture.backbone(net).parameters()}
        assert head | backbone == {id(p) for p in net.parameters()} and not head & backbone


@pytest.mark.parametrize(
    "unfreeze, epoch, learns",
    [(None, 1, True), (3, 1, False), (3, 2, False), (3, 3, True), (3, 9, True)],
)
@pytest.mark.parametrize("norms", [True, False])
def test_backbone_joins_in_its_epoch(unfreeze, epoch, learns, norms):
    architecture = get_architecture("ocean_small")
    net = architecture.build({"width": 4, "channels": 8, "depth": 1})
    hold_backbone(net, architecture, OptimConfig(unfreeze_epoch=unfreeze), epoch, norms)
    net.train()
    body = architecture.backbone(net)
    assert all(p.requires_grad == learns for p in body.parameters())
    assert body.bn1.training == (learns or not norms)
    assert all(
        p.requires_grad for name, p in net.named_parameters() if not name.startswith("features.")
    )


# ---------------------------------------------------------------- steps


class Weight(nn.Module):
    """`loss(slope)` has the gradient `slope` for both weights."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(2))

    def loss(self, slope: float) -> torch.Tensor:
        return slope * self.w.sum()


def stepper(**changes) -> tuple[Weight, StudentStep]:
    net, config = Weight(), OptimConfig(**{"max_nonfinite": 2, **changes})
    return net, StudentStep(net, torch.optim.SGD(net.parameters(), lr=1.0), config)


def takes_step(step: StudentStep, loss: torch.Tensor, value: float) -> bool:
    """Learn from `loss`, whose value is said to be `value`."""
    step.start()
    loss.backward()
    return step.finish({"Loss/total": torch.tensor(value)}) is not None


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("clip", [None, 25.0], ids=["unclipped", "clipped"])
@pytest.mark.parametrize(
    "slope, value, stepped",
    [(1.0, 0.5, True), (NAN, NAN, False), (1.0, INF, False), (NAN, 0.5, False), (INF, 0.5, False)],
    ids=["finite", "NaN", "infinite loss", "NaN gradient", "infinite gradient"],
)
def test_a_step_that_is_not_finite_is_not_taken(clip, slope, value, stepped):
    net, step = stepper(max_grad_norm=clip)
    assert takes_step(step, net.loss(1.0), 0.0) and net.w.tolist() == [-1, -1]
    assert takes_step(step, net.loss(slope), value) is stepped
    assert net.w.tolist() == ([-2, -2] if stepped else [-1, -1])
    expected = [-3, -3] if stepped else [-2, -2]
    assert takes_step(step, net.loss(1.0), 0.0) and net.w.tolist() == expected


@pytest.mark.parametrize(
    "limit, slope, moved", [(None, 30.0, 30.0), (5.0, 30.0, 5 / 2**0.5), (5.0, 3.0, 3.0)]
)
def test_gradients_are_clipped_by_their_norm(limit, slope, moved):
    net, step = stepper(max_grad_norm=limit)
    takes_step(step, net.loss(slope), 1.0)
    assert (-net.w).tolist() == pytest.approx([moved, moved], rel=1e-5)


def test_too_many_in_a_row_end_the_run_in_one_sentence():
    net, step = stepper()
    for slope in (NAN, NAN, 1.0, NAN, NAN):  # a step between them starts the count again
        takes_step(step, net.loss(slope), slope)
    with pytest.raises(
        BadInput, match=r"not finite in 3 iterations in a row.*lower optim\.lr"
    ) as caught:
        takes_step(step, net.loss(NAN), NAN)
    assert "\n" not in str(caught.value)
