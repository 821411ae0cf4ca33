"""Processing with masks: LWL and RTS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltr.admin.tensordict import TensorDict
from ltr.data.processing.base import CropProcessing, adaptive_crop, box_jitter
from ltr.data.processing.parts import GaussianLabels


class LWLProcessing(CropProcessing):
    """Adaptive crops of images, boxes and masks: `<set>_images`, `<set>_anno`, `<set>_masks` (n, h,
    w), 0 outside.

    `output_sz` is (width, height), or one number. `new_roll` draws the joint transform anew for the
    test frames. `scale_jitter_factor['mode']` may be 'uniform'; a center jitter factor may be one
    number for x and one for y.
    """

    inputs = {"image": "images", "bbox": "anno", "mask": "masks"}  # noqa: RUF012

    def __init__(
        self,
        search_area_factor: float,
        output_sz,
        center_jitter_factor: Mapping[str, Any],
        scale_jitter_factor: Mapping[str, Any],
        crop_type: str = "replicate",
        max_scale_change: float | None = None,
        mode: str = "pair",
        new_roll: bool = False,
        *args,
        **kwargs,
    ):
        super().__init__(
            adaptive_crop(search_area_factor, output_sz, crop_type, max_scale_change),
            box_jitter(center_jitter_factor, scale_jitter_factor),
            mode,
            *args,
            new_roll=new_roll,
            **kwargs,
        )


class RTSProcessing(LWLProcessing):
    """`LWLProcessing` with `train_label` and `test_label` (n, h, w) where `label_function_params`
    are given.
    """

    def __init__(
        self,
        search_area_factor: float,
        output_sz,
        center_jitter_factor: Mapping[str, Any],
        scale_jitter_factor: Mapping[str, Any],
        crop_type: str = "replicate",
        max_scale_change: float | None = None,
        mode: str = "pair",
        new_roll: bool = False,
        label_function_params: Mapping[str, Any] | None = None,
        *args,
        **kwargs,
    ):
        super().__init__(
            search_area_factor,
            output_sz,
            center_jitter_factor,
            scale_jitter_factor,
            crop_type,
            max_scale_change,
            mode,
            new_roll,
            *args,
            **kwargs,
        )
        self.labels = (
            None
            if label_function_params is None
            else GaussianLabels(label_function_params, output_sz)
        )

    def _add_to_sample(self, data: TensorDict) -> None:
        if self.labels is not None:
            self.labels.add(data)
