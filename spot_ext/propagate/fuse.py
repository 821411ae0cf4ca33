"""Fuses a forward and a backward walk to one box and one confidence in every frame.

For each gap between two key frames: `beliefs` says which walk to believe, `blending` makes one box
of the walks and the straight line, `confidence` says how good it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from ltr.geometry.array_boxes import paired_iou
from spot_ext.boxes.track import ObjectTrack
from spot_ext.propagate.beliefs import beliefs
from spot_ext.propagate.blending import blend, steadied
from spot_ext.propagate.confidence import FEATURES, confidence, confidence_features
from spot_ext.propagate.crossing import Crossing, crossings
from spot_ext.propagate.follow import Walk
from spot_ext.propagate.fusion_config import DEFAULT, FusionConfig
from spot_ext.propagate.gaps import Gap


@dataclass(frozen=True, eq=False)
class Fused:
    """Dense boxes of one object in N frames."""

    boxes_xywh: np.ndarray  # (N, 4) NaN where the target is absent, lost or never labelled nearby
    confidences: np.ndarray  # (N,) probability of an IoU with the target of 0.5 or more
    agreements: np.ndarray  # (N,) IoU of the two walks, NaN where there are not two
    human: np.ndarray  # (N,) bool: drawn by a person
    features: np.ndarray  # (N, F) of the confidence, NaN at key frames

    @classmethod
    def empty(cls, count: int) -> Fused:
        """Return `count` frames of which nothing is known."""
        return cls(
            boxes_xywh=np.full((count, 4), np.nan),
            confidences=np.zeros(count),
            agreements=np.full(count, np.nan),
            human=np.zeros(count, dtype=bool),
            features=np.full((count, len(FEATURES)), np.nan),
        )

    def copy_rows(self, rows: slice, other: Fused) -> None:
        """Take some frames from `other`."""
        for field in dataclasses.fields(self):
            getattr(self, field.name)[rows] = getattr(other, field.name)[rows]

    @property
    def without_box(self) -> np.ndarray:
        """(N,) bool: the target is absent or lost."""
        return np.isnan(self.boxes_xywh).any(1)


def fuse(
    target: ObjectTrack,
    forward: Walk,
    backward: Walk,
    config: FusionConfig = DEFAULT,
    gaps: Collection[Gap] | None = None,
    earlier: Fused | None = None,
) -> Fused:
    """Fuse the walks of one object. Human boxes stay as they are, with confidence 1.

    Only `gaps` are fused (None: all); the others are taken from `earlier`.
    """
    fused = Fused.empty(len(forward.boxes_xywh))
    for crossing in crossings(target, forward, backward):
        if gaps is not None and crossing.gap not in gaps:
            if earlier is not None:
                fused.copy_rows(crossing.gap.rows, earlier)
            continue
        # Between two frames that mark the object as absent nothing is invented.
        if crossing.left_is_shown or crossing.right_is_shown:
            _fuse_gap(fused, crossing, config)
    fused.boxes_xywh[target.frame_ids] = target.boxes_xywh
    fused.confidences[target.frame_ids] = 1.0
    fused.human[target.frame_ids] = True
    return fused


def _fuse_gap(fused: Fused, crossing: Crossing, config: FusionConfig) -> None:
    """Write the gap's rows of `fused`."""
    crossing = steadied(crossing.arriving(), config)
    agreement = paired_iou(crossing.forward.boxes_xywh, crossing.backward.boxes_xywh)
    belief = beliefs(crossing, agreement, config)
    blended = blend(crossing, agreement, belief, config)
    features = confidence_features(crossing, agreement, belief, blended, config)
    sure = confidence(features, config)

    is_lost = blended.chances < config.lost_below
    rows = crossing.gap.rows
    fused.boxes_xywh[rows] = np.where(is_lost[:, None], np.nan, blended.boxes_xywh)
    fused.confidences[rows] = np.where(is_lost, np.minimum(sure, blended.chances), sure)
    fused.agreements[rows] = agreement
    fused.features[rows] = features
