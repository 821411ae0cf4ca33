"""Attention with dropout on its weights that keeps no (queries x keys) matrix in memory, on a CPU
either.

torch's fused attention has no dropout on a CPU: there it falls back to whole matrices, 33 MB an
image and layer of TransT, written and read again about ten times. Here blocks of rows small enough
for the cache go through all steps before the next block begins, and the backward pass computes them
again from the rows' log-sums (Rabe and Staats 2021; Dao et al. 2022).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from ltr.models.layers.dropout import Masks, draw_seed, is_fast

BLOCK = 2**18  # attention weights in a block, for each thread: 1 MB


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
) -> Tensor:
    """`F.scaled_dot_product_attention` of (B, H, N, D), (B, H, M, D), (B, H, M, E): the same
    arguments, the same result.
    """
    if attn_mask is not None or not is_fast(query, dropout_p):
        return F.scaled_dot_product_attention(query, key, value, attn_mask, dropout_p)
    return DroppedAttention.apply(query, key, value, dropout_p, draw_seed())


class DroppedAttention(torch.autograd.Function):
    """`apply(query, key, value, dropout, seed)`; computes in fp32 under autocast."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx, query: Tensor, key: Tensor, value: Tensor, dropout: float, seed: int
    ) -> Tensor:
        ctx.dropout, ctx.seed, ctx.shapes = dropout, seed, (query.shape, key.shape, value.shape)
        query, key, value = (
            query.flatten(0, 1) * query.shape[-1] ** -0.5,
            key.flatten(0, 1),
            value.flatten(0, 1),
        )
        read = value.new_empty(*query.shape[:2], value.shape[-1])
        log_sums = query.new_empty(*query.shape[:2], 1)
        masks = Masks(dropout, seed, query.dtype)
        blocks = _blocks(query, key)
        for (heads, rows), mask in zip(blocks, masks.each(_sizes(blocks, key)), strict=True):
            weights = torch.bmm(query[heads, rows], key[heads].mT)
            top = weights.amax(-1, keepdim=True)
            sums = weights.sub_(top).exp_().sum(-1, keepdim=True)
            weights *= mask.view(weights.shape)
            read[heads, rows] = torch.bmm(weights, value[heads]).mul_(masks.scale / sums)
            log_sums[heads, rows] = sums.log_().add_(top)
        ctx.save_for_backward(query, key, value, read, log_sums)
        return read.view(*ctx.shapes[0][:3], -1)

    @staticmethod
    @once_differentiable
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(  # type: ignore[override]  # decorators hide its signature
        ctx, grad: Tensor
    ) -> tuple[Tensor | None, ...]:
        query, key, value, read, log_sums = ctx.saved_tensors
        masks = Masks(ctx.dropout, ctx.seed, query.dtype)
        grad = grad.flatten(0, 1)
        from_sums = (grad * read).sum(-1, keepdim=True)
        grad = grad * masks.scale
        of_query, of_key, of_value = (
            torch.empty_like(query),
            torch.zeros_like(key),
            torch.zeros_like(value),
        )
        blocks = _blocks(query, key)
        for (heads, rows), mask in zip(blocks, masks.each(_sizes(blocks, key)), strict=True):
            weights = (
                torch.bmm(query[heads, rows], key[heads].mT).sub_(log_sums[heads, rows]).exp_()
            )
            mask = mask.view(weights.shape)
            of_weights = (
                torch.bmm(grad[heads, rows], value[heads].mT)
                .mul_(mask)
                .sub_(from_sums[heads, rows])
                .mul_(weights)
            )
            of_value[heads].baddbmm_(weights.mul_(mask).mT, grad[heads, rows])
            of_query[heads, rows] = torch.bmm(of_weights, key[heads])
            of_key[heads].baddbmm_(of_weights.mT, query[heads, rows])
        of_query *= query.shape[-1] ** -0.5
        return (
            *(
                x.view(shape)
                for x, shape in zip((of_query, of_key, of_value), ctx.shapes, strict=True)
            ),
            None,
            None,
        )


def _blocks(query: Tensor, key: Tensor) -> list[tuple[slice, slice]]:
    """Slices of heads and rows, in the order of memory: blocks of several whole heads, or of some
    rows of one.
    """
    (heads, rows), columns = query.shape[:2], key.shape[1]
    size = BLOCK * torch.get_num_threads()
    row_step = max(1, min(rows, size // columns))
    head_step = max(1, size // (rows * columns)) if row_step == rows else 1
    return [
        (slice(head, min(head + head_step, heads)), slice(row, min(row + row_step, rows)))
        for head in range(0, heads, head_step)
        for row in range(0, rows, row_step)
    ]


def _sizes(blocks: list[tuple[slice, slice]], key: Tensor) -> list[tuple[int, int]]:
    """Rows and columns of the attention weights in each block."""
    return [
        ((heads.stop - heads.start) * (rows.stop - rows.start), key.shape[1])
        for heads, rows in blocks
    ]
