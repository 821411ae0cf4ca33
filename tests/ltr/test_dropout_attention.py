"""Dropout and attention with dropout on a CPU: the numbers of the plain formulas, without their
memory and time.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ltr.models.layers import attention as module
from ltr.models.layers.attention import DroppedAttention, attention
from ltr.models.layers.dropout import Dropout, Masks

SHAPES = {
    "square": (2, 3, 10, 10, 4),
    "more queries": (1, 2, 13, 5, 8),
    "more keys": (2, 1, 3, 17, 4),
    "one of each": (1, 1, 1, 1, 2),
}


def heads(
    shape: tuple[int, ...], dtype=torch.float64, transposed: bool = True
) -> list[torch.Tensor]:
    """Query, key and value that learn, laid out as `Attention` has them."""
    batch, count, queries, keys, width = shape
    torch.manual_seed(0)
    made = [
        torch.randn(batch, n, count, width, dtype=dtype).transpose(1, 2)
        for n in (queries, keys, keys)
    ]
    return [x.requires_grad_() for x in made]


def plainly(query, key, value, dropout, seed):
    """The whole matrix at once."""
    weights = (query @ key.mT * query.shape[-1] ** -0.5).softmax(-1)
    masks = Masks(dropout, seed, query.dtype)
    return (
        weights
        * masks.take(weights[..., 0].numel(), weights.shape[-1]).view(weights.shape)
        * masks.scale
    ) @ value


@pytest.mark.parametrize("block", [1, 7, 40, 2**18])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_blocks_of_any_size_give_the_plain_formula_and_its_gradients(monkeypatch, shape, block):
    monkeypatch.setattr(module, "BLOCK", block)
    inputs = heads(shape)
    ours, plain = (read(*inputs, 0.3, 5) for read in (DroppedAttention.apply, plainly))
    grad = torch.randn_like(plain)
    torch.testing.assert_close(ours, plain)
    for a, b in zip(
        torch.autograd.grad(ours, inputs, grad),
        torch.autograd.grad(plain, inputs, grad),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_far_apart_scores_stay_finite():
    inputs = [1000 * x for x in heads(SHAPES["square"], torch.float32)]
    ours = DroppedAttention.apply(*inputs, 0.3, 5)
    torch.testing.assert_close(ours, plainly(*inputs, 0.3, 5))
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(ours.sum(), inputs))


def test_mean_over_masks_is_attention_without_dropout():
    query, key, value = heads((1, 1, 4, 6, 4), torch.float32)
    torch.manual_seed(1)
    mean = torch.stack(
        [attention(query, key, value, dropout_p=0.2).detach() for _ in range(3000)]
    ).mean(0)
    torch.testing.assert_close(
        mean, F.scaled_dot_product_attention(query, key, value), rtol=0, atol=0.05
    )


@pytest.mark.parametrize(("dropout", "masked"), [(0.0, False), (0.0, True), (0.5, True)])
def test_all_else_is_left_to_torch(monkeypatch, dropout, masked):
    monkeypatch.setattr(DroppedAttention, "apply", None)
    inputs = heads(SHAPES["square"], torch.float32)
    allowed = torch.ones(2, 1, 1, 10, dtype=torch.bool) if masked else None
    assert attention(*inputs, attn_mask=allowed, dropout_p=dropout).shape == inputs[0].shape


def test_under_autocast_it_computes_in_fp32():
    inputs = heads(SHAPES["square"], torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        read = DroppedAttention.apply(*inputs, 0.3, 5)
    assert read.dtype == torch.float32
    torch.testing.assert_close(read, plainly(*inputs, 0.3, 5))


@given(
    st.floats(0.001, 0.99),
    st.integers(0, 2**62),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 40),
)
@settings(max_examples=50, deadline=None)
def test_masks_in_parts_are_the_masks_in_one_go(dropout, seed, rows, columns, cut):
    cut = min(cut, rows - 1)
    whole, parts = Masks(dropout, seed), Masks(dropout, seed)
    mask = whole.take(rows, columns)
    assert set(mask.unique().tolist()) <= {0.0, 1.0} and mask.shape == (rows, columns)
    taken = [parts.take(count, columns) for count in (cut, rows - cut) if count]
    assert torch.equal(torch.cat(taken), mask)
    assert not torch.equal(
        Masks(dropout, seed + 1).take(500, 500), Masks(dropout, seed).take(500, 500)
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_masks_drawn_ahead_are_those_taken_one_by_one(monkeypatch, threads):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    sizes = [(3, 9), (1, 8), (4, 17)]
    ahead, one_by_one = Masks(0.3, 2), Masks(0.3, 2)
    for mask, size in zip(ahead.each(sizes), sizes, strict=True):
        assert torch.equal(mask, one_by_one.take(*size))
    assert list(ahead.each([])) == []


@pytest.mark.parametrize("dropout", [0.1, 0.5, 0.9])
def test_share_and_scale_are_those_of_the_probability(dropout):
    masks = Masks(dropout, 0)
    assert masks.take(1000, 1003).mean().item() == pytest.approx(1 - dropout, abs=0.002)
    assert masks.scale == pytest.approx(1 / (1 - dropout), rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_dropout_drops_scales_and_repeats(dtype):
    layer, x = Dropout(0.25), torch.ones(8, 30, 50, dtype=dtype, requires_grad=True)
    torch.manual_seed(3)
    once = layer(x)
    torch.manual_seed(3)
    again, other = layer(x), layer(x)
    assert once.dtype == dtype and torch.equal(once, again) and not torch.equal(once, other)
    assert sorted(once.unique().tolist()) == pytest.approx([0, 4 / 3], rel=1e-2)
    assert (once == 0).double().mean().item() == pytest.approx(0.25, abs=0.02)
    assert torch.equal(torch.autograd.grad(once.sum(), x)[0], once.detach())


@pytest.mark.parametrize(
    "layer", [Dropout(0.5).eval(), Dropout(0.0), Dropout(1.0)], ids=["eval", "none", "all"]
)
def test_dropout_is_torchs_where_nothing_is_to_draw(layer):
    x = torch.randn(3, 5)
    plain = nn.Dropout(layer.p).train(layer.training)
    assert torch.equal(layer(x), plain(x)) and layer(torch.empty(0, 5)).shape == (0, 5)
