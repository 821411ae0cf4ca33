"""The confidence of a fused box: the probability that its IoU with the object is 0.5 or more."""

from __future__ import annotations

import numpy as np

from spot_ext.propagate.beliefs import Beliefs
from spot_ext.propagate.blending import Blend
from spot_ext.propagate.crossing import LARGEST_CHANGE, Crossing
from spot_ext.propagate.fusion_config import FITTED_CONFIDENCE, FusionConfig
from spot_ext.propagate.smoothing import LEAST_SIDE, mean_around

FEATURES = tuple(FITTED_CONFIDENCE)
# An error of more than the target's size says no more.
LARGEST_ERROR = 1
# Overlap that stands in where there is one walk only.
NO_OVERLAP_KNOWN = 0.5


def confidence_features(
    crossing: Crossing,
    agreement: np.ndarray,
    belief: Beliefs,
    blended: Blend,
    config: FusionConfig,
) -> np.ndarray:
    """Return the features (T, F) of the frames of a gap, in the order of FEATURES."""
    count = crossing.count
    walk_ious = np.stack([crossing.forward.ious, crossing.backward.ious])
    ious = np.nansum(walk_ious * blended.weights, axis=0)
    ious_around = mean_around(ious[:, None], config.noise_reach, np.ones(count, dtype=bool))[:, 0]
    log_distance = np.log(crossing.distances)
    sides = np.maximum(blended.boxes_xywh[:, 2:], LEAST_SIDE)
    sides_off_line = np.nan_to_num(np.abs(np.log(sides / crossing.line_xywh[:, 2:])).max(1))
    features = {
        "constant": np.ones(count),
        "one walk or both are on": blended.chances,
        "both are on": belief.both,
        "predicted IoU in the frames around": ious_around,
        "error by disagreement": np.minimum(blended.errors, LARGEST_ERROR),
        "logarithm of the distance to a key frame": log_distance,
        "the same where there is one walk only": log_distance * (not crossing.is_enclosed),
        "overlap of the walks": np.where(np.isfinite(agreement), agreement, NO_OVERLAP_KNOWN),
        "sides off those of the line, as a logarithm": np.minimum(sides_off_line, LARGEST_CHANGE),
        "change of the sides between the human boxes, as a logarithm": np.full(
            count, crossing.size_change
        ),
    }
    return np.stack([features[name] for name in FEATURES], axis=1)


def confidence(features: np.ndarray, config: FusionConfig) -> np.ndarray:
    """Return the confidence (T,) of features (T, F): logistic in them."""
    weights = np.array([config.confidence[name] for name in FEATURES])
    return 1 / (1 + np.exp(-features @ weights))
