"""Precision, recall and F1 of long-term tracking: whether the reported box is right, and whether
the tracker knows when it is not.

Frames of all sequences are pooled and sorted by the tracker's own presence score. Accepting the k
most certain frames, precision is their mean overlap and recall their summed overlap per visible
frame (Lukezic et al., "Performance Evaluation Methodology for Long-Term Single-Object Tracking",
IEEE Transactions on Cybernetics 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from ltr.io.progress import counted as with_progress
from pytracking.analysis.eval_cache import F1Options, keep_evaluation, tracker_entry
from pytracking.analysis.frame_errors import (
    calc_seq_err_robust,
    checked_visibility,
    counted_frames,
)
from pytracking.analysis.result_files import (
    check_request,
    ground_truth,
    missing_result,
    read_presence_scores,
    read_result,
    result_file,
    result_paths,
    scoring,
)
from pytracking.analysis.tables import unique


def extract_results_prec_rec_f1(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    skip_missing_seq: bool = False,
    plot_bin_gap: float = 0.05,
    exclude_invalid_frames: bool = False,
    verbose: bool = True,
    anno_period: int = 1,
    *,
    corrected: bool = False,
    **kwargs: Any,
) -> dict[str, Any]:
    """Precision-recall curve and best F1 of each tracker; stored in the report's `eval_data.pkl`
    and returned.

    Args:
        skip_missing_seq: leave a sequence out for all trackers when one of them has no result for
            it.
        plot_bin_gap, exclude_invalid_frames: of no effect; accepted as the report functions pass
            them on.
        verbose: print how many sequences were scored, with a progress bar on a terminal.
        anno_period: every how many frames the ground truth holds a box; frames in between are left
            out.
        corrected: our variant that takes frames of equal score together. pytracking takes them one
            by one in their order, so that a tracker without scores may get its best F1 from the
            first frames alone.

    Returns:
        `sequences`, `trackers`, `valid_sequence`, and `raw_data`: label of the tracker (with
            `_<run_id>` for runs) ->
        `prec`, `rec` (tensors of length frames + 1), `f1_max`, `ths_max` (presence score from which
        on frames are accepted at the best F1) and `idx` (its place in the curves).

    Raises:
        BadValue: a sequence without `target_visible`, or results that cannot be scored.
        MissingFile: `Result not found.` and the path, unless `skip_missing_seq`.

    """
    check_request(trackers, dataset, report_name)
    if anno_period < 1:
        raise BadValue(f"anno_period must be at least 1, got {anno_period}")
    frames: list[list[tuple[Tensor, Tensor, Tensor]]] = [[] for _ in trackers]
    valid_sequence = [1] * len(dataset)
    for s, seq in enumerate(with_progress(dataset, report_name, "sequences", shown=verbose)):
        missing = [tracker for tracker in trackers if not result_file(tracker, seq).is_file()]
        if missing and not skip_missing_seq:
            raise missing_result(missing[0], seq)
        valid_sequence[s] = int(not missing)
        for t, tracker in enumerate(trackers if not missing else ()):
            with scoring(tracker, seq):
                frames[t].append(_judge(tracker, seq, anno_period))
    if not any(valid_sequence):
        raise BadValue(
            "No sequence has results of all trackers, so there is nothing to report; run the "
            "trackers first"
        )
    curves = []
    for one in frames:
        overlap, score, visible = (torch.cat(part) for part in zip(*one, strict=True))
        curves.append(prec_rec_f1(overlap, score, visible, corrected))
    labels = raw_data_keys([tracker_entry(tracker) for tracker in trackers])
    scores = {"valid_sequence": valid_sequence, "raw_data": dict(zip(labels, curves, strict=True))}
    return keep_evaluation(
        scores,
        trackers,
        dataset,
        report_name,
        F1Options(anno_period, corrected),
        result_paths(trackers, dataset),
        verbose,
    )


def prec_rec_f1(
    overlap: Tensor, score: Tensor, visible: Tensor, corrected: bool = False
) -> dict[str, Any]:
    """Curves and best F1 of pooled frames: `overlap` (0 where there is no target), presence
    `score`, `visible`; (N,) each.

    Entry k of the curves belongs to accepting the k highest scores; entry 0 is precision 1, recall
    0. `corrected` looks for the best F1 only where the score changes.
    """
    order = torch.argsort(score, descending=True, stable=True)
    hits = overlap[order].cumsum(0)
    precision = torch.cat([hits.new_ones(1), hits / torch.arange(1, len(hits) + 1)])
    recall = torch.cat([hits.new_zeros(1), hits / visible.sum()])
    f1 = (2 * precision * recall / (precision + recall)).nan_to_num(nan=0.0)
    if corrected:
        falls = score[order][:-1] > score[order][1:]
        f1[1:-1][~falls] = 0
    best = int(f1.argmax())
    return {
        "prec": precision,
        "rec": recall,
        "f1_max": float(f1[best]),
        "ths_max": float(score[order[max(best - 1, 0)]]),
        "idx": best,
    }


def raw_data_keys(trackers: Sequence[dict[str, Any]]) -> list[str]:
    """The keys of tracker entries in `raw_data`: the label, with `_<run_id>` for a run; numbered
    where it comes again.
    """
    labels = [
        tracker["disp_name"]
        if tracker["disp_name"] is not None
        else f"{tracker['name']}_{tracker['param']}"
        for tracker in trackers
    ]
    return unique(
        [
            label if tracker["run_id"] is None else f"{label}_{tracker['run_id']}"
            for label, tracker in zip(labels, trackers, strict=True)
        ]
    )


def _judge(tracker: Any, seq: Any, anno_period: int) -> tuple[Tensor, Tensor, Tensor]:
    """Overlap, presence score and validity of the frames that have ground truth."""
    anno_bb = ground_truth(seq)
    visible = checked_visibility(seq.target_visible, len(anno_bb))
    if visible is None:
        raise BadValue(
            "Precision, recall and F1 need to know in which frames the target is visible, and "
            "this sequence "
            "has no target_visible; choose other plot_types for this data set"
        )
    scores = read_presence_scores(tracker, seq, len(anno_bb))[::anno_period]
    anno_bb = anno_bb[::anno_period]
    overlap, _, _, valid = calc_seq_err_robust(
        read_result(tracker, seq)[::anno_period], anno_bb, seq.dataset, visible[::anno_period]
    )
    overlap = overlap.where(valid, overlap.new_zeros(()))
    counted = counted_frames(anno_bb, seq.dataset)
    return overlap[counted], scores[counted], valid[counted]
