"""What happens between a sampled frame and a network's input: jitter, crop, augmentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data import processing_utils as prutils
from ltr.data import transforms as tfm


def stack_tensors(x: Any) -> Any:
    """A list of tensors as one tensor; anything else unchanged."""
    if isinstance(x, (list, tuple)) and x and all(isinstance(item, Tensor) for item in x):
        return torch.stack(list(x))
    return x


class BaseProcessing:
    """Base of processing classes: `self.transform` by set of frames.

    The sets are `train`/`test` or, for Siamese trackers, `template`/`search`: two names each for the same two
    transforms. `transform` serves a set that has none of its own (default: conversion to a tensor); `joint` is
    applied to the frames of both sets with one draw, and may be None.
    """

    def __init__(self, transform: Callable | None = None, train_transform: Callable | None = None,
                 test_transform: Callable | None = None, joint_transform: Callable | None = None,
                 search_transform: Callable | None = None, template_transform: Callable | None = None):
        transform = tfm.Transform(tfm.ToTensor()) if transform is None else transform
        first = next((t for t in (train_transform, template_transform) if t is not None), transform)
        second = next((t for t in (test_transform, search_transform) if t is not None), transform)
        self.transform = {"train": first, "template": first, "test": second, "search": second, "joint": joint_transform}

    def __call__(self, data: TensorDict) -> TensorDict:
        """Turn sampled frames into network inputs."""
        raise NotImplementedError


class TransTProcessing(BaseProcessing):
    """Crops for TransT: `search_images`, `template_images` with their `*_anno`, boxes xywh in crop pixels.

    `search_area_factor` and `template_area_factor` are the sides of the crops in units of the target's context,
    `search_sz` and `temp_sz` their sizes in pixels. The crop is cut around a jittered box: `center_jitter_factor` and
    `scale_jitter_factor` hold one value for `search` and one for `template`; raising the first moves the target further
    from the centre, raising the second varies its size more.
    """

    def __init__(self, search_area_factor: float, template_area_factor: float, search_sz: int, temp_sz: int,
                 center_jitter_factor: Mapping[str, float], scale_jitter_factor: Mapping[str, float],
                 mode: str = "pair", *args, **kwargs):
        super().__init__(*args, **kwargs)
        if mode not in ("pair", "sequence"):
            raise BadValue(f"TransTProcessing: mode '{mode}' is not known; choose 'pair' or 'sequence'")
        self.crop = {"search": (search_area_factor, search_sz), "template": (template_area_factor, temp_sz)}
        self.center_jitter_factor = center_jitter_factor
        self.scale_jitter_factor = scale_jitter_factor
        self.mode = mode

    def _get_jittered_box(self, box: Tensor, mode: str) -> Tensor:
        """Box xywh of another size, around a centre moved by up to the mean side times half the jitter factor."""
        size = box[2:4] * torch.exp(torch.randn(2) * self.scale_jitter_factor[mode])
        reach = size.sum() / 2 * float(self.center_jitter_factor[mode])
        center = box[:2] + box[2:4] / 2 + reach * (torch.rand(2) - 0.5)
        return torch.cat([center - size / 2, size])

    def __call__(self, data: TensorDict) -> TensorDict:
        """`data` holds lists `search_images`, `search_anno`, `template_images`, `template_anno`; new values in a copy.
        """
        data = data.copy()
        if self.transform["joint"] is not None:
            for number, name in enumerate(("search", "template")):
                data[f"{name}_images"], data[f"{name}_anno"] = self.transform["joint"](
                    image=data[f"{name}_images"], bbox=data[f"{name}_anno"], new_roll=number == 0)
        for name in ("search", "template"):
            images, boxes = data[f"{name}_images"], data[f"{name}_anno"]
            if self.mode == "pair" and len(images) != 1:
                raise BadValue(f"TransTProcessing: mode 'pair' takes one {name} frame, not {len(images)}; "
                               "sample one each, or choose mode 'sequence'")
            factor, size = self.crop[name]
            jittered = [self._get_jittered_box(box, name) for box in boxes]
            crops, boxes, _ = prutils.jittered_center_crop(images, jittered, boxes, factor, size,
                                                           sample=prutils.sample_target_transt)
            images, boxes = self.transform[name](image=list(crops), bbox=boxes, joint=False)
            data[f"{name}_images"], data[f"{name}_anno"] = (
                stack_tensors(value)[0] if self.mode == "pair" else stack_tensors(value) for value in (images, boxes))
        return data
