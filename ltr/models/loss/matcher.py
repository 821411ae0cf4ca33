"""The search positions that stand for the target: those whose cell of the feature grid begins
inside its box.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ltr.admin.errors import BadValue
from ltr.geometry.tensor_boxes import cxcywh_to_xyxy


def grid_side(positions: int) -> int:
    """Side n of the square grid with `positions` cells."""
    side = math.isqrt(positions)
    if side * side != positions:
        raise BadValue(
            f"{positions} search positions are not a square grid; use square search crops"
        )
    return side


def target_cells(
    boxes_cxcywh_B4: Tensor, side: int, ring: int = 3, reference_edges: bool = False
) -> tuple[Tensor, Tensor]:
    """Masks (B, side*side) of the positions inside each box, and of the `ring` cells around these.

    A box [x1, x2) in crop units covers columns ceil(x1*side) to ceil(x2*side) - 1, rows likewise,
    cut at the border of the crop; a box smaller than a cell or beyond the border gets the nearest
    cell, so that every target has a positive. `reference_edges` gives SPOT's release instead: no
    positive where the box lies beyond the right or bottom border.
    """
    bounds = (cxcywh_to_xyxy(boxes_cxcywh_B4) * side).ceil()
    start, end = bounds.split(2, dim=-1)  # (B, 2): x, y
    if reference_edges:
        start, end = start.clamp(min=0), end.clamp(min=0, max=side)
        end = torch.where(end == start, end + 1, end)
    else:
        start = start.clamp(min=0, max=side - 1)
        end = torch.maximum(end.clamp(max=side), start + 1)
    inside = _rectangle(start, end, side)
    return inside, _rectangle(start - ring, end + ring, side) & ~inside


def on_lattice(boxes_cxcywh: Tensor, side: int, first: float, pitch: float) -> Tensor:
    """Boxes as `target_cells` takes them for `side` positions that lie at `first + pitch * k` of
    the crop, not at k / side.
    """
    centers, sizes = boxes_cxcywh.split(2, dim=-1)
    return torch.cat([centers - first, sizes], -1) / (pitch * side)


def _rectangle(start_B2: Tensor, end_B2: Tensor, side: int) -> Tensor:
    cells = torch.arange(side, device=start_B2.device)
    within = (cells >= start_B2[..., None]) & (
        cells < end_B2[..., None]
    )  # (B, 2, side): columns, rows
    return (within[:, 1, :, None] & within[:, 0, None, :]).flatten(1)


class TrackingMatcher(nn.Module):
    """`target_cells` as index lists, the form `SetCriterion` takes."""

    def __init__(self, reference_edges: bool = False):
        super().__init__()
        self.reference_edges = reference_edges

    @torch.no_grad()
    def forward(self, outputs: dict, targets: list[dict]) -> list[tuple[Tensor, Tensor]]:
        """For each image the indices of matched positions and of their target (zeros), int64.

        `outputs['pred_logits']` is (B, N, classes+1); `targets[i]['boxes']` (1, 4) cxcywh in crop
        units.
        """
        found = [mask.nonzero()[:, 0] for mask in self.masks(outputs, targets)]
        return [(cells, torch.zeros_like(cells)) for cells in found]

    @torch.no_grad()
    def masks(self, outputs: dict, targets: list[dict]) -> Tensor:
        """Return which positions (B, N) of each image are matched with its target."""
        logits = outputs["pred_logits"]
        boxes = torch.cat([target["boxes"][:1] for target in targets]).to(logits.device)
        side = grid_side(logits.shape[1])
        inside, _ = target_cells(boxes, side, reference_edges=self.reference_edges)
        return inside


def build_matcher() -> TrackingMatcher:
    """The matcher of TransT's training."""
    return TrackingMatcher()
