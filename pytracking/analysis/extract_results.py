"""From result files to per-sequence curves: the one-pass evaluation of pytracking, frame errors included.

The numbers follow pytracking on purpose, oddities included (a ground-truth box that touches x = 0 or y = 0 does not
count as valid, and frames without a valid box count as hits in the normalised precision), because all numbers published
with it rest on them. `extract_results(..., corrected=True)` gives the values without these oddities.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from collections.abc import Sequence as Sequential
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ltr.admin.errors import BadValue, MissingFile
from pytracking.analysis.eval_cache import Options, save_eval_data, tracker_entry
from pytracking.utils.load_text import read_boxes

logger = logging.getLogger(__name__)

CENTER_THRESHOLDS = torch.arange(0, 51, dtype=torch.float64)
CENTER_NORM_THRESHOLDS = CENTER_THRESHOLDS / 100.0


def calc_err_center(pred_bb: Tensor, anno_bb: Tensor, normalized: bool = False) -> Tensor:
    """Distance in pixels between the centres of (N, 4) xywh boxes, as an (N,) tensor.

    With `normalized` both centres are first divided by the width and height of `anno_bb`, so 0.2 means a fifth of the
    target's size. Centres use pixel centres: `xy + (wh - 1) / 2`.
    """
    pred_center = pred_bb[:, :2] + 0.5 * (pred_bb[:, 2:] - 1.0)
    anno_center = anno_bb[:, :2] + 0.5 * (anno_bb[:, 2:] - 1.0)
    if normalized:
        pred_center = pred_center / anno_bb[:, 2:]
        anno_center = anno_center / anno_bb[:, 2:]
    return ((pred_center - anno_center) ** 2).sum(1).sqrt()


def calc_iou_overlap(pred_bb: Tensor, anno_bb: Tensor) -> Tensor:
    """Intersection over union of (N, 4) xywh boxes, row by row; NaN where both boxes are empty."""
    top_left = torch.maximum(pred_bb[:, :2], anno_bb[:, :2])
    last_pixel = torch.minimum(pred_bb[:, :2] + pred_bb[:, 2:] - 1.0, anno_bb[:, :2] + anno_bb[:, 2:] - 1.0)
    intersection = (last_pixel - top_left + 1.0).clamp(min=0).prod(1)
    union = pred_bb[:, 2:].prod(1) + anno_bb[:, 2:].prod(1) - intersection
    return intersection / union


def calc_seq_err_robust(
    pred_bb: Tensor, anno_bb: Tensor, dataset: str, target_visible: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Errors of one result against one ground truth, with pytracking's repairs of imperfect results.

    Args:
        pred_bb: (M, 4) predicted xywh boxes. A box without area takes the box before it; surplus rows are dropped;
            missing rows are filled with empty boxes, except for the tag 'lasot', where they are an error. Row 0 is
            replaced by the ground truth.
        anno_bb: (N, 4) ground truth. Rows with NaN are accepted for the tag 'uav' only.
        dataset: tag of the sequence; 'uav' and 'lasot' treat frames without a target differently.
        target_visible: (N,) booleans, or None when all frames show the target.

    Returns:
        Overlap, centre error in pixels, normalised centre error and validity, (N,) each. Frames that are not valid hold
        -1 (overlap, normalised error) and infinity (centre error; -1 for 'uav').

    Raises:
        BadValue: invalid predictions, NaN ground truth, wrong lengths.
    """
    pred_bb, anno_bb = _boxes(pred_bb, "results"), _boxes(anno_bb, "ground truth")
    visible = _visibility(target_visible, len(anno_bb))
    valid = (anno_bb > 0).all(1)
    return _frame_errors(pred_bb, anno_bb, dataset, visible, valid if visible is None else valid & visible)


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
    """Score all results of `trackers` on `dataset`, store them in the report's `eval_data.pkl` and return them.

    Args:
        trackers: objects with name, parameter_name, run_id, display_name and results_dir.
        dataset: sequences; ground truth xywh in `ground_truth_rect`.
        report_name: folder under `result_plot_path` of local.py.
        skip_missing_seq: leave a sequence out for all trackers when one of them has no result for it.
        plot_bin_gap: distance of the overlap thresholds; OP50 and OP75 need a grid that holds 0.5 and 0.75.
        exclude_invalid_frames: divide by the number of valid frames instead of all frames.
        verbose: print how many sequences were scored, with a progress bar on a terminal.
        corrected: our variant without pytracking's oddities: a ground-truth box is valid when it has an area and the
            target is visible, wherever it lies; frames that are not valid count nowhere; an overlap equal to the
            threshold succeeds (at threshold 0 it must be above), so that a perfect tracker has AUC 100.

    Raises:
        MissingFile: `Result not found.` and the path, unless `skip_missing_seq`.
        BadValue: a result or a ground truth that cannot be scored, with its path.
    """
    if not len(trackers) or not len(dataset):
        missing = "tracker" if not len(trackers) else "sequence"
        raise BadValue(f"Report '{report_name}': there is no {missing} to evaluate; give at least one")
    if not 0 < plot_bin_gap <= 1:
        raise BadValue(f"plot_bin_gap must be above 0 and at most 1, got {plot_bin_gap}")
    if all(len(seq.ground_truth_rect) == 1 for seq in dataset):
        logger.warning("No sequence has ground truth after its first frame, so the scores of report '%s' mean nothing; "
                       "send the results to the data set's server instead", report_name)

    rule = _Rule(_overlap_thresholds(plot_bin_gap), exclude_invalid_frames, corrected)
    progress = tqdm(dataset, desc=report_name, disable=None if verbose else True)  # None: shown on terminals only
    eval_data = {
        "sequences": [str(seq.name) for seq in dataset],
        "trackers": [tracker_entry(tracker) for tracker in trackers],
        **_score_all(trackers, progress, len(dataset), rule, skip_missing_seq),
        "threshold_set_overlap": rule.thresholds_overlap.tolist(),
        "threshold_set_center": CENTER_THRESHOLDS.tolist(),
        "threshold_set_center_norm": CENTER_NORM_THRESHOLDS.tolist(),
    }
    if verbose:
        print(f"\n\nComputed results over {sum(eval_data['valid_sequence'])} / {len(dataset)} sequences")
    save_eval_data(eval_data, report_name, Options(plot_bin_gap, exclude_invalid_frames, corrected))
    return eval_data


def result_file(tracker: Any, seq: Any) -> Path:
    """Path of the box file of `tracker` on `seq`."""
    return Path(tracker.results_dir) / f"{seq.name}.txt"


def missing_result(tracker: Any, seq: Any) -> MissingFile:
    """The error for a result that is not there."""
    return MissingFile(f"Result not found. {result_file(tracker, seq)} - run the tracker on sequence '{seq.name}', "
                       "or leave such sequences out with skip_missing_seq")


@dataclass(frozen=True)
class _Rule:
    """How frame errors become curves."""

    thresholds_overlap: Tensor
    exclude_invalid_frames: bool
    corrected: bool


def _overlap_thresholds(gap: float) -> Tensor:
    return torch.arange(0.0, 1.0 + gap, gap, dtype=torch.float64)


def _score_all(
    trackers: Sequential[Any], dataset: Iterable[Any], n_sequences: int, rule: _Rule, skip_missing_seq: bool
) -> dict[str, list]:
    """The entries of `eval_data` that depend on result files; lists over sequences, then trackers."""
    size_ST = (n_sequences, len(trackers))
    valid_sequence = [1] * n_sequences
    average_overlap = torch.zeros(size_ST, dtype=torch.float64)
    curves_overlap = torch.zeros((*size_ST, len(rule.thresholds_overlap)))  # float32, as the published numbers
    curves_center = torch.zeros((*size_ST, len(CENTER_THRESHOLDS)))
    curves_center_norm = torch.zeros_like(curves_center)
    for s, seq in enumerate(dataset):
        for t, tracker in enumerate(trackers):
            path = result_file(tracker, seq)
            if not path.is_file():
                if not skip_missing_seq:
                    raise missing_result(tracker, seq)
                valid_sequence[s] = 0
                break
            scores = _score_result(path, seq, rule)
            average_overlap[s, t], curves_overlap[s, t], curves_center[s, t], curves_center_norm[s, t] = scores
    return {
        "valid_sequence": valid_sequence,
        "ave_success_rate_plot_overlap": curves_overlap.tolist(),
        "ave_success_rate_plot_center": curves_center.tolist(),
        "ave_success_rate_plot_center_norm": curves_center_norm.tolist(),
        "avg_overlap_all": average_overlap.tolist(),
    }


def _score_result(path: Path, seq: Any, rule: _Rule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pred_bb = torch.as_tensor(read_boxes(path))
    try:
        return _score_boxes(pred_bb, seq, rule)
    except BadValue as error:
        raise BadValue(f"{error} (sequence '{seq.name}', result {path})") from error


def _score_boxes(pred_bb: Tensor, seq: Any, rule: _Rule) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Average overlap, success curve, precision curve and normalised precision curve of one result."""
    if isinstance(seq.ground_truth_rect, dict):
        raise BadValue("Sequences with several objects cannot be scored here; load the data set in single-object mode")
    anno_bb = _boxes(torch.as_tensor(seq.ground_truth_rect), "ground truth")
    if rule.corrected:
        visible = _visibility(seq.target_visible, len(anno_bb))
        valid = (anno_bb[:, 2:] > 0).all(1) & ~anno_bb.isnan().any(1)
        valid = valid if visible is None else valid & visible
        overlap, center, center_norm, valid = _frame_errors(pred_bb, anno_bb, seq.dataset, visible, valid)
        average = overlap[valid].mean()
        overlap, center, center_norm = overlap[valid], center[valid], center_norm[valid]
        length = len(overlap)
        success = (overlap[:, None] >= rule.thresholds_overlap) & (overlap[:, None] > 0)
    else:
        overlap, center, center_norm, valid = calc_seq_err_robust(pred_bb, anno_bb, seq.dataset, seq.target_visible)
        average = overlap[valid].mean()
        length = int(valid.sum()) if rule.exclude_invalid_frames else len(anno_bb)
        success = overlap[:, None] > rule.thresholds_overlap
    if length == 0:
        raise BadValue("Seq length zero: no frame has a valid ground-truth box")
    return (
        average,
        success.sum(0).float() / length,
        (center[:, None] <= CENTER_THRESHOLDS).sum(0).float() / length,
        (center_norm[:, None] <= CENTER_NORM_THRESHOLDS).sum(0).float() / length,
    )


def _frame_errors(
    pred_bb: Tensor, anno_bb: Tensor, dataset: str, visible: Tensor | None, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pred_bb = _repair(pred_bb, anno_bb, dataset)
    center = calc_err_center(pred_bb, anno_bb)
    center_norm = calc_err_center(pred_bb, anno_bb, normalized=True)
    overlap = calc_iou_overlap(pred_bb, anno_bb)

    center[~valid] = -1.0 if dataset == "uav" else float("inf")
    center_norm[~valid] = -1.0
    overlap[~valid] = -1.0
    if dataset == "lasot" and visible is not None:
        center[~visible] = float("inf")
        center_norm[~visible] = float("inf")
    if overlap.isnan().any():
        raise BadValue("Nans in calculated overlap")
    return overlap, center, center_norm, valid


def _repair(pred_bb: Tensor, anno_bb: Tensor, dataset: str) -> Tensor:
    """Return one usable box per ground-truth row (see `calc_seq_err_robust`)."""
    if pred_bb.isnan().any() or (pred_bb[:, 2:] < 0).any():
        raise BadValue("Error: Invalid results: a box holds NaN or a negative size")
    if dataset != "uav" and anno_bb.isnan().any():
        raise BadValue("Warning: NaNs in annotation; only sequences of the tag 'uav' may hold them")

    n = len(anno_bb)
    if len(pred_bb) < n and dataset == "lasot":
        raise BadValue(f"Mis-match in tracker prediction and GT lengths: {len(pred_bb)} boxes for {n} frames")
    pred_bb = pred_bb[:n]

    # A repaired box may itself be the source of the next repair, so each row takes the nearest earlier row that stays;
    # row 0 stays in any case.
    repair = (pred_bb[:, 2:] == 0).any(1) & ~anno_bb[: len(pred_bb)].isnan().any(1)
    source = torch.where(repair, 0, torch.arange(len(pred_bb))).cummax(0).values
    pred_bb = pred_bb[source]  # indexing copies: the caller's boxes stay as they are

    pred_bb = torch.cat([pred_bb, pred_bb.new_zeros(n - len(pred_bb), 4)])
    pred_bb[0] = anno_bb[0]
    return pred_bb


def _boxes(boxes: Any, what: str) -> Tensor:
    boxes = torch.as_tensor(boxes).to(torch.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise BadValue(f"The {what} must be boxes of shape (N, 4) with N > 0, got {tuple(boxes.shape)}")
    return boxes


def _visibility(target_visible: Any, n: int) -> Tensor | None:
    if target_visible is None:
        return None
    visible = torch.as_tensor(target_visible).bool()
    if visible.shape != (n,):
        raise BadValue(f"target_visible has shape {tuple(visible.shape)} for {n} ground-truth rows; "
                       "check the occlusion files of the sequence")
    return visible
