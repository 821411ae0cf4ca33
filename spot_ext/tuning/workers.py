"""Tracks and scores sequences in this process or in several.

A sequence is always tracked by the same process, which remembers the network's outputs on it.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from ltr.admin.errors import BadInput
from ltr.io import plugins
from ltr.parallel.cores import usable_cores
from ltr.parallel.threads import limit_openmp_spinning
from pytracking.evaluation import workers
from pytracking.evaluation.data import Sequence as Video
from pytracking.evaluation.tracker import Tracker
from spot_ext.tuning.output_cache import memory
from spot_ext.tuning.scores import Part, sequence_part
from spot_ext.tuning.track_trials import Values, track_together


@dataclass(frozen=True)
class Job:
    """Some trials on one sequence; `place` is its number in the search."""

    place: int
    seq: Video
    trials: tuple[Values, ...]


class Workers:
    """`count` processes (0 or 1: this one), to be closed after use."""

    def __init__(self, tracker: Tracker, metric: str, count: int, memory_mb: int):
        self.arguments = (tracker, metric, memory_mb)
        # One pool for each process: a pool of several would not say which one gets a sequence.
        self.pools: list[ProcessPoolExecutor] = []
        # It may hold outputs of another network.
        memory.clear()
        if count > 1:
            # CUDA does not survive a fork.
            context = multiprocessing.get_context("spawn")
            limit_openmp_spinning()
            shared = (
                context.Value("i", 0),
                max(1, usable_cores() // count),
                plugins.folders(),
                logging.getLogger().getEffectiveLevel(),
            )
            self.pools = [
                ProcessPoolExecutor(1, context, workers.start_worker, shared) for _ in range(count)
            ]

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, list[Part]]]:
        """Yield each job with the scores of its trials, as they come in."""
        if not self.pools:
            for job in jobs:
                yield job, _run(job, *self.arguments)
            return
        jobs_of = {}
        for job in jobs:
            pool = self.pools[job.place % len(self.pools)]
            jobs_of[pool.submit(_run, job, *self.arguments)] = job
        try:
            for future in as_completed(jobs_of):
                yield jobs_of[future], future.result()
        except BrokenProcessPool:
            raise BadInput(
                "a worker process ended unexpectedly, usually for lack of memory; use fewer "
                "--workers, or less --memory, and start the same command again: finished "
                "sequences are kept"
            ) from None

    def close(self, at_once: bool = False) -> None:
        """End the processes; `at_once` without waiting for their sequences."""
        for pool in self.pools:
            if at_once:
                for process in list((pool._processes or {}).values()):
                    process.terminate()
            pool.shutdown(wait=not at_once, cancel_futures=True)


def _run(job: Job, tracker: Tracker, metric: str, memory_mb: int) -> list[Part]:
    tracks = track_together(tracker, job.seq, job.trials, memory_mb)
    return [sequence_part(metric, boxes_xywh, job.seq) for boxes_xywh in tracks]
