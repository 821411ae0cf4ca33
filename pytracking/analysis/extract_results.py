"""From result files to per-sequence curves: the one-pass evaluation of pytracking, frame errors
included.

The numbers follow pytracking on purpose, oddities included (a ground-truth box that touches x = 0
or y = 0 does not count as valid, and frames without a valid box count as hits in the normalised
precision), because all numbers published with it rest on them. `extract_results(...,
corrected=True)` gives the values without these oddities.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Sequential
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.io.progress import counted as with_progress
from pytracking.analysis.eval_cache import Options, keep_evaluation
from pytracking.analysis.frame_errors import (
    calc_err_center,
    calc_iou_overlap,
    calc_seq_err_robust,
    checked_visibility,
    counted_frames,
    frame_errors,
)
from pytracking.analysis.prec_rec_f1 import extract_results_prec_rec_f1
from pytracking.analysis.result_files import (
    check_request,
    ground_truth,
    missing_result,
    read_result,
    result_file,
    result_paths,
    scoring,
)

__all__ = [
    "calc_err_center",
    "calc_iou_overlap",
    "calc_seq_err_robust",
    "extract_results",
    "extract_results_prec_rec_f1",
]

CENTER_THRESHOLDS = torch.arange(0, 51, dtype=torch.float64)
CENTER_NORM_THRESHOLDS = CENTER_THRESHOLDS / 100.0


def extract_results(
    trackers: Sequential[Any],
    dataset: Sequential[Any],
    report_name: str,
    skip_missing_seq: bool = False,
    plot_bin_gap: float = 0.05,
    exclude_invalid_frames: bool = False,
    verbose: bool = True,
    *,
    corrected: bool = False,
) -> dict[str, Any]:
    """Score all results of `trackers` on `dataset`, store them in the report's `eval_data.pkl` and
    return them.

    Args:
        trackers: objects with name, parameter_name, run_id, display_name and results_dir.
        dataset: sequences; ground truth xywh in `ground_truth_rect`.
        report_name: folder under `result_plot_path` of local.py.
        skip_missing_seq: leave a sequence out for all trackers when one of them has no result for
            it.
        plot_bin_gap: distance of the overlap thresholds; OP50 and OP75 need a grid that holds 0.5
            and 0.75.
        exclude_invalid_frames: divide by the number of valid frames instead of all frames.
        verbose: print how many sequences were scored, with a progress bar on a terminal.
        corrected: our variant without pytracking's oddities: a ground-truth box is valid when it
            has an area and the target is visible, wherever it lies; frames that are not valid count
            nowhere; an overlap equal to the threshold succeeds (at threshold 0 it must be above),
            so that a perfect tracker has AUC 100.

    Raises:
        MissingFile: `Result not found.` and the path, unless `skip_missing_seq`.
        BadValue: a result or a ground truth that cannot be scored, with its path.

    """
    check_request(trackers, dataset, report_name)
    if not 0 < plot_bin_gap <= 1:
        raise BadValue(f"plot_bin_gap must be above 0 and at most 1, got {plot_bin_gap}")

    rule = _Rule(_overlap_thresholds(plot_bin_gap), exclude_invalid_frames, corrected)
    progress = with_progress(dataset, report_name, "sequences", shown=verbose)
    scores = {
        **_score_all(trackers, progress, len(dataset), rule, skip_missing_seq),
        "threshold_set_overlap": rule.thresholds_overlap.tolist(),
        "threshold_set_center": CENTER_THRESHOLDS.tolist(),
        "threshold_set_center_norm": CENTER_NORM_THRESHOLDS.tolist(),
    }
    return keep_evaluation(
        scores,
        trackers,
        dataset,
        report_name,
        Options(plot_bin_gap, exclude_invalid_frames, corrected),
        result_paths(trackers, dataset),
        verbose,
    )


@dataclass(frozen=True)
class _Rule:
    """A rule by which frame errors become curves."""

    thresholds_overlap: Tensor
    exclude_invalid_frames: bool
    corrected: bool


def _overlap_thresholds(gap: float) -> Tensor:
    return torch.arange(0.0, 1.0 + gap, gap, dtype=torch.float64)


def _score_all(
    trackers: Sequential[Any],
    dataset: Iterable[Any],
    n_sequences: int,
    rule: _Rule,
    skip_missing_seq: bool,
) -> dict[str, list]:
    """The entries of `eval_data` that depend on result files; lists over sequences, then
    trackers.
    """
    size_ST = (n_sequences, len(trackers))
    valid_sequence = [1] * n_sequences
    average_overlap = torch.zeros(size_ST, dtype=torch.float64)
    curves_overlap = torch.zeros(
        (*size_ST, len(rule.thresholds_overlap))
    )  # float32, as the published numbers
    curves_center = torch.zeros((*size_ST, len(CENTER_THRESHOLDS)))
    curves_center_norm = torch.zeros_like(curves_center)
    for s, seq in enumerate(dataset):
        for t, tracker in enumerate(trackers):
            if not result_file(tracker, seq).is_file():
                if not skip_missing_seq:
                    raise missing_result(tracker, seq)
                valid_sequence[s] = 0
                break
            scores = _score_result(tracker, seq, rule)
            (
                average_overlap[s, t],
                curves_overlap[s, t],
                curves_center[s, t],
                curves_center_norm[s, t],
            ) = scores
    return {
        "valid_sequence": valid_sequence,
        "ave_success_rate_plot_overlap": curves_overlap.tolist(),
        "ave_success_rate_plot_center": curves_center.tolist(),
        "ave_success_rate_plot_center_norm": curves_center_norm.tolist(),
        "avg_overlap_all": average_overlap.tolist(),
    }


def _score_result(tracker: Any, seq: Any, rule: _Rule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    with scoring(tracker, seq):
        return _score_boxes(read_result(tracker, seq), seq, rule)


def _score_boxes(pred_bb: Tensor, seq: Any, rule: _Rule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Average overlap, success curve, precision curve and normalised precision curve of one
    result.
    """
    anno_bb = ground_truth(seq)
    if rule.corrected:
        visible = checked_visibility(seq.target_visible, len(anno_bb))
        valid = (anno_bb[:, 2:] > 0).all(1) & ~anno_bb.isnan().any(1)
        valid = valid if visible is None else valid & visible
        overlap, center, center_norm, valid = frame_errors(
            pred_bb, anno_bb, seq.dataset, visible, valid
        )
        average = overlap[valid].mean()
        overlap, center, center_norm = overlap[valid], center[valid], center_norm[valid]
        length = len(overlap)
        success = (overlap[:, None] >= rule.thresholds_overlap) & (overlap[:, None] > 0)
    else:
        overlap, center, center_norm, valid = calc_seq_err_robust(
            pred_bb, anno_bb, seq.dataset, seq.target_visible
        )
        average = overlap[valid].mean()
        counted = counted_frames(anno_bb, seq.dataset)
        overlap, center, center_norm = overlap[counted], center[counted], center_norm[counted]
        length = int(valid.sum()) if rule.exclude_invalid_frames else len(overlap)
        success = overlap[:, None] > rule.thresholds_overlap
    if length == 0:
        raise BadValue("Seq length zero: no frame has a valid ground-truth box")
    return (
        average,
        success.sum(0).float() / length,
        (center[:, None] <= CENTER_THRESHOLDS).sum(0).float() / length,
        (center_norm[:, None] <= CENTER_NORM_THRESHOLDS).sum(0).float() / length,
    )
