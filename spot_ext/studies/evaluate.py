"""Evaluates network files with pytracking's own harness and metrics, and puts the numbers into one
table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltr.admin.errors import BadInput
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.plot_results import result_rows
from pytracking.analysis.tables import ResultRow
from pytracking.evaluation.running import run_dataset
from pytracking.evaluation.tracker import Tracker
from pytracking.features.net_wrappers import NetWithBackbone
from spot_ext.training.architectures import Architecture


@dataclass(frozen=True)
class Candidate:
    """One network to evaluate: the name in tables, its checkpoint, how many labels it was trained
    with, what runs it.
    """

    name: str
    network: Path
    labels: int
    architecture: Architecture


class NetworkTracker(Tracker):
    """A pytracking tracker whose network file and result folder are given instead of looked up in
    local.py.

    The result folder carries the network file's digest, so results of another network are never
    taken for its own.
    """

    def __init__(self, candidate: Candidate, results_folder: Path):
        super().__init__(
            candidate.architecture.tracker,
            candidate.architecture.parameters,
            display_name=candidate.name,
        )
        self.network = str(candidate.network)
        digest = hashlib.sha256(candidate.network.read_bytes()).hexdigest()[:12]
        stem = "".join(c if c.isalnum() else "_" for c in candidate.name.lower())
        self.results_dir = str(Path(results_folder) / f"{stem}_{digest}")

    def get_parameters(self):
        """The parameter file's values with the given network."""
        params = super().get_parameters()
        params.net = NetWithBackbone(net_path=self.network, use_gpu=params.use_gpu)
        return params


def track(
    candidates: Sequence[Candidate], dataset, results_folder: Path, threads: int = 0
) -> list[NetworkTracker]:
    """Run every candidate over `dataset` (a SequenceList), as `run_tracker.py` does; sequences
    already done are kept.
    """
    trackers = [NetworkTracker(candidate, results_folder) for candidate in candidates]
    failures = run_dataset(dataset, trackers, threads=threads, quiet=True)
    if failures:
        first = failures[0]
        raise BadInput(
            f"{first.tracker} failed on {first.sequence} ({first.message}), one of "
            f"{len(failures)} failures; "
            "start the same command again when that is mended, finished sequences are kept"
        )
    return trackers


def score_rows(trackers: Sequence[NetworkTracker], dataset, report_name: str) -> list[ResultRow]:
    """One row per tracker, in percent: pytracking's AUC, OP50, OP75 and precisions, GOT-10k's AO,
    SR50 and SR75.
    """
    rows = result_rows(trackers, dataset, report_name, force_evaluation=True)
    return [
        ResultRow(
            row.label,
            {**row.scores, "AO": 100 * got.ao, "SR50": 100 * got.sr50, "SR75": 100 * got.sr75},
        )
        for row, got in zip(rows, got10k_table(trackers, dataset), strict=True)
    ]
