"""Mixed precision: faster numbers where they are safe, full ones where they are not."""

import pytest
import torch
from torch import nn

from ltr.models.backbone.efficientnet_lite import EfficientNetLite0
from ltr.parallel.precision import autocast, differentiable_in_fp32_on_cpu, in_fp32


@pytest.mark.parametrize(
    ("precision", "inside", "trains", "computed_in"),
    [
        ("fp32", True, True, torch.float32),
        ("bf16", True, True, torch.float32),
        ("bf16", True, False, torch.bfloat16),
    ],
    ids=["full precision", "mixed, with gradient", "mixed, without gradient"],
)
def test_what_a_cpu_computes_gradients_of_slowly_stays_in_fp32(
    precision, inside, trains, computed_in
):
    seen = []
    x = torch.randn(2, 3, requires_grad=trains)
    with autocast("cpu", precision):
        differentiable_in_fp32_on_cpu(
            lambda y: seen.append((x @ x.T).dtype if y is None else (y @ y.T).dtype) or y, x
        )
    assert seen == [computed_in]


def test_a_backbone_in_bf16_is_near_the_one_in_fp32_and_learns():
    torch.manual_seed(0)
    net = EfficientNetLite0(("stage3",)).train()
    images = torch.randn(2, 3, 65, 65)
    full = net(images)["stage3"]
    with autocast("cpu", "bf16"):
        mixed = in_fp32(net(images))["stage3"]
    assert mixed.dtype == torch.float32
    assert not torch.equal(full, mixed)
    assert torch.nn.functional.cosine_similarity(full.flatten(), mixed.flatten(), dim=0) > 0.99
    mixed.square().mean().backward()
    depthwise = [
        module for module in net.modules() if isinstance(module, nn.Conv2d) and module.groups > 1
    ]
    assert depthwise
    assert all(
        module.weight.grad.dtype == torch.float32 and module.weight.grad.isfinite().all()
        for module in depthwise
    )


def test_outputs_that_are_not_floats_stay_what_they_are():
    outputs = in_fp32(
        {"boxes": torch.ones(2, dtype=torch.bfloat16), "index": torch.ones(2, dtype=torch.int64)}
    )
    assert [value.dtype for value in outputs.values()] == [torch.float32, torch.int64]
