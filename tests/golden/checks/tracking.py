"""The online tracker over a synthetic sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.transt import TransT
from pytracking.utils import TrackerParams
from tests.golden import formulas
from tests.golden.checks.networks import filled_network
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Arrays, Golden

# px; nothing but another candidate moves a box as far as this
PARTED = 0.5


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
    spot = golden.arrays("tracker_spot_transt.npz")
    pytracking = golden.arrays("tracker_pytracking_transt.npz")
    net = golden.network(_filled(golden, spot, variant))
    track = run_tracker(TransT, net, golden.arrays("synthetic_sequence.npz"))
    compare_track(compare, track, spot[f"{variant}.boxes"], spot[f"{variant}.peak"], "px, SPOT")
    compare_track(compare, track, pytracking[f"{variant}.boxes"], None, "px, pytracking")


@dataclass(frozen=True)
class OnlineTrack:
    """Output of an online tracker: the given box first, then one a frame."""

    boxes_xywh: np.ndarray
    # of all frames but the first
    scores: np.ndarray
    # how much better the chosen position is than the second best
    margins: np.ndarray


def run_tracker(kind: type, net: nn.Module, sequence: Arrays) -> OnlineTrack:
    """Track through all stored frames with `net`."""
    parameters = TrackerParams()
    parameters.net = NetWithBackbone("none", use_gpu=False)
    parameters.net.net = net
    online = kind(parameters)
    margins = []

    def note_margin(scores_N: np.ndarray, **_status: float) -> None:
        second, best = np.partition(scores_N, -2)[-2:]
        margins.append(best - second)

    # the tracker hands the scores that decide to its live view
    online.show_scores = note_margin
    frames = sequence.first("frames")
    given = sequence["gt"][0]
    online.initialize(frames[0], {"init_bbox": given.tolist()})
    outputs = [online.track(frame) for frame in frames[1:]]
    boxes = [given, *(output["target_bbox"] for output in outputs)]
    scores = [output["best_score"] for output in outputs]
    return OnlineTrack(np.array(boxes), np.array(scores), np.array(margins))


def compare_track(
    compare: Comparison,
    track: OnlineTrack,
    boxes: np.ndarray,
    scores: np.ndarray | None,
    unit: str = "px",
) -> None:
    """Compare boxes and scores of all frames before the paths part at a tie.

    At a tie of the two best scores either candidate is right, and all that follows depends on it.
    """
    count = len(track.boxes_xywh)
    distances = np.abs(track.boxes_xywh - boxes[:count]).max(1)
    parted = np.flatnonzero(distances > PARTED)
    if len(parted) and track.margins[parted[0] - 1] <= 2 * compare.tolerance("score").absolute:
        count = int(parted[0])
    compare.close(f"box {unit}", track.boxes_xywh[:count], boxes[:count])
    if scores is not None:
        compare.close("score", track.scores[: count - 1], scores[: count - 1])


def _filled(golden: Golden, stored: Arrays, variant: str) -> nn.Module:
    net = filled_network(golden.seed, variant.split("_")[0])
    if "_box" in variant:
        formulas.realistic_boxes(net)
    if "_sharp" in variant:
        scale = float(stored[f"{variant}.class_scale"])
        formulas.sharp_scores(net, scale, stored[f"{variant}.class_bias"].tolist())
    return net
