"""Crops of any aspect ratio that stay inside the frame where they can, and crops of a given region.

`sample_target_adaptive` is the crop of DiMP and its successors. A crop box is xywh in frame pixels;
frame points map to the crop by `(point - crop_box.xy) * output_size / crop_box.wh`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.data.processing_utils.windows import Window, as_floats, cut_window, size_of

CROP_MODES = ("replicate", "inside", "inside_major")


def sample_target_adaptive(
    im: np.ndarray,
    target_bb,
    search_area_factor: float,
    output_sz,
    mode: str = "replicate",
    max_scale_change: float | None = None,
    mask: np.ndarray | None = None,
    *,
    exact_border: bool = False,
) -> tuple:
    """Crop around the box xywh `target_bb`, `factor` times as wide as it, with the aspect ratio of
    `output_sz`.

    `output_sz` is one number or (width, height). 'inside' shrinks a crop that is larger than the
    frame until both sides fit, 'inside_major' until one does, by at most `max_scale_change` (None:
    without limit); 'replicate' keeps its size. In all modes the crop is then moved into the frame,
    or centred on it where it is larger; border pixels repeat. The frame's last row and column are
    used only with `exact_border`, see `sample_target`.

    Returns the crop (h, w, C), the crop box (4,) xywh in frame pixels, and with a `mask` its crop
    (nearest, 0 outside). BadValue for a box without area or a crop below one pixel.
    """
    if mode not in CROP_MODES:
        raise BadValue(f"crop mode '{mode}' is not known; choose {', '.join(CROP_MODES)}")
    x, y, w, h = as_floats(target_bb)
    out_w, out_h = size_of(output_sz)
    height, width = im.shape[:2]
    scale = (
        math.sqrt(w * h / (out_w * out_h)) * search_area_factor if w * h > 0 else 0
    )  # NaN lands here too
    crop_w, crop_h = math.ceil(out_w * scale), math.ceil(out_h * scale)
    if mode != "replicate":
        excess = (crop_w / width, crop_h / height)
        shrink = max(1.0, max(excess) if mode == "inside" else min(excess))
        shrink = shrink if max_scale_change is None else min(shrink, max_scale_change)
        crop_w, crop_h = math.floor(crop_w / shrink), math.floor(crop_h / shrink)
    if crop_w < 1 or crop_h < 1:
        raise BadValue(
            f"Too small bounding box. {w} x {h} px cannot be cropped, give a box of at least 1 px"
        )
    window = (
        _inside(round(x + 0.5 * w - 0.5 * crop_w), crop_w, width),
        _inside(round(y + 0.5 * h - 0.5 * crop_h), crop_h, height),
        crop_w,
        crop_h,
    )
    crop, mask_crop = _cut_resized(im, window, (out_w, out_h), mask, exact_border)
    crop_box = torch.tensor([float(value) for value in window])
    return (crop, crop_box) if mask is None else (crop, crop_box, mask_crop)


def transform_box_to_crop(box: Tensor, crop_box: Tensor, crop_sz) -> Tensor:
    """Box xywh in pixels of the crop of the region `crop_box` xywh, shown at `crop_sz` (number or
    (width, height)).
    """
    scale = torch.tensor(size_of(crop_sz)).to(box) / crop_box[2:4]
    return torch.cat([(box[:2] - crop_box[:2]) * scale, box[2:4] * scale])


def target_image_crop(
    frames: Sequence[np.ndarray],
    box_extract: Sequence[Tensor],
    box_gt: Sequence[Tensor],
    search_area_factor: float,
    output_sz,
    mode: str = "replicate",
    max_scale_change: float | None = None,
    masks: Sequence[np.ndarray] | None = None,
    *,
    exact_border: bool = False,
) -> tuple:
    """`sample_target_adaptive` of each frame around its `box_extract`, with its `box_gt` in crop
    pixels.

    Returns crops (tuple) and boxes (tuple of (4,) xywh), with `masks` also their crops (tuple).
    """
    masks_or_none = [None] * len(frames) if masks is None else masks
    samples = [
        sample_target_adaptive(
            frame,
            box,
            search_area_factor,
            output_sz,
            mode,
            max_scale_change,
            mask,
            exact_border=exact_border,
        )
        for frame, box, mask in zip(frames, box_extract, masks_or_none, strict=True)
    ]
    boxes = tuple(
        transform_box_to_crop(gt, cut[1], output_sz)
        for gt, cut in zip(box_gt, samples, strict=True)
    )
    crops = tuple(cut[0] for cut in samples)
    return (crops, boxes) if masks is None else (crops, boxes, tuple(cut[2] for cut in samples))


def crop_and_resize(
    im: np.ndarray, box: Tensor | None, crop_bb, output_sz, mask: np.ndarray | None = None
) -> tuple:
    """The region `crop_bb` (xywh, frame pixels) of `im` at `output_sz`, and `box` xywh in its
    pixels (None stays None).

    Returns (crop, box), with a `mask` (crop, box, mask crop).
    """
    window = _window(crop_bb)
    crop, mask_crop = _cut_resized(im, window, size_of(output_sz), mask)
    if box is not None:
        box = transform_box_to_crop(
            box, torch.tensor([float(value) for value in window]).to(box), output_sz
        )
    return (crop, box) if mask is None else (crop, box, mask_crop)


def sample_target_from_crop_region(im: np.ndarray, crop_box, output_sz) -> np.ndarray:
    """The region `crop_box` (xywh, frame pixels) of `im` at `output_sz`."""
    return _cut_resized(im, _window(crop_box), size_of(output_sz), None)[0]


def _inside(start: int, length: int, limit: int) -> int:
    """First pixel of the window moved into 0..limit; one that is too long is centred."""
    return min(max(start, 0), limit - length) if length <= limit else -((length - limit) // 2)


def _window(box) -> Window:
    x, y, w, h = (round(value) for value in as_floats(box))
    if w < 1 or h < 1:
        raise BadValue(
            f"Too small bounding box. {w} x {h} px cannot be cropped, give a region of at least 1 "
            "px"
        )
    return x, y, w, h


def _cut_resized(
    im: np.ndarray,
    window: Window,
    size: tuple[float, float],
    mask: np.ndarray | None,
    exact_border: bool = False,
) -> tuple:
    crop, mask_crop = cut_window(im, window, mask, exact_border)
    size = int(size[0]), int(size[1])
    if mask_crop is not None:
        mask_crop = cv2.resize(mask_crop, size, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(crop, size), mask_crop
