"""Patches of frames for trackers: tensors (1, C, H, W), positions (y, x), sizes (h, w), all in
pixels.

A tracker's position is the centre `x + (w - 1) / 2` of its box. Unlike the square context crop of
`ltr.data.crops`, these patches have any aspect, repeat the border, and thin large images out before
they are resized.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion

MODES = ("replicate", "inside", "inside_major")


def numpy_to_torch(a: np.ndarray) -> Tensor:
    """Image (H, W, C) or (H, W) as float tensor (1, C, H, W)."""
    a = a[..., None] if a.ndim == 2 else a
    return torch.from_numpy(np.ascontiguousarray(a)).float().permute(2, 0, 1)[None]


def torch_to_numpy(a: Tensor) -> np.ndarray:
    """Tensor (1, C, H, W) as array (H, W, C), of one channel as (H, W, 1)."""
    return a.detach()[0].permute(1, 2, 0).cpu().numpy()


def sample_patch(
    im: Tensor,
    pos: Tensor,
    sample_sz: Tensor,
    output_sz: Tensor | Sequence[int] | None = None,
    mode: str = "replicate",
    max_scale_change: float | None = None,
    is_mask: bool = False,
) -> tuple[Tensor, Tensor]:
    """The patch of size `sample_sz` around `pos`, resized to `output_sz`.

    `mode` 'replicate' repeats the border outside the image; 'inside' shrinks the patch until it
    fits the image, 'inside_major' until one side does, at most by the factor `max_scale_change`,
    and both move it into the image. Masks are resized to the nearest pixel. Returns the patch (1,
    C, h, w) and its place (1, 4) float [top, left, bottom, right] in the image, the last two
    exclusive.
    """
    if mode not in MODES:
        raise BadValue(
            f"sample_patch has no mode '{mode}'{suggestion(mode, MODES)}; choose among "
            f"{', '.join(MODES)}"
        )
    image_sz = torch.tensor(im.shape[-2:], dtype=torch.float32)
    pos, sample_sz = torch.as_tensor(pos).float().cpu(), torch.as_tensor(sample_sz).float().cpu()
    if mode != "replicate":
        sample_sz = _shrunk(sample_sz, image_sz, mode, max_scale_change)
    step = (
        1 if output_sz is None else _thinning(sample_sz, torch.as_tensor(output_sz).float().cpu())
    )

    first = pos.floor().long() % step  # thinned so that the centre stays a pixel
    thin = im[..., int(first[0]) :: step, int(first[1]) :: step]
    center = (pos.floor().long() - first) // step
    size = (sample_sz / step).round().clamp(min=2).long()
    low = center - (size - 1) // 2
    high = center + size // 2 + 1
    if mode != "replicate":
        shift = _into(low, high, torch.tensor(thin.shape[-2:]))
        low, high = low + shift, high + shift

    patch = _cut(thin, low.tolist(), high.tolist(), is_mask)
    coord = step * torch.cat((low, high)).view(1, 4).float()
    if output_sz is None or tuple(patch.shape[-2:]) == tuple(int(size) for size in output_sz):
        return patch.clone(), coord
    sides = [int(side) for side in output_sz]
    if is_mask:
        return F.interpolate(patch, sides, mode="nearest"), coord
    return F.interpolate(patch, sides, mode="bilinear", align_corners=False), coord


def sample_patch_multiscale(
    im: Tensor,
    pos: Tensor,
    scales: Tensor | Sequence[float] | float,
    image_sz: Tensor,
    mode: str = "replicate",
    max_scale_change: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Patches of `scale * image_sz` for every scale, resized to `image_sz`: (S, C, h, w), with
    places (S, 4).
    """
    scales = [float(scale) for scale in torch.as_tensor(scales).flatten()]
    image_sz = torch.as_tensor(image_sz).float().cpu()
    found = [
        sample_patch(im, pos, scale * image_sz, image_sz, mode, max_scale_change)
        for scale in scales
    ]
    return torch.cat([patch for patch, _ in found]), torch.cat([coord for _, coord in found])


def sample_patch_transformed(
    im: Tensor,
    pos: Tensor,
    scale: float,
    image_sz: Tensor,
    transforms: Sequence,
    is_mask: bool = False,
) -> Tensor:
    """Return one patch of `scale * image_sz` at the size `image_sz`, augmented by every transform:
    (T, C, h, w).
    """
    image_sz = torch.as_tensor(image_sz).float().cpu()
    patch, _ = sample_patch(im, pos, scale * image_sz, image_sz, is_mask=is_mask)
    return torch.cat([transform(patch, is_mask=is_mask) for transform in transforms])


def _shrunk(
    sample_sz: Tensor, image_sz: Tensor, mode: str, max_scale_change: float | None
) -> Tensor:
    excess = sample_sz / image_sz
    factor = excess.max() if mode == "inside" else excess.min()
    factor = factor.clamp(min=1, max=max_scale_change)
    return (sample_sz / factor).floor()


def _thinning(sample_sz: Tensor, output_sz: Tensor) -> int:
    """Every how many pixels one is taken, before resizing does the rest: averaging pixels would
    cost more.
    """
    return max(int((sample_sz / output_sz).min().item() - 0.1), 1)


def _into(low: Tensor, high: Tensor, limit: Tensor) -> Tensor:
    """The shift that brings the window inside; one larger than the image overhangs it by the same
    on both sides.
    """
    before, after = (-low).clamp(min=0), (high - limit).clamp(min=0)
    excess = high - low - limit
    return torch.where(excess > 1, -(excess // 2) - low, before - after)


def _cut(im: Tensor, low: list[int], high: list[int], is_mask: bool) -> Tensor:
    """Pixels low … high - 1, the border repeated outside (zero for masks)."""
    height, width = im.shape[-2:]
    rows, columns = torch.arange(low[0], high[0]), torch.arange(low[1], high[1])
    patch = im[..., rows.clamp(0, height - 1).to(im.device), :][
        ..., columns.clamp(0, width - 1).to(im.device)
    ]
    if is_mask:
        seen = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
        patch = patch * seen.to(patch)
    return patch
