"""Results with more or fewer boxes than the ground truth: told, as their scores are not usual ones.

A surplus is left out and a lack counts as failure, as in pytracking. Both can mean that a result
belongs to another cut of the sequence: OTB's Tiger1 drops its first 5 frames, and public results
exist with and without them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pytracking.analysis.eval_cache import tracker_entry
from pytracking.analysis.result_files import result_file
from pytracking.analysis.scores import get_tracker_display_name
from pytracking.utils.load_text import count_boxes

logger = logging.getLogger(__name__)

# Results that a sentence names; the rest is counted.
RESULTS_NAMED = 3


@dataclass(frozen=True)
class OtherLength:
    """A result whose number of boxes is not that of the sequence's frames."""

    tracker: str
    sequence: str
    boxes: int
    frames: int

    def __str__(self) -> str:
        return (
            f"{self.tracker} on {self.sequence} has {self.boxes} boxes for {self.frames} frames "
            "of ground truth"
        )


def find_other_lengths(trackers: Sequence[Any], dataset: Iterable[Any]) -> list[OtherLength]:
    """Return the results of another length than the ground truth, by sequence, then by tracker.

    Sequences with several objects or with ground truth in the first frame only are left out, and
    results that are not there.
    """
    found = []
    for seq in dataset:
        truth = seq.ground_truth_rect
        if isinstance(truth, dict) or len(truth) < 2:
            continue
        for tracker in trackers:
            path = result_file(tracker, seq)
            boxes = count_boxes(path) if path.is_file() else len(truth)
            if boxes != len(truth):
                label = get_tracker_display_name(tracker_entry(tracker))
                found.append(OtherLength(label, seq.name, boxes, len(truth)))
    return found


def warn_of_other_lengths(trackers: Sequence[Any], dataset: Iterable[Any]) -> str:
    """Log a warning that names results of another length; return it as a line for below a table.

    The line is '' where there is none.
    """
    lengths = find_other_lengths(trackers, dataset)
    if not lengths:
        return ""
    named = "; ".join(str(length) for length in lengths[:RESULTS_NAMED])
    more = len(lengths) - RESULTS_NAMED
    rest = f"; and {more} more" if more > 0 else ""
    sentence = (
        f"Warning: {named}{rest}; surplus boxes were left out and lacking ones count as failures, "
        "check that the results belong to these sequences"
    )
    logger.warning("%s", sentence)
    return f"{sentence}\n"
