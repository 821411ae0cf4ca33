"""The online tracker over a synthetic sequence."""

from __future__ import annotations

import numpy as np
from torch import nn

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams
from tests.golden import formulas
from tests.golden.checks.networks import filled_network
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Arrays, Golden

BOX, SCORE = 0.1, 1e-4  # px; other kernels move boxes by 3e-4 px
TIE = 1e-6  # between the two best scores; other kernels move scores by 2e-7


@check(
    "tracker_transt_{}",
    "synthetic_sequence.npz",
    "tracker_spot_transt.npz",
    "tracker_pytracking_transt.npz",
    variants=["plain", "zm", "zm_box", "zm_box_sharp"],
    heavy=True,
)
def tracker(golden: Golden, compare: Comparison, variant: str) -> None:
    """Boxes of every frame against SPOT's tracker and TransT's in pytracking."""
    spot, pytracking = (
        golden.arrays(f"tracker_{name}_transt.npz") for name in ("spot", "pytracking")
    )
    sequence = golden.arrays("synthetic_sequence.npz")
    boxes, scores = track(TransT, _filled(golden, spot, variant), sequence)
    count = _comparable(boxes, spot[f"{variant}.boxes"], spot[f"{variant}.top2_margin"])
    compare.close("box px, SPOT", boxes[:count], spot[f"{variant}.boxes"][:count], BOX)
    compare.close("box px, pytracking", boxes[:count], pytracking[f"{variant}.boxes"][:count], BOX)
    compare.close("score", scores[: count - 1], spot[f"{variant}.peak"][: count - 1], SCORE)


def _comparable(boxes: np.ndarray, theirs: np.ndarray, margins: np.ndarray) -> int:
    """Number of frames before the paths part at a tie, where either candidate is right."""
    apart = np.flatnonzero(np.abs(boxes - theirs[: len(boxes)]).max(1) > BOX)
    return int(apart[0]) if len(apart) and margins[apart[0] - 1] < TIE else len(boxes)


def _filled(golden: Golden, stored: Arrays, variant: str) -> nn.Module:
    net = filled_network(golden.seed, variant.split("_")[0])
    if "_box" in variant:
        formulas.realistic_boxes(net)
    if "_sharp" in variant:
        formulas.sharp_scores(
            net, float(stored[f"{variant}.class_scale"]), stored[f"{variant}.class_bias"].tolist()
        )
    return net


def track(kind: type, net: nn.Module, sequence: Arrays) -> tuple[np.ndarray, list[float]]:
    """Boxes of all stored frames, the given one first, and scores of all but the first, of a
    tracker with `net`.
    """
    parameters = TrackerParams()
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net
    frames, first = sequence.first("frames"), sequence["gt"][0]
    online = kind(parameters)
    online.initialize(frames[0], {"init_bbox": first.tolist()})
    outputs = [online.track(frame) for frame in frames[1:]]
    return np.array([first, *(output["target_bbox"] for output in outputs)]), [
        output["best_score"] for output in outputs
    ]
