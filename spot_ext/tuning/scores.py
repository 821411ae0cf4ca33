"""The score of boxes that were just tracked, equal to what the analysis finds in result files."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from ltr.admin.errors import BadInput, BadValue
from ltr.geometry.array_boxes import got10k_iou
from pytracking.analysis.extract_results import calc_seq_err_robust
from pytracking.analysis.got10k import read_truth
from pytracking.analysis.result_files import ground_truth
from pytracking.evaluation.data import Sequence as Video

METRICS = ("auc", "ao")
THRESHOLDS = torch.arange(0.0, 1.05, 0.05, dtype=torch.float64)  # of pytracking's success plot

Part = tuple[float, float]  # sum and weight of one sequence


def sequence_part(metric: str, boxes_xywh: np.ndarray, seq: Video) -> Part:
    """What `seq` adds to the data set's AUC (mean over sequences) or AO (mean over frames), in
    percent.
    """
    try:
        if metric == "ao":
            truth = read_truth(seq)
            overlaps = got10k_iou(
                boxes_xywh[truth.counted], truth.boxes_xywh[truth.counted], truth.image_wh
            )
            return 100 * float(overlaps.sum()), float(len(overlaps))
        boxes_N4 = ground_truth(seq)
        overlap_N = calc_seq_err_robust(
            torch.as_tensor(boxes_xywh), boxes_N4, seq.dataset, seq.target_visible
        )[0]
        curve = (overlap_N[:, None] > THRESHOLDS).sum(0).float() / len(boxes_N4)
        return 100 * float(curve.mean()), 1.0
    except BadInput as error:
        raise BadValue(
            f"sequence {seq.name} cannot be scored ({error}); choose others, or another data set"
        ) from error


def score(parts: Iterable[Part]) -> float:
    """The score over several sequences, in percent."""
    sums, weights = zip(*parts, strict=True)
    return sum(sums) / sum(weights) if sum(weights) else 0.0
