"""Square crops around a box, in the two geometries of the field, with the boxes that belong to
them.

`sample_target` is pytracking's: a square whose area is the box's times the squared factor, borders
replicated. `sample_target_transt` is TransT's context crop, `ltr.data.crops`. `cut_area` has
pytracking's square with black outside the frame, as OSTrack cuts it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.data import crops
from ltr.data.processing_utils.windows import as_floats, cut_window


def sample_target(
    im: np.ndarray,
    target_bb,
    search_area_factor: float,
    output_sz: float | None = None,
    mask: np.ndarray | None = None,
    *,
    exact_border: bool = False,
) -> tuple:
    """Square crop around the box xywh `target_bb`, of `factor` times the side of the square with
    the box's area.

    `im` is (H, W, 3), `mask` (H, W). Returns the crop, bilinearly resized to `output_sz` when
    given, and the resize factor; with `mask` also its crop, zero outside the frame. Outside the
    frame border pixels repeat. As in pytracking the last row or column of a frame is replaced by
    its neighbour where the crop reaches it, unless `exact_border`. BadValue for a box without area.
    """
    x, y, w, h = as_floats(target_bb)
    side = area_side(w, h, search_area_factor)
    x1, y1 = round(x + 0.5 * w - side * 0.5), round(y + 0.5 * h - side * 0.5)
    crop, mask_crop = cut_window(im, (x1, y1, side, side), mask, exact_border)
    factor = 1.0
    if output_sz is not None:
        factor = output_sz / side
        crop = cv2.resize(crop, (int(output_sz), int(output_sz)))
        if mask_crop is not None:
            mask_crop = cv2.resize(mask_crop, (int(output_sz), int(output_sz)))
    return (crop, factor) if mask is None else (crop, factor, mask_crop)


def sample_target_transt(
    im: np.ndarray,
    target_bb,
    search_area_factor: float,
    output_sz: int,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """TransT's context crop of `output_sz` px around the box xywh `target_bb`, and the resize
    factor.

    Outside the frame lies the frame's mean colour. `mask` is taken for the sake of the signature
    and not used.
    """
    window = crops.context_window(as_floats(target_bb), search_area_factor, int(output_sz))
    return crops.cut(im, window), window.scale


def sample_target_ostrack(
    im: np.ndarray,
    target_bb,
    search_area_factor: float,
    output_sz: int,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """Return OSTrack's crop of `output_sz` px around the box xywh `target_bb`, and the resize
    factor; see `cut_area`. `mask` is taken for the sake of the signature and not used.
    """
    x, y, w, h = as_floats(target_bb)
    side = area_side(w, h, search_area_factor)
    crop = cut_area(im, (x + 0.5 * w, y + 0.5 * h), side, int(output_sz))
    return crop, output_sz / side


def area_side(width: float, height: float, factor: float) -> int:
    """Return the side of a square of `factor` times the side of the square with the box's area;
    BadValue for a box without area.
    """
    area = width * height
    # NaN compares false and lands at 0 too.
    side = math.ceil(math.sqrt(area) * factor) if area > 0 else 0
    if side < 1:
        raise BadValue(
            f"Too small bounding box. {width} x {height} px cannot be cropped, give a box of at "
            "least 1 px"
        )
    return side


def cut_area(im: np.ndarray, center: tuple[float, float], side: int, output_sz: int) -> np.ndarray:
    """Return the square of `side` px around `center` (x, y) of an (H, W, 3) image, bilinearly
    resized to `output_sz`; black outside the frame.

    As in OSTrack the last row or column of the frame is black where the crop reaches it.
    """
    height, width = im.shape[:2]
    left, top = (round(middle - side * 0.5) for middle in center)
    right = left + side if left + side < width else width - 1
    bottom = top + side if top + side < height else height - 1
    patch = np.zeros((side, side, 3), im.dtype)
    seen = im[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    rows = slice(max(-top, 0), max(-top, 0) + seen.shape[0])
    columns = slice(max(-left, 0), max(-left, 0) + seen.shape[1])
    if seen.size:
        patch[rows, columns] = seen
    return cv2.resize(patch, (output_sz, output_sz))


def transform_image_to_crop(
    box_in: Tensor, box_extract: Tensor, resize_factor: float, crop_sz: Tensor
) -> Tensor:
    """Box xywh `box_in` in pixels of the crop that was cut around `box_extract`; not clipped.

    The centre of `box_extract` maps to `(crop_sz - 1) / 2`; `crop_sz` is (width, height).
    """
    center = (crop_sz - 1) / 2 + (_center(box_in) - _center(box_extract)) * resize_factor
    size = box_in[2:4] * resize_factor
    return torch.cat([center - size / 2, size])


def jittered_center_crop(
    frames: Sequence[np.ndarray],
    box_extract: Sequence[Tensor],
    box_gt: Sequence[Tensor],
    search_area_factor: float,
    output_sz: int,
    masks: Sequence[np.ndarray] | None = None,
    sample: Callable = sample_target,
) -> tuple:
    """Crop each frame around its `box_extract`, and give its `box_gt` in crop pixels.

    Returns crops (tuple), boxes (list of (4,) tensors xywh), and the masks' crops (None without
    masks). `sample` chooses the geometry: `sample_target` or `sample_target_transt`.
    """
    masks_given = [()] * len(frames) if masks is None else [(mask,) for mask in masks]
    samples = [
        sample(frame, box, search_area_factor, output_sz, *mask)
        for frame, box, mask in zip(frames, box_extract, masks_given, strict=True)
    ]
    crop_sz = torch.tensor([float(output_sz), float(output_sz)])
    boxes = [
        transform_image_to_crop(gt, extract, cut[1], crop_sz)
        for cut, gt, extract in zip(samples, box_gt, box_extract, strict=True)
    ]
    mask_crops = None if masks is None else tuple(cut[2] for cut in samples)
    return tuple(cut[0] for cut in samples), boxes, mask_crops


def _center(box_xywh: Tensor) -> Tensor:
    return box_xywh[:2] + box_xywh[2:4] / 2
