"""The result files of a tracker on a sequence, read for the analysis."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.admin.errors import BadValue, MissingFile
from pytracking.analysis.frame_errors import checked_boxes
from pytracking.utils.load_text import read_boxes

logger = logging.getLogger(__name__)


def check_request(trackers: Sequence[Any], dataset: Sequence[Any], report_name: str) -> None:
    """Raise BadValue when there is nothing to evaluate; warn when only first frames have ground
    truth.
    """
    if not len(trackers) or not len(dataset):
        missing = "tracker" if not len(trackers) else "sequence"
        raise BadValue(
            f"Report '{report_name}': there is no {missing} to evaluate; give at least one"
        )
    if all(len(seq.ground_truth_rect) == 1 for seq in dataset):
        logger.warning(
            "No sequence has ground truth after its first frame, so the scores of report '%s' "
            "mean nothing; "
            "send the results to the data set's server instead",
            report_name,
        )


def result_file(tracker: Any, seq: Any) -> Path:
    """Path of the box file of `tracker` on `seq`."""
    return Path(tracker.results_dir) / f"{seq.name}.txt"


def score_file(tracker: Any, seq: Any) -> Path:
    """Path of the file with the tracker's presence scores, one per frame."""
    return Path(tracker.results_dir) / f"{seq.name}_object_presence_scores.txt"


def result_paths(trackers: Sequence[Any], dataset: Sequence[Any]) -> list[Path]:
    """All files that an evaluation may read."""
    return [
        file(tracker, seq)
        for seq in dataset
        for tracker in trackers
        for file in (result_file, score_file)
    ]


def missing_result(tracker: Any, seq: Any) -> MissingFile:
    """The error for a result that is not there."""
    return MissingFile(
        f"Result not found. {result_file(tracker, seq)} - run the tracker on sequence "
        f"'{seq.name}', "
        "or leave such sequences out with skip_missing_seq"
    )


@contextlib.contextmanager
def scoring(tracker: Any, seq: Any) -> Iterator[None]:
    """Add sequence and file to the message of a BadValue that the block raises."""
    try:
        yield
    except BadValue as error:
        raise BadValue(
            f"{error} (sequence '{seq.name}', result {result_file(tracker, seq)})"
        ) from error


def read_result(tracker: Any, seq: Any) -> Tensor:
    """(M, 4) float64 boxes xywh; tabs, commas and blanks separate."""
    return torch.as_tensor(read_boxes(result_file(tracker, seq)))


def ground_truth(seq: Any) -> Tensor:
    """(N, 4) float64 boxes xywh of a sequence with one object."""
    if isinstance(seq.ground_truth_rect, dict):
        raise BadValue(
            "Sequences with several objects cannot be scored here; load the data set in "
            "single-object mode"
        )
    return checked_boxes(torch.as_tensor(seq.ground_truth_rect), "ground truth")


def read_presence_scores(tracker: Any, seq: Any, n_frames: int) -> Tensor:
    """(n_frames,) float64 presence scores; ones, as for trackers that never report absence, when
    there are none.

    A file with another number of rows (pytracking wrote one-line files for trackers without scores)
    is left out, with a message.
    """
    path = score_file(tracker, seq)
    if not path.is_file():
        return torch.ones(n_frames, dtype=torch.float64)
    scores = read_boxes(path, columns=None).ravel()
    if len(scores) != n_frames or np.isnan(scores).any():
        logger.warning(
            "%s is ignored: it holds %d scores, %d of them NaN, for %d frames",
            path,
            len(scores),
            np.isnan(scores).sum(),
            n_frames,
        )
        return torch.ones(n_frames, dtype=torch.float64)
    return torch.as_tensor(scores)
