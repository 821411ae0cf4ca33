"""A filter of its own for every sequence of a batch: applying it, and the gradient of that by the
filter.

n images of s sequences with C channels are features (n, s, C, H, W), or (n, C, H, W) for one
sequence. Filters are (s, C, h, w), or (s, F, C / groups, h, w) for F of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.errors import BadValue


def apply_filter(
    feat: Tensor, filter: Tensor, dilation_factors: Mapping[int, int] | None = None
) -> Tensor:
    """Return scores (n, s, y, x), or (n, s, F, y, x) of several filters; one row and column more
    than H, W for even filters.

    `dilation_factors` maps a dilation to the number of filters that have it, in the order of the
    filters: {1: 2, 3: 6} applies the first two as they are and six dilated by 3.
    """
    feat = _with_sequences(feat, filter)
    if dilation_factors is not None and filter.dim() == 5:
        return _apply_dilated(feat, filter, dilation_factors)
    images, sequences, channels = feat.shape[:3]
    per_group, kernel = filter.shape[-3], filter.shape[-2:]
    if channels % per_group:
        raise BadValue(
            f"apply_filter: a filter of {per_group} channels does not divide features of {channels}"
        )
    groups = sequences * (channels // per_group)
    weight = filter.reshape(-1, per_group, *kernel)
    scores = F.conv2d(feat.flatten(1, 2), weight, padding=_margin(kernel), groups=groups)
    several = () if filter.dim() == 4 else (filter.shape[1],)
    return scores.view(images, sequences, *several, *scores.shape[-2:])


def _apply_dilated(feat: Tensor, filter: Tensor, dilation_factors: Mapping[int, int]) -> Tensor:
    """Return the scores (n, s, F, y, x) of filters of several dilations."""
    images, sequences, channels = feat.shape[:3]
    count, per_group = filter.shape[1:3]
    if sum(dilation_factors.values()) != count:
        raise BadValue(
            f"apply_filter: dilation_factors {dict(dilation_factors)} name "
            f"{sum(dilation_factors.values())} filters, but there are {count}; count each filter "
            "once"
        )
    if any(side % 2 == 0 for side in filter.shape[-2:]) and len(dilation_factors) > 1:
        raise BadValue(
            f"apply_filter: filters of {filter.shape[-2]}x{filter.shape[-1]} give maps of another "
            "size at every dilation; use filters of odd size"
        )
    if per_group != channels:
        raise BadValue(
            f"apply_filter: filters of {per_group} channels for features of {channels} cannot be "
            "dilated one by one; give filters of all channels"
        )
    scores = []
    sizes = list(dilation_factors.values())
    for dilation, part in zip(dilation_factors, filter.split(sizes, dim=1), strict=True):
        margin = [dilation * side for side in _margin(filter.shape[-2:])]
        found = F.conv2d(
            feat.flatten(1, 2),
            part.flatten(0, 1),
            padding=margin,
            dilation=dilation,
            groups=sequences,
        )
        scores.append(found.view(images, sequences, part.shape[1], *found.shape[-2:]))
    return torch.cat(scores, dim=2)


def apply_feat_transpose(
    feat: Tensor,
    input: Tensor,
    filter_ksz: int | Sequence[int],
    training: bool = True,
    groups: int = 1,
) -> Tensor:
    """The transpose of `apply_filter`: scores `input` to a filter of the size `filter_ksz` (h, w).

    `sum(apply_filter(feat, f) * input) == sum(f * apply_feat_transpose(feat, input, size))` for
    every filter f. `training` is taken for compatibility: one way serves both, and can be
    differentiated twice.
    """
    kernel = (
        (filter_ksz, filter_ksz)
        if isinstance(filter_ksz, int)
        else tuple(int(side) for side in filter_ksz)
    )
    if feat.dim() == 4:
        feat = feat[:, None]
    images, sequences, channels = feat.shape[:3]
    several = input.shape[2] if input.dim() == 5 else 1
    moved = feat.flatten(0, 1).transpose(0, 1)  # (C, n*s, H, W): every image a group of one channel
    weight = input.reshape(images * sequences * several, 1, *input.shape[-2:])
    found = F.conv2d(moved, weight, padding=_margin(kernel), groups=images * sequences)
    found = (
        found.view(channels, images, sequences, several, *kernel).sum(1).permute(1, 2, 0, 3, 4)
    )  # (s, F, C, h, w)
    if groups > 1:
        blocks = found.reshape(
            sequences, groups, several // groups, groups, channels // groups, *kernel
        )
        found = torch.diagonal(blocks, dim1=1, dim2=3).movedim(-1, 1).flatten(1, 2)
    return found if input.dim() == 5 else found[:, 0]


def filter_gradient(
    feat: Tensor, filter: Tensor, label: Tensor | None = None, training: bool = True
) -> Tensor:
    """Gradient by the filter of half the squared distance between its scores and `label` (None:
    zero).
    """
    residual = apply_filter(feat, filter)
    if label is not None:
        residual = residual - label
    channels = feat.shape[-3]
    return apply_feat_transpose(
        feat, residual, filter.shape[-2:], training, channels // filter.shape[-3]
    )


def _with_sequences(feat: Tensor, filter: Tensor) -> Tensor:
    if feat.dim() == 5:
        if feat.shape[1] != filter.shape[0]:
            raise BadValue(
                f"apply_filter: features of {feat.shape[1]} sequences, but filters of "
                f"{filter.shape[0]}"
            )
        return feat
    if filter.shape[0] != 1:
        raise BadValue(
            f"apply_filter: features {tuple(feat.shape)} are of one sequence, but there are "
            "filters for "
            f"{filter.shape[0]}; give features (images, sequences, channels, H, W)"
        )
    return feat[:, None]


def _margin(kernel: Sequence[int]) -> tuple[int, int]:
    return kernel[0] // 2, kernel[1] // 2
