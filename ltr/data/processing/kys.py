"""Processing of KYS: a stretch of video under a moving search area, through frames without the
target.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.admin.tensordict import TensorDict
from ltr.data.processing.base import CropProcessing, centered_crop, jittered_box
from ltr.data.processing.parts import GaussianLabels, Proposals

_TRIES = 10  # of a jittered box whose crop shows enough of the frame


class KYSProcessing(CropProcessing):
    """Square crops of a sequence; proposals with overlap, and label maps that are zero where the
    target is absent.

    `center_jitter_param` and `scale_jitter_param` hold for each set `<set>_factor`, and optionally
    `<set>_mode` ('uniform' or 'gauss'); the first also `<set>_limit_motion`: the crop's centre then
    moves between frames by no more than it may be displaced from the target.
    `min_crop_inside_ratio` is the least part of the crop that shows the frame, as far as ten draws
    find one. Frames without the target are cropped around the box seen last; their proposals lie in
    the crop's middle and overlap nothing.
    """

    def __init__(
        self,
        search_area_factor: float,
        output_sz: int,
        center_jitter_param: Mapping[str, Any],
        scale_jitter_param: Mapping[str, Any],
        proposal_params: Mapping[str, Any] | None = None,
        label_function_params: Mapping[str, Any] | None = None,
        min_crop_inside_ratio: float = 0,
        *args,
        **kwargs,
    ):
        super().__init__(
            centered_crop(search_area_factor, output_sz), self._jitter, "sequence", *args, **kwargs
        )
        self.search_area_factor = search_area_factor
        self.output_sz = output_sz
        self.center_jitter_param = _by_set("center_jitter_param", center_jitter_param, "uniform")
        self.scale_jitter_param = _by_set("scale_jitter_param", scale_jitter_param, "gauss")
        self.proposals = None if proposal_params is None else Proposals(proposal_params)
        self.labels = (
            None
            if label_function_params is None
            else GaussianLabels(label_function_params, output_sz)
        )
        self.min_crop_inside_ratio = min_crop_inside_ratio

    def _jitter(self, box: Tensor, name: str) -> Tensor:
        scale, center = self.scale_jitter_param[name], self.center_jitter_param[name]
        return jittered_box(box, scale["factor"], center["factor"], scale["mode"], center["mode"])

    def _crop_boxes(self, data: TensorDict, name: str) -> list[Tensor]:
        boxes = _seen_last(data[f"{name}_anno"], _present(data, name).tolist())
        around: list[Tensor] = []
        for box, image in zip(boxes, data[f"{name}_images"], strict=True):
            for _ in range(_TRIES):
                jittered = self._jitter(box, name)
                if around and self.center_jitter_param[name]["limit_motion"]:
                    jittered = self._slowed(jittered, around[-1], name)
                if self._part_inside(jittered, image) >= self.min_crop_inside_ratio:
                    break
            else:
                jittered = box
            around.append(jittered)
        return around

    def _slowed(self, box: Tensor, previous: Tensor, name: str) -> Tensor:
        reach = 0.5 * self.center_jitter_param[name]["factor"] * box[2:].prod().sqrt()
        before = previous[:2] + previous[2:] / 2
        center = torch.minimum(torch.maximum(box[:2] + box[2:] / 2, before - reach), before + reach)
        return torch.cat([center - box[2:] / 2, box[2:]])

    def _part_inside(self, box: Tensor, image: np.ndarray) -> float:
        side = box[2:].prod().sqrt() * self.search_area_factor
        low = box[:2] + box[2:] / 2 - side / 2
        limit = torch.tensor([float(image.shape[1]), float(image.shape[0])])
        shown = (torch.minimum(low + side, limit) - low.clamp(min=0)).clamp(min=0)
        return float(shown.prod() / side**2)

    def _add_to_frames(self, data: TensorDict) -> None:
        if self.proposals is None:
            return
        side = self.output_sz / self.search_area_factor
        middle = torch.tensor([(self.output_sz - side) / 2] * 2 + [side] * 2)
        present = _present(data, "test").tolist()
        drawn = [
            self.proposals.with_overlap(box if here else middle)
            for box, here in zip(data["test_anno"], present, strict=True)
        ]
        data["test_proposals"] = [boxes for boxes, _ in drawn]
        data["proposal_iou"] = [
            overlap if here else torch.full_like(overlap, -1.0)
            for (_, overlap), here in zip(drawn, present, strict=True)
        ]

    def _add_to_sample(self, data: TensorDict) -> None:
        if self.labels is None:
            return
        self.labels.add(data)
        for name in self.names:
            label = data[f"{name}_label"]
            data[f"{name}_label"] = torch.where(
                _present(data, name).view(-1, 1, 1), label, torch.zeros_like(label)
            )


def _present(data: TensorDict, name: str) -> Tensor:
    """Bool (n,): frames whose box has an area and that no `<set>_valid_anno` or `<set>_visible`
    denies the target.
    """
    present = torch.tensor([bool((box[2:] > 0).all()) for box in data[f"{name}_anno"]])
    for flag in ("valid_anno", "visible"):
        if f"{name}_{flag}" in data:
            present &= torch.as_tensor(data[f"{name}_{flag}"]).bool()
    return present


def _seen_last(boxes: list[Tensor], present: list[bool]) -> list[Tensor]:
    """Each box, or the last one before it that is present; the first present one before that."""
    if not any(present):
        raise BadValue(
            "KYSProcessing: the target is absent from all frames of a set; let the sampler start "
            "at a visible one"
        )
    last = boxes[present.index(True)]
    filled = []
    for box, here in zip(boxes, present, strict=True):
        last = box if here else last
        filled.append(last)
    return filled


def _by_set(where: str, params: Mapping[str, Any], default_mode: str) -> dict[str, dict[str, Any]]:
    """`factor`, `mode` and `limit_motion` of each set, from keys `<set>_factor` … or `<set>` for
    the factor alone.
    """
    sets = {}
    for name in ("train", "test"):
        factor = params.get(f"{name}_factor", params.get(name))
        if factor is None:
            raise BadValue(f"{where} lacks the entry '{name}_factor'; add it")
        sets[name] = {
            "factor": factor,
            "mode": params.get(f"{name}_mode", default_mode),
            "limit_motion": params.get(f"{name}_limit_motion", False),
        }
    return sets
