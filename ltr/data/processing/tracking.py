"""Processing of ATOM, DiMP, PrDiMP, ToMP and TransT: one crop, and the parts each of them learns
from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltr.admin.tensordict import TensorDict
from ltr.data import processing_utils as prutils
from ltr.data.processing.base import CropProcessing, adaptive_crop, box_jitter, centered_crop
from ltr.data.processing.parts import DenseBoxes, GaussianLabels, LabelDensities, Proposals


class ATOMProcessing(CropProcessing):
    """Square crops, and boxes near the target with their overlap: `test_proposals` (n, k, 4),
    `proposal_iou` (n, k).

    `search_area_factor` is the crop's side in units of the square with the target's area,
    `output_sz` its size in px; the jitter factors hold one number for `train` and one for `test`;
    see `Proposals` for `proposal_params`.
    """

    # The method of `proposal_params` that name none.
    proposal_method = "default"

    def __init__(
        self,
        search_area_factor: float,
        output_sz: int,
        center_jitter_factor: Mapping[str, float],
        scale_jitter_factor: Mapping[str, float],
        proposal_params: Mapping[str, Any],
        mode: str = "pair",
        *args,
        **kwargs,
    ):
        super().__init__(
            centered_crop(search_area_factor, output_sz),
            box_jitter(center_jitter_factor, scale_jitter_factor),
            mode,
            *args,
            **kwargs,
        )
        self.proposals = Proposals(proposal_params, self.proposal_method)

    def _add_to_frames(self, data: TensorDict) -> None:
        self.proposals.add_overlaps(data)


class KLBBregProcessing(ATOMProcessing):
    """`ATOMProcessing` with densities in place of overlaps: `test_proposals`, `proposal_density`,
    `gt_density`. Proposals are drawn from a mixture ('gmm') where `proposal_params` do not say how.
    """

    proposal_method = "gmm"

    def _add_to_frames(self, data: TensorDict) -> None:
        self.proposals.add_densities(data)


class ATOMwKLProcessing(ATOMProcessing):
    """`KLBBregProcessing` with the overlaps too."""

    proposal_method = "gmm"

    def _add_to_frames(self, data: TensorDict) -> None:
        self.proposals.add_densities(data, with_overlap=True)


class DiMPProcessing(CropProcessing):
    """Adaptive crops; proposals with overlap, and label maps, where their parameters are given.

    `output_sz` is one number or (width, height); `crop_type` and `max_scale_change` are those of
    `sample_target_adaptive`. Adds `test_proposals` (n, k, 4), `proposal_iou` (n, k), `train_label`
    and `test_label` (n, h, w).
    """

    # The method of `proposal_params` that name none.
    proposal_method = "default"

    def __init__(
        self,
        search_area_factor: float,
        output_sz,
        center_jitter_factor: Mapping[str, Any],
        scale_jitter_factor: Mapping[str, Any],
        crop_type: str = "replicate",
        max_scale_change: float | None = None,
        mode: str = "pair",
        proposal_params: Mapping[str, Any] | None = None,
        label_function_params: Mapping[str, Any] | None = None,
        *args,
        **kwargs,
    ):
        super().__init__(
            adaptive_crop(search_area_factor, output_sz, crop_type, max_scale_change),
            box_jitter(center_jitter_factor, scale_jitter_factor),
            mode,
            *args,
            **kwargs,
        )
        self.proposals = (
            None if proposal_params is None else Proposals(proposal_params, self.proposal_method)
        )
        self.labels = (
            None
            if label_function_params is None
            else GaussianLabels(label_function_params, output_sz)
        )

    def _add_to_frames(self, data: TensorDict) -> None:
        if self.proposals is not None:
            self.proposals.add_overlaps(data)

    def _add_to_sample(self, data: TensorDict) -> None:
        if self.labels is not None:
            self.labels.add(data)


class KLDiMPProcessing(DiMPProcessing):
    """`DiMPProcessing` with densities: `test_proposals`, `proposal_density`, `gt_density`, labels,
    and, with `label_density_params`, `train_label_density` and `test_label_density` (n, h, w).

    Proposals are drawn from a mixture ('gmm') where `proposal_params` do not say how. Frames
    flagged in `is_distractor_train_frame` or `is_distractor_test_frame` have labels without a
    target.
    """

    proposal_method = "gmm"

    def __init__(
        self,
        search_area_factor: float,
        output_sz,
        center_jitter_factor: Mapping[str, Any],
        scale_jitter_factor: Mapping[str, Any],
        crop_type: str = "replicate",
        max_scale_change: float | None = None,
        mode: str = "pair",
        proposal_params: Mapping[str, Any] | None = None,
        label_function_params: Mapping[str, Any] | None = None,
        label_density_params: Mapping[str, Any] | None = None,
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
            proposal_params,
            label_function_params,
            *args,
            **kwargs,
        )
        self.densities = (
            None
            if label_density_params is None
            else LabelDensities(label_density_params, output_sz)
        )

    def _add_to_frames(self, data: TensorDict) -> None:
        if self.proposals is not None:
            self.proposals.add_densities(data)

    def _add_to_sample(self, data: TensorDict) -> None:
        super()._add_to_sample(data)
        if self.densities is not None:
            self.densities.add(data)


class LTRBDenseRegressionProcessing(DiMPProcessing):
    """Adaptive crops, label maps, and box targets in every cell, as ToMP learns them; see
    `DenseBoxes`.

    Adds `train_ltrb_target`, `test_ltrb_target` (n, 4, h, w) and `train_sample_region`,
    `test_sample_region` (n, 1, h, w) bool.
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
        stride: int = 16,
        label_function_params: Mapping[str, Any] | None = None,
        center_sampling_radius: float = 0.0,
        use_normalized_coords: bool = True,
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
            None,
            label_function_params,
            *args,
            **kwargs,
        )
        self.dense_boxes = DenseBoxes(
            output_sz, stride, center_sampling_radius, use_normalized_coords
        )

    def _add_to_sample(self, data: TensorDict) -> None:
        super()._add_to_sample(data)
        self.dense_boxes.add(data)


class TransTProcessing(CropProcessing):
    """Crops for TransT: `search_images`, `template_images` with their `*_anno`, boxes xywh in crop
    pixels.

    `search_area_factor` and `template_area_factor` are the sides of the crops in units of the
    target's context, `search_sz` and `temp_sz` their sizes in pixels; the jitter factors hold one
    number for `search` and one for `template`. With one frame a set values have no frame dimension,
    in either mode.
    """

    # How a crop is cut, and whether jitter moves its centre by the mean of the box's sides.
    sample = staticmethod(prutils.sample_target_transt)
    mean_side = True

    def __init__(
        self,
        search_area_factor: float,
        template_area_factor: float,
        search_sz: int,
        temp_sz: int,
        center_jitter_factor: Mapping[str, float],
        scale_jitter_factor: Mapping[str, float],
        mode: str = "pair",
        *args,
        **kwargs,
    ):
        self.crops = {
            "search": centered_crop(search_area_factor, search_sz, self.sample),
            "template": centered_crop(template_area_factor, temp_sz, self.sample),
        }
        super().__init__(
            self.crops["search"],
            box_jitter(center_jitter_factor, scale_jitter_factor, mean_side=self.mean_side),
            mode,
            *args,
            names=("search", "template"),
            **kwargs,
        )

    def _cropped(
        self, name: str, images: list, around: list, boxes: list, masks: list | None
    ) -> tuple:
        return self.crops[name](images, around, boxes, masks)

    def _add_to_sample(self, data: TensorDict) -> None:
        for key in (f"{name}_{what}" for name in self.names for what in ("images", "anno")):
            frames = data[key].dim() == (4 if key.endswith("images") else 2)
            data[key] = data[key].squeeze(0) if frames else data[key]


class OSTrackProcessing(TransTProcessing):
    """`TransTProcessing` with crops and jitter by the box's area, and black outside the frame."""

    sample = staticmethod(prutils.sample_target_ostrack)
    mean_side = False
