"""The score of boxes that were just tracked, equal to that of the analysis of result files."""

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
# The overlaps of pytracking's success plot.
THRESHOLDS = torch.arange(0.0, 1.05, 0.05, dtype=torch.float64)

# Sum and weight of one sequence.
Part = tuple[float, float]


def sequence_part(metric: str, boxes_xywh: np.ndarray, seq: Video) -> Part:
    """Return what `seq` adds to the data set's score, in percent.

    AUC is a mean over sequences, AO one over frames.
    """
    try:
        if metric == "ao":
            return _part_of_ao(boxes_xywh, seq)
        return _part_of_auc(boxes_xywh, seq)
    except BadInput as error:
        raise BadValue(
            f"sequence {seq.name} cannot be scored ({error}); choose others, or another data set"
        ) from error


def _part_of_ao(boxes_xywh: np.ndarray, seq: Video) -> Part:
    truth = read_truth(seq)
    counted = truth.counted
    overlaps = got10k_iou(boxes_xywh[counted], truth.boxes_xywh[counted], truth.image_wh)
    return 100 * float(overlaps.sum()), float(len(overlaps))


def _part_of_auc(boxes_xywh: np.ndarray, seq: Video) -> Part:
    boxes_N4 = ground_truth(seq)
    visible = None if seq.target_visible is None else torch.as_tensor(seq.target_visible)
    overlap_N = calc_seq_err_robust(torch.as_tensor(boxes_xywh), boxes_N4, seq.dataset, visible)[0]
    success = (overlap_N[:, None] > THRESHOLDS).sum(0).float() / len(boxes_N4)
    return 100 * float(success.mean()), 1.0


def score(parts: Iterable[Part]) -> float:
    """Return the score over several sequences, in percent."""
    sums, weights = zip(*parts, strict=True)
    total_weight = sum(weights)
    return sum(sums) / total_weight if total_weight else 0.0
