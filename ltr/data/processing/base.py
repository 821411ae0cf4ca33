"""The common flow from sampled frames to a network's input: joint transform, jitter, crop,
transform of each set.

A processing object travels to spawned loader workers, so nothing in it may be a local function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion
from ltr.admin.tensordict import TensorDict
from ltr.data import processing_utils as prutils
from ltr.data import transforms as tfm

SETS = ("train", "test")
Jitter = Callable[[Tensor, str], Tensor]  # (box xywh, name of the set) to box xywh
Crop = Callable[[list, list, list, list | None], tuple[Sequence, Sequence, Sequence | None]]
# Search area factor, output size in px, crop mode, largest change of scale.
_AdaptiveGeometry = tuple[float, Any, str, float | None]


def stack_tensors(x: Any) -> Any:
    """A list of tensors as one tensor; anything else unchanged."""
    if isinstance(x, (list, tuple)) and x and all(isinstance(item, Tensor) for item in x):
        return torch.stack(list(x))
    return x


class BaseProcessing:
    """Base of processing classes: `self.transform` by set of frames.

    The sets are `train`/`test` or, for Siamese trackers, `template`/`search`: two names each for
    the same two transforms. `transform` serves a set that has none of its own (default: conversion
    to a tensor); `joint` is applied to the frames of both sets with one draw, and may be None.
    """

    def __init__(
        self,
        transform: Callable | None = None,
        train_transform: Callable | None = None,
        test_transform: Callable | None = None,
        joint_transform: Callable | None = None,
        search_transform: Callable | None = None,
        template_transform: Callable | None = None,
    ):
        transform = tfm.Transform(tfm.ToTensor()) if transform is None else transform
        first = next((t for t in (train_transform, template_transform) if t is not None), transform)
        second = next((t for t in (test_transform, search_transform) if t is not None), transform)
        self.transform: dict[str, Any] = {
            "train": first,
            "template": first,
            "test": second,
            "search": second,
            "joint": joint_transform,
        }

    def __call__(self, data: TensorDict) -> TensorDict:
        """Turn sampled frames into network inputs."""
        raise NotImplementedError

    def _transform_jointly(
        self,
        data: TensorDict,
        names: Sequence[str],
        inputs: Mapping[str, str],
        new_roll: bool = False,
    ) -> None:
        """The joint transform on each set, with the draw of the first one unless `new_roll`.

        `inputs` maps the transform's inputs to the endings of the keys in `data`, e.g. bbox to
        anno.
        """
        if self.transform["joint"] is None:
            return
        for number, name in enumerate(names):
            keys = [f"{name}_{ending}" for ending in inputs.values()]
            done = self.transform["joint"](
                **dict(zip(inputs, (data[key] for key in keys), strict=True)),
                new_roll=number == 0 or new_roll,
            )
            data.update(zip(keys, done if len(keys) > 1 else [done], strict=True))


class CropProcessing(BaseProcessing):
    """Crops each frame around its jittered box, and gives boxes xywh in crop pixels.

    `mode` 'pair' takes one frame a set and gives values without a frame dimension, 'sequence'
    stacks the frames. Subclasses choose the `crop`, and add what their network learns from:
    `_add_to_frames` sees lists with one entry a frame, `_add_to_sample` the finished tensors.
    """

    inputs: Mapping[str, str] = {"image": "images", "bbox": "anno"}

    def __init__(
        self,
        crop: Crop,
        jitter: Jitter,
        mode: str,
        *args,
        names: Sequence[str] = SETS,
        new_roll: bool = False,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        check_choice(type(self).__name__, "mode", mode, ("pair", "sequence"))
        self.crop = crop
        self.jitter = jitter
        self.mode = mode
        self.names = tuple(names)
        self.new_roll = new_roll

    def __call__(self, data: TensorDict) -> TensorDict:
        """`data` holds lists `<set>_images`, `<set>_anno` (and `<set>_masks`); new values in a
        copy.
        """
        data = data.copy()
        self._transform_jointly(data, self.names, self.inputs, self.new_roll)
        for name in self.names:
            self._crop_set(data, name)
        self._add_to_frames(data)
        for key in [key for key, value in data.items() if isinstance(value, list)]:
            data[key] = data[key][0] if self.mode == "pair" else stack_tensors(data[key])
        self._add_to_sample(data)
        return data

    def _get_jittered_box(self, box: Tensor, mode: str) -> Tensor:
        return self.jitter(box, mode)

    def _crop_set(self, data: TensorDict, name: str) -> None:
        images, boxes = data[f"{name}_images"], data[f"{name}_anno"]
        masks = [_array(mask) for mask in data[f"{name}_masks"]] if "mask" in self.inputs else None
        if self.mode == "pair" and len(images) != 1:
            raise BadValue(
                f"{type(self).__name__}: mode 'pair' takes one {name} frame, not {len(images)}; "
                "sample one each, or choose mode 'sequence'"
            )
        crops, boxes, masks = self._cropped(
            name, images, self._crop_boxes(data, name), boxes, masks
        )
        values = {"image": crops, "bbox": boxes, "bboxes": boxes, "mask": masks}
        inputs = {key: list(values[key]) for key in self.inputs}
        done = self.transform[name](joint=False, **inputs)
        data.update(
            (f"{name}_{ending}", value)
            for ending, value in zip(self.inputs.values(), done, strict=True)
        )

    def _crop_boxes(self, data: TensorDict, name: str) -> list:
        """Boxes xywh to crop around, one a frame."""
        return [self._get_jittered_box(box, name) for box in data[f"{name}_anno"]]

    def _cropped(
        self, name: str, images: list, around: list, boxes: list, masks: list | None
    ) -> tuple:
        return self.crop(images, around, boxes, masks)

    def _add_to_frames(self, data: TensorDict) -> None:
        """Add lists with one entry a frame; images and boxes are lists still."""

    def _add_to_sample(self, data: TensorDict) -> None:
        """Add to the finished sample."""


def centered_crop(
    search_area_factor: float, output_sz: int, sample: Callable = prutils.sample_target
) -> Crop:
    """Square crops centred on the box, `sample` giving the geometry."""
    return partial(
        _centered, search_area_factor=search_area_factor, output_sz=output_sz, sample=sample
    )


def _centered(
    images: list,
    around: list,
    boxes: list,
    masks: list | None,
    search_area_factor: float,
    output_sz: int,
    sample: Callable,
) -> tuple:
    return prutils.jittered_center_crop(
        images, around, boxes, search_area_factor, output_sz, masks, sample
    )


def adaptive_crop(
    search_area_factor: float, output_sz, crop_type: str, max_scale_change: float | None
) -> Crop:
    """Crops of `sample_target_adaptive`, inside the frame where `crop_type` says so."""
    check_choice("processing", "crop_type", crop_type, prutils.CROP_MODES)
    return partial(_adaptive, geometry=(search_area_factor, output_sz, crop_type, max_scale_change))


def _adaptive(
    images: list, around: list, boxes: list, masks: list | None, geometry: _AdaptiveGeometry
) -> tuple:
    done = prutils.target_image_crop(images, around, boxes, *geometry, masks)
    return done if masks is not None else (*done, None)


def box_jitter(
    center_jitter_factor: Mapping[str, Any],
    scale_jitter_factor: Mapping[str, Any],
    mean_side: bool = False,
) -> Jitter:
    """Jitter by two factors for each set; `scale_jitter_factor['mode']` may be 'uniform' in place
    of 'gauss'.

    Raising the first moves the target further from the crop's centre, raising the second varies its
    size more.
    """
    return partial(
        _jittered, center=center_jitter_factor, scale=scale_jitter_factor, mean_side=mean_side
    )


def _jittered(
    box: Tensor, name: str, center: Mapping[str, Any], scale: Mapping[str, Any], mean_side: bool
) -> Tensor:
    return jittered_box(
        box, scale[name], center[name], scale_mode=scale.get("mode", "gauss"), mean_side=mean_side
    )


def no_jitter(box: Tensor, name: str) -> Tensor:
    """The box itself."""
    return box


def jittered_box(
    box: Tensor,
    scale: float,
    center: Any,
    scale_mode: str = "gauss",
    center_mode: str = "uniform",
    mean_side: bool = False,
) -> Tensor:
    """Box xywh of another size around another centre.

    Width and height are multiplied by `exp(scale * N(0, 1))`, or `exp(U(-scale, scale))` for
    `scale_mode` 'uniform'. The centre moves by up to half of `center` (one number, or one for x and
    one for y) times the new box's side, the square root of its area, or with `mean_side` the mean
    of its sides; `center_mode` 'gauss' draws N(0, 1) in place of U(-0.5, 0.5).
    """
    check_choice("jitter", "scale mode", scale_mode, ("gauss", "uniform"))
    check_choice("jitter", "center mode", center_mode, ("gauss", "uniform"))
    draw = torch.randn(2) if scale_mode == "gauss" else 2 * torch.rand(2) - 1
    size = box[2:4] * torch.exp(draw * scale)
    side = size.sum() / 2 if mean_side else size.prod().sqrt()
    offset = torch.rand(2) - 0.5 if center_mode == "uniform" else torch.randn(2)
    middle = box[:2] + box[2:4] / 2 + side * torch.as_tensor(center, dtype=torch.float32) * offset
    return torch.cat([middle - size / 2, size])


def check_choice(where: str, what: str, value: Any, choices: Sequence[str]) -> None:
    """BadValue when `value` is none of `choices`."""
    if value not in choices:
        known = " or ".join(repr(choice) for choice in choices)
        raise BadValue(
            f"{where}: {what} '{value}' is not known{suggestion(value, choices)}; choose {known}"
        )


def checked_params(
    where: str, params: Mapping[str, Any] | None, known: Sequence[str], needed: Sequence[str]
) -> Any:
    """Return a copy of `params` (None stays None). BadValue for names that are not known and for
    needed ones that are absent.
    """
    if params is None:
        return None
    for key in params:
        if key not in known:
            raise BadValue(
                f"{where} has no entry '{key}'{suggestion(key, known)}; it takes {', '.join(known)}"
            )
    for key in needed:
        if key not in params:
            raise BadValue(f"{where} lacks the entry '{key}'; add it")
    return dict(params)


def _array(mask: Any) -> np.ndarray:
    """A mask (H, W) or (1, H, W) as an array (H, W) that OpenCV can resize."""
    array = mask.numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    array = array[0] if array.ndim == 3 else array
    return array.astype(np.uint8) if array.dtype == bool else array
