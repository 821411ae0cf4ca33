"""Training targets, made of boxes in crop pixels: proposals, label maps, dense box targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data import processing_utils as prutils
from ltr.data.processing.base import SETS, check_choice, checked_params

_PROPOSALS = (
    "boxes_per_frame",
    "min_iou",
    "sigma_factor",
    "proposal_method",
    "proposal_sigma",
    "gt_sigma",
    "add_mean_box",
)
_LABELS = ("feature_sz", "sigma_factor", "kernel_sz", "end_pad_if_even")
_DENSITIES = (*_LABELS, "uni_weight", "normalize", "shrink", "threshold", "interp_factor")
_FAR_AWAY = 99999999.9  # where the box of a distractor goes, so that its label is 0 everywhere


class Proposals:
    """Boxes near the target in each test frame.

    `params`: `boxes_per_frame`; `proposal_method` 'default' perturbs the box by `sigma_factor`
    until the overlap exceeds `min_iou`, 'gmm' draws from the mixture `proposal_sigma`, with
    `gt_sigma` and `add_mean_box` as in `sample_box_gmm`. `method` is used where `params` names
    none.
    """

    def __init__(self, params: Mapping[str, Any], method: str = "default"):
        self.params = checked_params("proposal_params", params, _PROPOSALS, ["boxes_per_frame"])
        self.method = self.params.get("proposal_method", method)
        check_choice("proposal_params", "proposal_method", self.method, ("default", "gmm"))
        needed = "proposal_sigma" if self.method == "gmm" else "sigma_factor"
        checked_params("proposal_params", params, _PROPOSALS, [needed])

    def with_overlap(self, box: Tensor) -> tuple[Tensor, Tensor]:
        """Boxes (k, 4) xywh near `box` (4,), and their overlap (k,) with it, scaled from 0..1 to
        -1..1.
        """
        if self.method == "gmm":
            boxes, _, _ = self.with_density(box)
            overlap = prutils.iou(box.reshape(1, 4), boxes)
        else:
            drawn = [
                prutils.perturb_box(
                    box, self.params.get("min_iou", 0.5), self.params["sigma_factor"]
                )
                for _ in range(self.params["boxes_per_frame"])
            ]
            boxes, overlap = (
                torch.stack([b for b, _ in drawn]),
                torch.cat([value for _, value in drawn]),
            )
        return boxes, overlap * 2 - 1

    def with_density(self, box: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (k, 4) near `box` (4,), the density (k,) they were drawn with, and that under the
        label.
        """
        if self.method != "gmm":
            raise BadValue("proposal densities need proposal_method 'gmm' in proposal_params")
        return prutils.sample_box_gmm(
            box,
            self.params["proposal_sigma"],
            self.params.get("gt_sigma"),
            self.params["boxes_per_frame"],
            self.params.get("add_mean_box", False),
        )

    def add_overlaps(self, data: TensorDict) -> None:
        """`test_proposals` and `proposal_iou`, lists with one entry a frame."""
        boxes, overlaps = zip(*[self.with_overlap(box) for box in data["test_anno"]], strict=True)
        data.update(test_proposals=list(boxes), proposal_iou=list(overlaps))

    def add_densities(self, data: TensorDict, with_overlap: bool = False) -> None:
        """`test_proposals`, `proposal_density`, `gt_density`, and the proposals' `proposal_iou`
        `with_overlap`.
        """
        boxes, drawn, label = zip(
            *[self.with_density(box) for box in data["test_anno"]], strict=True
        )
        data.update(
            test_proposals=list(boxes), proposal_density=list(drawn), gt_density=list(label)
        )
        if with_overlap:
            data["proposal_iou"] = [
                prutils.iou(box.reshape(1, 4), near) * 2 - 1
                for box, near in zip(data["test_anno"], boxes, strict=True)
            ]


class GaussianLabels:
    """A Gaussian around the target in score maps of the filter's output size: `train_label`,
    `test_label` (n, h, w).

    `params`: `feature_sz` cells cover the crop, `sigma_factor` is the Gaussian's width in units of
    the map's side, `kernel_sz` that of the filter, `end_pad_if_even` (True) adds a cell for an even
    kernel.
    """

    def __init__(self, params: Mapping[str, Any], output_sz):
        self.params = checked_params("label_function_params", params, _LABELS, _LABELS[:3])
        self.output_sz = output_sz

    def __call__(self, boxes: Tensor) -> Tensor:
        """Labels (n, h, w) of boxes (n, 4) or (4,)."""
        sigma, kernel, feature = (
            self.params[key] for key in ("sigma_factor", "kernel_sz", "feature_sz")
        )
        return prutils.gaussian_label_function(
            boxes, sigma, kernel, feature, self.output_sz, self.params.get("end_pad_if_even", True)
        )

    def add(self, data: TensorDict, names: Sequence[str] = SETS) -> None:
        """`<set>_label` for each set."""
        for name in names:
            data[f"{name}_label"] = self(label_boxes(data, name))


class LabelDensities:
    """`train_label_density`, `test_label_density` (n, h, w): the label as a probability density.

    Beside the entries of label parameters: `uni_weight` is spread evenly; cells up to `threshold`
    become 0; `normalize` makes each map sum to 1 (an empty one becomes even); 1 - `shrink` scales
    the result; `interp_factor` multiplies the number of cells.
    """

    def __init__(self, params: Mapping[str, Any], output_sz):
        self.params = checked_params("label_density_params", params, _DENSITIES, _LABELS[:3])
        self.output_sz = output_sz

    def __call__(self, boxes: Tensor) -> Tensor:
        """Densities (n, h, w) of boxes (n, 4) or (4,)."""
        get = self.params.get
        cells = torch.as_tensor(self.params["feature_sz"]) * get("interp_factor", 1)
        density = prutils.gaussian_label_function(
            boxes,
            self.params["sigma_factor"],
            self.params["kernel_sz"],
            cells,
            self.output_sz,
            get("end_pad_if_even", True),
            density=True,
            uni_bias=get("uni_weight", 0.0),
        )
        density = density * (density > get("threshold", 0.0))
        if get("normalize", False):
            total = density.sum((-2, -1), keepdim=True)
            even = torch.full_like(density, 1 / density[0].numel())
            density = torch.where(total > 0.01, density / total.clamp(min=0.01), even)
        return density * (1 - get("shrink", 0.0))

    def add(self, data: TensorDict, names: Sequence[str] = SETS) -> None:
        """`<set>_label_density` for each set."""
        for name in names:
            data[f"{name}_label_density"] = self(label_boxes(data, name))


def label_boxes(data: TensorDict, name: str) -> Tensor:
    """Boxes (n, 4) that labels are made of: those of `is_distractor_<set>_frame` frames lie far
    outside.
    """
    boxes = data[f"{name}_anno"].reshape(-1, 4)
    distractor = data.get(f"is_distractor_{name}_frame")
    if distractor is None:
        return boxes
    distractor = torch.as_tensor(distractor).reshape(-1, 1).bool()
    return torch.where(distractor, torch.tensor([_FAR_AWAY, _FAR_AWAY, 1.0, 1.0]), boxes)


class DenseBoxes:
    """Distances to the box's four sides in every cell of a score map, and the cells that learn
    them.

    Cell k of a row has its centre at `k * stride + stride // 2` px. `center_sampling_radius` r > 0
    limits the learning cells to r cells around the box's centre. `use_normalized_coords` divides
    distances by the crop's size.
    """

    def __init__(
        self,
        output_sz,
        stride: int,
        center_sampling_radius: float = 0.0,
        use_normalized_coords: bool = True,
    ):
        self.width, self.height = (int(size) for size in prutils.size_of(output_sz))
        self.stride = stride
        self.center_sampling_radius = center_sampling_radius
        self.use_normalized_coords = use_normalized_coords

    def centers(self) -> tuple[Tensor, Tensor]:
        """X (w,) and y (h,) of the cells' centres, in px."""
        return self._centers_along(self.width), self._centers_along(self.height)

    def _centers_along(self, size: int) -> Tensor:
        return torch.arange(size // self.stride) * float(self.stride) + self.stride // 2

    def __call__(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Targets (n, 4, h, w), left, top, right, bottom, and learning cells (n, 1, h, w) bool, of
        boxes (n, 4) xywh.
        """
        x, y = self.centers()
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        distances = _to_sides(low, high, x, y)
        if self.center_sampling_radius > 0:
            middle, reach = (low + high) / 2, self.center_sampling_radius * self.stride
            inside = _to_sides(
                torch.maximum(low, middle - reach), torch.minimum(high, middle + reach), x, y
            )
        else:
            inside = distances
        if self.use_normalized_coords:
            distances = distances / torch.tensor([self.width, self.height] * 2).view(1, 4, 1, 1)
        return distances, inside.amin(1, keepdim=True) > 0

    def add(self, data: TensorDict, names: Sequence[str] = SETS) -> None:
        """`<set>_ltrb_target` and `<set>_sample_region` for each set."""
        for name in names:
            targets, region = self(data[f"{name}_anno"].reshape(-1, 4))
            data.update({f"{name}_ltrb_target": targets, f"{name}_sample_region": region})


def _to_sides(low: Tensor, high: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(n, 4, h, w): how far the points lie inside the left, top, right and bottom side."""
    across = torch.stack([x - low[:, :1], high[:, :1] - x])[:, :, None, :].expand(
        -1, -1, len(y), -1
    )
    down = torch.stack([y - low[:, 1:], high[:, 1:] - y])[:, :, :, None].expand(-1, -1, -1, len(x))
    return torch.stack([across[0], down[0], across[1], down[1]], 1)
