"""The search: proposes values, tracks the validation set with them, gives the bad ones up early,
keeps the best.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadValue, suggestion
from ltr.io import run_lock
from pytracking.evaluation import get_dataset
from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.loading import network_candidates
from spot_ext.training.progress import CountProgress
from spot_ext.tuning.scores import METRICS
from spot_ext.tuning.space import Space, default_values, search_space
from spot_ext.tuning.study import Study, Trial
from spot_ext.tuning.workers import Job, Workers

log = logging.getLogger(__name__)
RUNGS, FIRST = (
    5,
    0.4,
)  # trials are compared after each fifth of the sequences, from 40 % on: after a fifth it costs the best  # noqa: E501


@dataclass(frozen=True)
class Search:
    """What is searched for: equal ones find the same, whatever the number of processes."""

    tracker: str
    parameter: str
    dataset: str
    metric: str = "auc"  # or ao
    seed: int = 0  # of the sequences chosen, their order, and the proposals
    sequences: int | None = None  # a random choice of so many; None: all
    chosen: tuple[str, ...] = ()  # NAME or NAME=LOW:HIGH, see `search_space`


@dataclass(frozen=True)
class Finding:
    """The best trial; trial 0 has the default values."""

    search: Search
    best: Trial
    default: Trial
    trials: int
    stopped: int  # of them, given up early
    tag: str  # of the data set

    @property
    def better(self) -> bool:
        """Whether anything is better than the default values."""
        return self.best.number > 0


def tune(
    search: Search,
    folder: Path,
    trials: int = 40,
    workers: int = 0,
    memory_mb: int = 512,
    say: Callable[[str], None] = log.info,
) -> Finding:
    """Search until there are `trials` trials in `folder`, the default values as trial 0 among them.

    Args:
        workers: processes; 0 or 1 track in this one. Raising it to the number of cores or GPUs
            shortens the search.
        memory_mb: network outputs that each process keeps for crops which later trials show again.
        say: called with a line about each finished trial.

    Raises:
        BadInput: one sentence, about what was given, the data set, a sequence that fails, or a
            missing Optuna.
    """
    if search.metric not in METRICS:
        raise BadValue(
            f"metric '{search.metric}' is not known{suggestion(search.metric, METRICS)} - use "
            f"{' or '.join(METRICS)}"
        )
    for what, value, least in (
        ("--trials", trials, 1),
        ("--workers", workers, 0),
        ("--memory", memory_mb, 0),
    ):
        if value < least:
            raise BadValue(f"{what} {value}: give at least {least}")
    tracker = Tracker(search.tracker, search.parameter)
    tracker.check()
    dataset = choose_sequences(get_dataset(search.dataset), search)
    tag = dataset[0].dataset
    space = search_space(tracker, search.chosen)
    defaults = default_values(tracker, space, tag)
    with run_lock.lock_folder(folder, "give another --run folder"):
        study = Study(
            folder,
            _description(search, tracker, dataset, space, defaults),
            space,
            defaults,
            search.seed,
            patience=math.ceil(FIRST * len(dataset)),
        )
        _run(
            study,
            dataset,
            trials,
            Workers(tracker, search.metric, workers, memory_mb),
            search.metric,
            say,
        )
        everything = study.trials()
    return Finding(
        search,
        best_of(everything),
        everything[0],
        len(everything),
        sum(trial.stopped for trial in everything),
        tag,
    )


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the highest score, the first of equals; None when none has a score."""
    return max(
        (trial for trial in trials if trial.score is not None),
        key=lambda trial: (trial.score, -trial.number),
        default=None,
    )


def choose_sequences(dataset: SequenceList, search: Search) -> SequenceList:
    """The sequences to track, in random order, so that any first part of them speaks for all."""
    if not dataset:
        raise BadValue(f"data set {search.dataset} has no sequences to track")
    count = len(dataset) if search.sequences is None else search.sequences
    if not 1 <= count <= len(dataset):
        raise BadValue(
            f"--sequences {count}: data set {search.dataset} has {len(dataset)} sequences, give 1 "
            "to "
            f"{len(dataset)}"
        )
    order = np.random.default_rng(search.seed).permutation(len(dataset))
    return dataset[order[:count].tolist()]


def _description(
    search: Search, tracker: Tracker, dataset: SequenceList, space: Space, defaults: dict
) -> dict:
    params = tracker.get_parameters()
    digests = [
        hashlib.sha256(network_candidates(value.net_path)[0].read_bytes()).hexdigest()[:16]
        for value in vars(params).values()
        if hasattr(value, "net_path")
    ]
    return {
        "tracker": f"{search.tracker} {search.parameter}",
        "data set": search.dataset,
        "metric": search.metric,
        "seed": search.seed,
        "sequences": [seq.name for seq in dataset],
        "network": ", ".join(digests),
        "range": {name: list(ends) for name, ends in space.items()},
        "default": defaults,
    }


def _run(
    study: Study, dataset: SequenceList, total: int, workers: Workers, metric: str, say
) -> None:
    finished = [trial for trial in study.trials() if trial.score is not None or trial.stopped]
    best, begin, done = best_of(finished), time.monotonic(), 0
    try:
        while group := study.next_group(total):
            _track(study, group, dataset, workers)
            done += len(group)
            left = total - len(finished) - done
            minutes = (time.monotonic() - begin) / done * left / 60
            for trial in group:
                if trial.score is not None and (best is None or trial.score > best.score):
                    best = trial
                say(f"{_line(trial, metric)}   best {_number(best)}")
            say(f"{total - left} of {total} trials, about {minutes:.1f} min left")
    except BaseException:
        workers.close(at_once=True)
        raise
    workers.close()


def _track(study: Study, group: list[Trial], dataset: SequenceList, workers: Workers) -> None:
    """Track the sequences that each trial of the group misses, and give up those that fall
    behind.
    """
    numbers = f"{group[0].number} to {group[-1].number}" if len(group) > 1 else f"{group[0].number}"
    progress = CountProgress(f"trials {numbers}", "sequences", len(dataset))
    edges = np.linspace(0, len(dataset), min(RUNGS, len(dataset)) + 1).astype(int)
    for start, stop in itertools.pairwise(edges):
        running = [trial for trial in group if not trial.stopped]
        missing = {
            place: [trial for trial in running if dataset[place].name not in trial.parts]
            for place in range(start, stop)
        }
        jobs = [
            Job(place, dataset[place], tuple(trial.values for trial in trials))
            for place, trials in missing.items()
            if trials
        ]
        for job, parts in workers.run(jobs):
            study.add(job.seq.name, missing[job.place], parts)
            progress.step(
                f"{sum(trial.stopped for trial in group)} of {len(group)} trials given up"
            )
        for trial in running:
            study.judge(trial, complete=stop == len(dataset))
    progress.close()


def _line(trial: Trial, metric: str) -> str:
    values = " ".join(f"{name} {value:g}" for name, value in trial.values.items())
    result = f"{metric.upper()} {trial.score:6.2f}" if trial.score is not None else "given up "
    return (
        f"trial {trial.number:3d}  {result}  {values}{'  (default)' if trial.number == 0 else ''}"
    )


def _number(best: Trial | None) -> str:
    return "none yet" if best is None else f"{best.score:.2f} (trial {best.number})"
