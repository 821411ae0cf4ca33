"""Evaluates network files with pytracking's own harness and metrics, and puts the numbers into one
table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltr.admin.errors import BadInput
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.plot_results import result_rows
from pytracking.analysis.tables import ResultRow
from pytracking.evaluation.network_tracker import NetworkTracker
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker
from spot_ext.training.architectures import Architecture


@dataclass(frozen=True)
class Candidate:
    """Describe a network to evaluate: the name in tables, its checkpoint, how many labels it was
    trained with, what runs it.
    """

    name: str
    network: Path
    labels: int
    architecture: Architecture

    def tracker(self, results_folder: Path) -> NetworkTracker:
        """Return the tracker that runs it; its results lie below `results_folder`."""
        return NetworkTracker(
            self.architecture.tracker,
            self.architecture.parameters,
            self.network,
            results_folder,
            display_name=self.name,
        )


def track(
    candidates: Sequence[Candidate], dataset, results_folder: Path, threads: int = 0
) -> list[NetworkTracker]:
    """Run every candidate over `dataset` (a SequenceList), as `run_tracker.py` does; sequences
    already done are kept.
    """
    trackers = [candidate.tracker(results_folder) for candidate in candidates]
    failures = run_dataset(dataset, list[Tracker](trackers), threads=threads, quiet=True)
    if failures:
        first = failures[0]
        raise BadInput(
            f"{first.tracker} failed on {first.sequence} ({first.message}), one of "
            f"{len(failures)} failures; "
            "start the same command again when that is mended, finished sequences are kept"
        )
    return trackers


def score_rows(trackers: Sequence[NetworkTracker], dataset, report_name: str) -> list[ResultRow]:
    """Return one row per tracker, in percent: pytracking's AUC, OP50, OP75 and precisions,
    GOT-10k's AO, SR50 and SR75.
    """
    rows = result_rows(trackers, dataset, report_name, force_evaluation=True)
    return [
        ResultRow(
            row.label,
            {**row.scores, "AO": 100 * got.ao, "SR50": 100 * got.sr50, "SR75": 100 * got.sr75},
        )
        for row, got in zip(rows, got10k_table(trackers, dataset), strict=True)
    ]
