"""Faster ways through the full-size network against the plain one: no speed by drift.

The tolerances are also in docs/fidelity.md. bf16 rounds to three digits: its boxes may move by a
few pixels of 256 in a random network, which is why training and tracking use float32 unless asked.
"""

import copy
import math

import pytest
import torch
from torch.nn import functional as F

from ltr.admin.errors import BadValue
from ltr.models.loss.transt_criterion import TransTCriterion
from spot_ext.training import augmentation
from tests.golden import formulas
from tests.golden.checks.networks import filled_network
from tests.golden.tolerances import MARGIN

SAME = {"pred_logits": 1e-5, "pred_boxes": 5e-6, "pred_ious": 5e-6}
ROUNDED = {"pred_logits": 5e-2, "pred_boxes": 1e-2, "pred_ious": 1e-2}
TARGET = torch.tensor([[0.45, 0.5, 0.3, 0.25]])


def plain_attention(query, key, value, allowed=None, dropout=0.0):
    """Scaled dot-product attention as it is defined."""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(-1) @ value


@pytest.fixture(scope="module")
def crops():
    sizes = {"search": 256, "template": 128}
    return [
        augmentation.prepare(formulas.image(0, f"transt/{name}", size, size, cell=8, count=1))
        for name, size in sizes.items()
    ]


def outputs_and_gradient(net, crops):
    """Outputs, the training loss, and the gradient that reaches the first convolution."""
    net.zero_grad(set_to_none=True)
    outputs = net(*crops)
    target = TARGET.to(outputs["pred_boxes"].dtype)
    loss = TransTCriterion()(outputs, target, with_iou=True)["total"]
    loss.backward()
    return (
        {name: value.detach() for name, value in outputs.items()},
        loss.detach(),
        net.backbone[0].body.conv1.weight.grad.clone(),
    )


@pytest.fixture(scope="module")
def plain(crops):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "scaled_dot_product_attention", plain_attention)
        return outputs_and_gradient(filled_network(0, "zm"), crops)


@pytest.fixture(scope="module")
def exact(crops):
    """The plain network in float64."""
    net = filled_network(0, "zm").double()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(F, "scaled_dot_product_attention", plain_attention)
            return outputs_and_gradient(net, [crop.double() for crop in crops])
    finally:
        net.float()


def distance(value, exact):
    """Return how far a value is from the exact one, relative to the norm of the exact one."""
    return ((value.double() - exact.double()).norm() / exact.double().norm()).item()


@pytest.mark.parametrize("path", ["fused attention", "channels-last"])
def test_a_float32_path_strays_from_float64_as_little_as_the_plain_one(path, crops, plain, exact):
    """Kernels round differently: the gradient passes some forty ReLUs, a few of which change sides, so that
    it strays by 3e-4 to 1.2e-3 under one kernel or another, the plain network's as well. The bound
    is therefore measured where the test runs.
    """
    net = filled_network(0, "zm")
    try:
        if path == "channels-last":
            net.to(memory_format=torch.channels_last)
            crops = [crop.to(memory_format=torch.channels_last) for crop in crops]
        measured = outputs_and_gradient(net, crops)
    finally:
        net.to(memory_format=torch.contiguous_format)
    epsilon = torch.finfo(torch.float32).eps
    for name, values in quantities(measured, plain, exact).items():
        value, plain_value, exact_value = values
        bound = MARGIN * max(distance(plain_value, exact_value), epsilon)
        assert distance(value, exact_value) <= bound, name


def quantities(*results):
    """Return outputs, loss and gradient by name, each with its value in every result."""
    by_name = {
        name: [outputs[name] for outputs, _loss, _gradient in results] for name in results[0][0]
    }
    by_name["loss"] = [loss for _outputs, loss, _gradient in results]
    by_name["gradient"] = [gradient for _outputs, _loss, gradient in results]
    return by_name


def test_bf16_autocast(crops, plain):
    with torch.autocast("cpu", torch.bfloat16):
        outputs, loss, gradient = outputs_and_gradient(filled_network(0, "zm"), crops)
    expected, expected_loss, expected_gradient = plain
    for name, tolerance in ROUNDED.items():
        output = outputs[name].float()
        torch.testing.assert_close(output, expected[name], atol=tolerance, rtol=0)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-2)
    assert distance(gradient, expected_gradient) <= 0.3


def test_folded_norms(crops):
    net = filled_network(0, "zm")
    folded = copy.deepcopy(net)
    folded.fold_norms()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        expected, outputs = net(*crops), folded(*crops)
    for name, tolerance in SAME.items():
        torch.testing.assert_close(outputs[name], expected[name], atol=tolerance, rtol=0)
    with pytest.raises(BadValue, match="eval mode"):
        net.train().fold_norms()
    net.eval()


def test_encoding_templates_apart_changes_nothing(crops):
    net = filled_network(0, "zm")
    search, template = crops
    with torch.no_grad():
        expected = net(search, template)
        net.template(template)
        for outputs in (net.match(net.encode_template(template), search), net.track(search)):
            for name, tolerance in SAME.items():
                torch.testing.assert_close(outputs[name], expected[name], atol=tolerance, rtol=0)
