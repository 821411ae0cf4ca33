"""Convolutions of tensors or TensorLists, with padding by name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensorlist import tensor_operation

MODES = ("same", "valid", "full")


@tensor_operation
def conv2d(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None = None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    mode: str | None = None,
) -> Tensor:
    """`torch.nn.functional.conv2d`; without a weight the input itself.

    `mode` replaces `padding`: 'same' keeps the size (an even kernel is centred on its lower right
    middle element, as trackers' score maps are), 'valid' uses whole overlaps only, 'full' every
    overlap.
    """
    if weight is None:
        return input
    if mode is None:
        return F.conv2d(input, weight, bias, stride, padding, dilation, groups)
    if mode not in MODES:
        raise BadValue(
            f"conv2d has no mode '{mode}'{suggestion(mode, MODES)}; choose among {', '.join(MODES)}"
        )
    if padding != 0:
        raise BadValue(
            f"conv2d: mode='{mode}' sets the padding itself, do not give padding={padding} as well"
        )
    kernel = weight.shape[2:]
    if mode == "valid":
        return F.conv2d(input, weight, bias, stride, 0, dilation, groups)
    margin = [size // 2 if mode == "same" else size - 1 for size in kernel]
    output = F.conv2d(input, weight, bias, stride, margin, dilation, groups)
    if mode == "same":  # half an even kernel on both sides is one row or column too many
        output = output[
            :, :, : -1 if kernel[0] % 2 == 0 else None, : -1 if kernel[1] % 2 == 0 else None
        ]
    return output


@tensor_operation
def conv1x1(input: Tensor, weight: Tensor | None) -> Tensor:
    """Mixes channels: input (B, C, H, W), weight (D, C) or (D, C, 1, 1), result (B, D, H, W); no
    weight: the input.
    """
    if weight is None:
        return input
    return torch.einsum("dc,bchw->bdhw", weight.reshape(weight.shape[0], weight.shape[1]), input)
