"""The one-pass evaluation of pysot (and of the SPOT release): success, precision and normalised
precision.

It differs from pytracking's in the following: predictions are taken as they are (no repair, not
even of the first box), distances count in frames whose ground-truth centre is positive, overlaps in
frames whose four ground-truth values are, and all other frames are hits of both precisions; on
LaSOT frames without the target are removed from the hits, yet stay in the number of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue
from ltr.geometry.array_boxes import got10k_iou
from pytracking.analysis import eval_cache
from pytracking.analysis.frame_errors import counted_frames
from pytracking.analysis.result_files import (
    ground_truth,
    missing_result,
    read_result,
    result_file,
    scoring,
)
from pytracking.analysis.scores import get_tracker_display_name, runs_by_tracker

OVERLAPS = np.arange(0, 1.05, 0.05)
PIXELS = np.arange(0, 51)
NORMALISED = PIXELS / 100


@dataclass(frozen=True)
class PysotScores:
    """Scores of one tracker on one sequence or a whole data set, in [0, 1].

    `auc` is the mean of the success curve (21 thresholds), `precision` the part of frames within 20
    pixels, `norm_precision` within 0.20 of the target's size. Curves hold 21, 51 and 51 values.
    """

    label: str
    success_curve: np.ndarray
    precision_curve: np.ndarray
    norm_precision_curve: np.ndarray
    sequences: tuple[PysotScores, ...] = ()

    @property
    def auc(self) -> float:
        return float(self.success_curve.mean())

    @property
    def precision(self) -> float:
        return float(self.precision_curve[20])

    @property
    def norm_precision(self) -> float:
        return float(self.norm_precision_curve[20])


def pysot_table(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    merge_results: bool = False,
    skip_missing_seq: bool = False,
) -> list[PysotScores]:
    """Score trackers as pysot does, with the scores of each sequence inside; arguments as in
    `got10k_table`.

    Raises:
        MissingFile: a result is absent.
        BadValue: a result whose length is not that of the ground truth.

    """
    if skip_missing_seq:
        dataset = [
            seq
            for seq in dataset
            if all(result_file(tracker, seq).is_file() for tracker in trackers)
        ]
    if not len(dataset) or not len(trackers):
        raise BadValue(
            "pysot's scores need at least one tracker and one sequence with results; run the "
            "trackers first"
        )
    entries = [eval_cache.tracker_entry(tracker) for tracker in trackers]
    groups = (
        runs_by_tracker(entries).values() if merge_results else [[t] for t in range(len(trackers))]
    )
    table = []
    for runs in groups:
        sequences = tuple(
            _mean([_score(trackers[run], seq) for run in runs], str(seq.name)) for seq in dataset
        )
        table.append(_mean(sequences, get_tracker_display_name(entries[runs[0]]), sequences))
    return table


def _mean(
    parts: Sequence[PysotScores], label: str, sequences: tuple[PysotScores, ...] = ()
) -> PysotScores:
    return PysotScores(
        label,
        np.mean([part.success_curve for part in parts], axis=0),
        np.mean([part.precision_curve for part in parts], axis=0),
        np.mean([part.norm_precision_curve for part in parts], axis=0),
        sequences,
    )


def _score(tracker: Any, seq: Any) -> PysotScores:
    if not result_file(tracker, seq).is_file():
        raise missing_result(tracker, seq)
    with scoring(tracker, seq):
        truth, boxes = ground_truth(seq).numpy(), read_result(tracker, seq).numpy()
        if len(boxes) != len(truth):
            raise BadValue(
                f"pysot's scores need a box for each of the {len(truth)} frames, there are "
                f"{len(boxes)}"
            )
    known = counted_frames(ground_truth(seq), seq.dataset).numpy()
    truth, boxes = truth[known], boxes[known]
    n = len(truth)
    if seq.dataset == "lasot" and seq.target_visible is not None:
        counted = np.asarray(seq.target_visible, bool)[known]
        truth, boxes = truth[counted], boxes[counted]
    overlap = np.where((truth > 0).all(1), got10k_iou(boxes, truth, None), -1.0)
    centers = truth[:, :2] + (truth[:, 2:] - 1) / 2, boxes[:, :2] + (boxes[:, 2:] - 1) / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # ground truth without a size
        normalised = [center / truth[:, 2:] for center in centers]
        distances = [_distance(*centers), _distance(*normalised)]
    return PysotScores(
        seq.name,
        (overlap[:, None] > OVERLAPS).sum(0) / n,
        (distances[0][:, None] <= PIXELS).sum(0) / n,
        (distances[1][:, None] <= NORMALISED).sum(0) / n,
    )


def _distance(truth_N2: np.ndarray, boxes_N2: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(truth_N2 - boxes_N2, axis=1)
    return np.where((truth_N2 > 0).all(1), distance, -1.0)
