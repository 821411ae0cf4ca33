"""Processing of TaMOs: whole frames with several targets, each in a slot of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from ltr.admin.tensordict import TensorDict
from ltr.data.processing.base import CropProcessing, no_jitter
from ltr.data.processing.parts import DenseBoxes, GaussianLabels
from ltr.data.processing_utils import size_of


class TaMOsProcessing(CropProcessing):
    """Whole frames at `output_sz` (number, or (width, height)), zeros below or to the right, and
    labels by object.

    Annotations are dicts of boxes by object id. Each object of a sample keeps one of
    `max_num_objects` slots, drawn at random, in all its frames; where there are more objects than
    slots, those of the train frames come first. Gives for each set `<set>_images` (n, 3, H, W),
    `<set>_anno` (n, M, 4), zeros where an object is absent, and from the parts of ToMP
    `<set>_label` (n, M, h, w), `<set>_ltrb_target` (n, M, 4, h, w), `<set>_sample_region` (n, M, 1,
    h, w).

    `include_high_res_labels` adds the three once more, with the ending `_highres`, on a map of
    `high_res_stride` (a quarter of `stride` unless given). `enforce_one_sample_region_per_object`
    lets the cell nearest the centre learn where an object is too small to hold any cell's centre.
    The search area factor and the jitter factors are taken for the sake of the common signature:
    nothing is cropped.
    """

    inputs = {"image": "images", "bboxes": "anno"}  # noqa: RUF012

    def __init__(
        self,
        max_num_objects: int,
        search_area_factor: float,
        output_sz,
        center_jitter_factor: Mapping[str, float],
        scale_jitter_factor: Mapping[str, float],
        crop_type: str = "replicate",
        max_scale_change: float | None = None,
        mode: str = "pair",
        stride: int = 16,
        label_function_params: Mapping[str, Any] | None = None,
        center_sampling_radius: float = 0.0,
        use_normalized_coords: bool = True,
        include_high_res_labels: bool = False,
        enforce_one_sample_region_per_object: bool = False,
        *args,
        high_res_stride: int | None = None,
        **kwargs,
    ):
        super().__init__(self._fit, no_jitter, mode, *args, **kwargs)
        self.max_num_objects = max_num_objects
        self.output_sz = tuple(int(size) for size in size_of(output_sz))
        self.enforce_one_sample_region_per_object = enforce_one_sample_region_per_object
        strides = {"": stride}
        if include_high_res_labels:
            strides["_highres"] = high_res_stride or stride // 4
        self.dense_boxes = {
            ending: DenseBoxes(self.output_sz, step, center_sampling_radius, use_normalized_coords)
            for ending, step in strides.items()
        }
        self.labels = (
            {}
            if label_function_params is None
            else {
                ending: GaussianLabels(_finer(label_function_params, stride / step), self.output_sz)
                for ending, step in strides.items()
            }
        )

    def _crop_boxes(self, data: TensorDict, name: str) -> list:
        return data[f"{name}_anno"]

    def _fit(
        self, images: list[np.ndarray], around: list, boxes: list[dict], masks: list | None
    ) -> tuple:
        """Frames scaled to fit the output, aspect ratio kept, at the top left; boxes likewise."""
        width, height = self.output_sz
        fitted, scaled = [], []
        for image, by_id in zip(images, boxes, strict=True):
            scale = min(width / image.shape[1], height / image.shape[0])
            size = (
                min(width, round(image.shape[1] * scale)),
                min(height, round(image.shape[0] * scale)),
            )
            canvas = np.zeros((height, width, *image.shape[2:]), image.dtype)
            canvas[: size[1], : size[0]] = cv2.resize(image, size)
            fitted.append(canvas)
            scaled.append({key: box * scale for key, box in by_id.items()})
        return fitted, scaled, None

    def _add_to_frames(self, data: TensorDict) -> None:
        slots = self._slots(data)
        for name in self.names:
            data[f"{name}_anno"] = [
                _in_slots(by_id, slots, self.max_num_objects) for by_id in data[f"{name}_anno"]
            ]

    def _slots(self, data: TensorDict) -> dict[Any, int]:
        """Slot by object id."""
        ids: list = []
        for name in self.names:  # train first
            new = sorted(
                {key for by_id in data[f"{name}_anno"] for key in by_id} - set(ids), key=str
            )
            ids += random.sample(new, len(new))
        return dict(
            zip(ids, random.sample(range(self.max_num_objects), self.max_num_objects), strict=False)
        )

    def _add_to_sample(self, data: TensorDict) -> None:
        for name in self.names:
            boxes = data[f"{name}_anno"]
            for ending, dense in self.dense_boxes.items():
                targets, region = self._dense(dense, boxes.reshape(-1, 4))
                data[f"{name}_ltrb_target{ending}"] = targets.reshape(
                    *boxes.shape[:-1], *targets.shape[1:]
                )
                data[f"{name}_sample_region{ending}"] = region.reshape(
                    *boxes.shape[:-1], *region.shape[1:]
                )
            for ending, labels in self.labels.items():
                label = labels(boxes) * _present(boxes.reshape(-1, 4)).view(-1, 1, 1)
                data[f"{name}_label{ending}"] = label.reshape(*boxes.shape[:-1], *label.shape[1:])

    def _dense(self, dense: DenseBoxes, boxes: Tensor) -> tuple[Tensor, Tensor]:
        present = _present(boxes)
        targets, region = dense(boxes)
        if self.enforce_one_sample_region_per_object:
            x, y = dense.centers()
            middle = boxes[:, :2] + boxes[:, 2:] / 2
            for i in (present & ~region.flatten(1).any(1)).nonzero().flatten().tolist():
                region[
                    i, 0, (y - middle[i, 1]).abs().argmin(), (x - middle[i, 0]).abs().argmin()
                ] = True
        here = present.view(-1, 1, 1, 1)
        return targets * here, region & here


def _in_slots(by_id: Mapping[Any, Tensor], slots: Mapping[Any, int], count: int) -> Tensor:
    boxes = torch.zeros(count, 4)
    for key, box in by_id.items():
        if key in slots:
            boxes[slots[key]] = box
    return boxes


def _present(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] > 0).all(1)


def _finer(params: Mapping[str, Any], factor: float) -> dict[str, Any]:
    if factor == 1:
        return dict(params)
    return {**params, "feature_sz": tuple(size * factor for size in size_of(params["feature_sz"]))}
