"""The search: proposes values, tracks the validation set with them, gives bad ones up early and
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
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, suggestion
from ltr.frames.fingerprint import sampled_fingerprint
from ltr.io import run_lock
from ltr.io.progress import CountProgress
from pytracking.evaluation import get_dataset
from pytracking.evaluation.data import Sequence as VideoSequence
from pytracking.evaluation.data import SequenceList
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.network_files import network_candidates
from spot_ext.tuning.scores import METRICS
from spot_ext.tuning.space import Space, default_values, search_space
from spot_ext.tuning.study import FRAMES, Study, Trial
from spot_ext.tuning.workers import Job, Workers

log = logging.getLogger(__name__)

# Trials are compared after each of so many equal parts of the sequences.
COMPARISONS = 5
# Share of the sequences before which none is given up: after a fifth it would cost the best trial.
PATIENCE_SHARE = 0.4
# Hexadecimal digits of a network file's SHA-256 that the study keeps.
DIGEST_LENGTH = 16


@dataclass(frozen=True)
class Search:
    """The task of a search: equal ones find the same, whatever the number of processes."""

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
        """Return whether anything is better than the default values."""
        return self.best.number > 0


def tune(
    search: Search,
    folder: Path,
    trials: int = 40,
    workers: int = 0,
    memory_mb: int = 512,
    say: Callable[[str], None] = log.info,
    device: str | None = None,
) -> Finding:
    """Search until there are `trials` trials in `folder`; trial 0 has the default values.

    Args:
        workers: processes; 0 or 1 track in this one. Raising it to the number of cores or GPUs
            shortens the search.
        memory_mb: network outputs that each process keeps, for crops that later trials show again.
        say: called with a line about each finished trial.
        device: 'cpu', 'cuda:1', … instead of what the parameter file says.

    Raises:
        BadInput: one sentence, about an argument, the data set, a sequence that fails, or a missing
            Optuna.

    """
    _check(search, trials, workers, memory_mb)
    tracker = Tracker(search.tracker, search.parameter, device=device)
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
            patience=math.ceil(PATIENCE_SHARE * len(dataset)),
        )
        pool = Workers(tracker, search.metric, workers, memory_mb)
        _run_trials(study, dataset, trials, pool, search.metric, say)
        everything = study.trials()
    default = everything[0]
    return Finding(
        search,
        # Trial 0 is never given up, so that there is a best one.
        best_of(everything) or default,
        default,
        len(everything),
        sum(trial.stopped for trial in everything),
        tag,
    )


def _check(search: Search, trials: int, workers: int, memory_mb: int) -> None:
    if search.metric not in METRICS:
        raise BadValue(
            f"metric '{search.metric}' is not known{suggestion(search.metric, METRICS)}; use "
            f"{' or '.join(METRICS)}"
        )
    limits = {"--trials": (trials, 1), "--workers": (workers, 0), "--memory": (memory_mb, 0)}
    for option, (value, least) in limits.items():
        if value < least:
            raise BadValue(f"{option} {value}: give at least {least}")


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest score, the first of equals; None when none has a score."""
    best: Trial | None = None
    for trial in sorted(trials, key=lambda trial: trial.number):
        if _is_better(trial, best):
            best = trial
    return best


def _is_better(trial: Trial, best: Trial | None) -> bool:
    if trial.score is None:
        return False
    return best is None or best.score is None or trial.score > best.score


def choose_sequences(dataset: SequenceList, search: Search) -> SequenceList:
    """Return the sequences to track, in random order, so that any first part speaks for all."""
    if not dataset:
        raise BadValue(
            f"data set {search.dataset} has no sequences to track; choose another --dataset"
        )
    count = len(dataset) if search.sequences is None else search.sequences
    if not 1 <= count <= len(dataset):
        raise BadValue(
            f"--sequences {count}: data set {search.dataset} has {len(dataset)} sequences, give 1 "
            f"to {len(dataset)}"
        )
    order = np.random.default_rng(search.seed).permutation(len(dataset))
    return dataset[order[:count].tolist()]


def _description(
    search: Search,
    tracker: Tracker,
    dataset: SequenceList,
    space: Space,
    defaults: dict[str, float],
) -> dict[str, Any]:
    """Return the values that a study must keep, in words that are shown when they differ."""
    params = tracker.get_parameters()
    digests = []
    for value in vars(params).values():
        if hasattr(value, "net_path"):
            network = network_candidates(value.net_path)[0].read_bytes()
            digests.append(hashlib.sha256(network).hexdigest()[:DIGEST_LENGTH])
    return {
        "tracker": f"{search.tracker} {search.parameter}",
        "data set": search.dataset,
        "metric": search.metric,
        "seed": search.seed,
        "sequences": [seq.name for seq in dataset],
        FRAMES: {seq.name: _content(seq) for seq in dataset},
        "network": ", ".join(digests),
        "range": {name: list(ends) for name, ends in space.items()},
        "default": defaults,
    }


def _content(seq: VideoSequence) -> str:
    """Return a fingerprint of a sequence's frames and boxes: its scores are bound to it."""
    frames = sampled_fingerprint([Path(str(frame)) for frame in seq.frames])
    truth = seq.ground_truth_rect
    rows = truth.values() if isinstance(truth, dict) else [truth]
    boxes = b"".join(np.ascontiguousarray(boxes, np.float64).tobytes() for boxes in rows)
    return f"{frames}-{hashlib.sha256(boxes).hexdigest()[:DIGEST_LENGTH]}"


def _run_trials(
    study: Study,
    dataset: SequenceList,
    total: int,
    workers: Workers,
    metric: str,
    say: Callable[[str], None],
) -> None:
    finished_before = [trial for trial in study.trials() if trial.is_finished]
    best = best_of(finished_before)
    started = time.monotonic()
    done = 0
    try:
        while group := study.next_group(total):
            _track_group(study, group, dataset, workers)
            done += len(group)
            left = total - len(finished_before) - done
            minutes = (time.monotonic() - started) / done * left / 60
            for trial in group:
                if _is_better(trial, best):
                    best = trial
                say(f"{_line(trial, metric)}   best {_number(best)}")
            say(f"{total - left} of {total} trials, about {minutes:.1f} min left")
    except BaseException:
        workers.close(at_once=True)
        raise
    workers.close()


def _track_group(study: Study, group: list[Trial], dataset: SequenceList, workers: Workers) -> None:
    """Track the sequences that each trial of the group misses; give up those that fall behind."""
    numbers = f"{group[0].number}"
    if len(group) > 1:
        numbers += f" to {group[-1].number}"
    progress = CountProgress(f"trials {numbers}", "sequences", len(dataset))
    edges = np.linspace(0, len(dataset), min(COMPARISONS, len(dataset)) + 1).astype(int)
    for start, stop in itertools.pairwise(edges):
        running = [trial for trial in group if not trial.stopped]
        missing: dict[int, list[Trial]] = {}
        for place in range(start, stop):
            name = dataset[place].name
            missing[place] = [trial for trial in running if name not in trial.parts]
        jobs = [
            Job(place, dataset[place], tuple(trial.values for trial in trials))
            for place, trials in missing.items()
            if trials
        ]
        for job, parts in workers.run(jobs):
            study.add(job.seq.name, missing[job.place], parts)
            given_up = sum(trial.stopped for trial in group)
            progress.step(f"{given_up} of {len(group)} trials given up")
        for trial in running:
            study.judge(trial, complete=stop == len(dataset))
    progress.close()


def _line(trial: Trial, metric: str) -> str:
    values = " ".join(f"{name} {value:g}" for name, value in trial.values.items())
    result = "given up "
    if trial.score is not None:
        result = f"{metric.upper()} {trial.score:6.2f}"
    default = "  (default)" if trial.number == 0 else ""
    return f"trial {trial.number:3d}  {result}  {values}{default}"


def _number(best: Trial | None) -> str:
    if best is None:
        return "none yet"
    return f"{best.score:.2f} (trial {best.number})"
