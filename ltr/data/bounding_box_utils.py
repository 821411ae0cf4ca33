"""Box parametrisations, and the boxes of masks."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ltr.admin.errors import BadValue


def rect_to_rel(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:
    """Boxes (…, 4) xywh as `[cx / sw, cy / sh, log w, log h]`; (sw, sh) is `sz_norm` (…, 2), by
    default the box's size.
    """
    size = bb[..., 2:]
    unit = size if sz_norm is None else sz_norm
    return torch.cat([(bb[..., :2] + 0.5 * size) / unit, size.log()], -1)


def rel_to_rect(bb: Tensor, sz_norm: Tensor | None = None) -> Tensor:
    """Inverse of `rect_to_rel`."""
    size = bb[..., 2:].exp()
    unit = size if sz_norm is None else sz_norm
    return torch.cat([bb[..., :2] * unit - 0.5 * size, size], -1)


def masks_to_bboxes(mask: Tensor, fmt: str = "c") -> Tensor:
    """Boxes (…, 4) around the nonzero pixels of masks (…, H, W); the pixel at 0, 0 for an empty
    mask.

    `fmt` 't': x, y, w, h of the corner and size; 'c': cx, cy, w, h; 'v': x1, y1, x2, y2, the last
    pixels included.
    """
    if fmt not in ("c", "t", "v"):
        raise BadValue(f"masks_to_bboxes: fmt '{fmt}' is not known; choose 'c', 't' or 'v'")
    filled = mask != 0
    (x1, x2), (y1, y2) = _extent(filled.any(-2)), _extent(filled.any(-1))
    if fmt == "v":
        return torch.stack([x1, y1, x2, y2], -1)
    w, h = x2 - x1 + 1, y2 - y1 + 1
    return torch.stack([x1, y1, w, h] if fmt == "t" else [x1 + w / 2, y1 + h / 2, w, h], -1)


def masks_to_bboxes_multi(mask: Tensor, ids: Iterable[int], fmt: str = "c") -> list[Tensor]:
    """`masks_to_bboxes` of each label in `ids` of the label masks (…, H, W)."""
    return [masks_to_bboxes(mask == label, fmt) for label in ids]


def _extent(filled: Tensor) -> tuple[Tensor, Tensor]:
    """First and last index (…,) of the true cells of (…, N); zeros where there is none."""
    count = filled.shape[-1]
    any_filled = filled.any(-1)
    first = filled.int().argmax(-1)  # the first of equal values
    last = count - 1 - filled.flip(-1).int().argmax(-1)
    return (first * any_filled).float(), (last * any_filled).float()
