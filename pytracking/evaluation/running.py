"""Running trackers over data sets, in this process or several, and storing the results."""

from __future__ import annotations

import functools
import itertools
import logging
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ltr.admin.errors import BadInput
from ltr.io.progress import terminal_bar
from ltr.parallel.stopping import ending_on_sigterm
from pytracking.evaluation.batch import check_batch, track_many
from pytracking.evaluation.cluster import Cluster
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import results_exist, save_results, short_result
from pytracking.evaluation.tracker import Tracker
from pytracking.evaluation.workers import Lost, Part, Processes, Workers, outcomes

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A sequence that a tracker could not be run on; it has no result files."""

    sequence: str
    tracker: str
    message: str


@ending_on_sigterm("finished sequences are kept; the same command tracks the rest")
def run_dataset(
    dataset: list[Sequence],
    trackers: list[Tracker],
    debug: int | bool = False,
    threads: int = 0,
    visdom_info: dict | None = None,
    quiet: bool = False,
    batch: int = 1,
    overwrite: bool = False,
    ray: str | None = None,
    ray_gpus: float | None = None,
) -> list[Failure]:
    """Run every tracker on every sequence that has no results yet.

    Args:
        quiet: leave out the lines of each sequence; progress is a bar on a terminal and some ten
            lines otherwise.
        debug: above 0 everything is run, shown in a window and not stored, and the first failure
            ends the run.
        threads: number of worker processes; 0 runs here. Raising it up to the number of cores (or
            GPUs, to which the workers are dealt in turn) shortens the run; each worker holds its
            own copy of the networks. What a worker that dies was tracking is tracked again by
            another, at most twice.
        batch: sequences that each process tracks at once. Raising it feeds a GPU better; the
            results are the same to rounding. Sequences of several objects are tracked one by one.
        overwrite: run again what has results; the old ones stay until the new ones are written.
        ray: address of a Ray cluster whose machines track, see `pytracking.evaluation.cluster`,
            instead of `threads`.
        ray_gpus: share of a GPU that each of its workers takes; default 1 where the cluster has
            GPUs and a tracker uses them.

    Returns:
        The failures; the other sequences are complete. Running again does only what is missing,
        also after SIGTERM, which ends the process with status 143.

    """
    if not quiet:
        print(f"Evaluating {len(trackers):4d} trackers on {len(dataset):5d} sequences")
    if ray is not None and (threads or debug):
        raise BadInput(
            f"--ray and --{'debug' if debug else 'threads'} do not go together - leave one of "
            "them out"
        )
    batch = 1 if debug else batch
    check_batch(trackers, batch)
    jobs = list(itertools.product(dataset, trackers))
    pending = _without_results(jobs, anew=bool(debug) or overwrite)
    for tracker in trackers:
        if any(one is tracker for _, one in pending):
            tracker.check()
    if (threads or ray is not None or batch > 1) and not quiet:
        for _ in range(len(jobs) - len(pending) if pending else 0):
            print("FPS: -1")

    here = functools.partial(
        run_sequence, debug=debug, visdom_info=visdom_info, quiet=quiet, overwrite=overwrite
    )
    found: Iterator[float | Failure | None]
    if ray is not None and pending:
        part = functools.partial(_track_part, batch=batch)
        cluster = Cluster(ray, part, _gpu_share(ray_gpus, trackers))
        found = _stored(_run_in(cluster, pending, batch), quiet)
    elif threads and pending:
        work = functools.partial(
            _run_part,
            batch=batch,
            debug=debug,
            visdom_info=visdom_info,
            quiet=quiet,
            overwrite=overwrite,
        )
        found = _run_in(Processes(threads, work), pending, batch)
    elif batch > 1:
        found = _stored(_track(pending, batch), quiet)
    else:
        found = (here(seq, tracker) for seq, tracker in jobs)
    return _failures_of(found, len(pending), quiet)


def _without_results(
    jobs: list[tuple[Sequence, Tracker]], anew: bool
) -> list[tuple[Sequence, Tracker]]:
    """Return the jobs that have no results yet, or all `anew`; say which results end too early."""
    if anew:
        return jobs
    pending = [
        (seq, tracker) for seq, tracker in jobs if not results_exist(seq, tracker.results_dir)
    ]
    for seq, tracker in pending:
        sentence = short_result(seq, tracker.results_dir)
        if sentence is not None:
            _log.warning("%s", sentence)
    return pending


def _gpu_share(asked: float | None, trackers: list[Tracker]) -> float | None:
    """Return the share of a GPU that a worker of a cluster takes; 0 where no tracker uses one."""
    uses_gpu = any(tracker.get_parameters().get("use_gpu", True) for tracker in trackers)
    return 0 if asked is None and not uses_gpu else asked


def _failures_of(
    found: Iterator[float | Failure | None], pending: int, quiet: bool
) -> list[Failure]:
    """Go through the outcomes with a bar of progress; name and return the failures."""
    failures: list[Failure] = []
    progress = _Progress(pending, quiet)
    for outcome in found:
        if isinstance(outcome, Failure):
            failures.append(outcome)
        progress.report(outcome)
    progress.close()
    if not quiet:
        print("Done")
    if failures:
        print(f"{len(failures)} of {pending} runs failed and left no results:")
        by_cause: dict[tuple[str, str], list[str]] = {}
        for failure in failures:
            by_cause.setdefault((failure.tracker, failure.message), []).append(failure.sequence)
        for (tracker_name, message), sequences in by_cause.items():
            print(f"  {tracker_name}, {', '.join(sequences)}: {message}")
    return failures


def run_sequence(
    seq: Sequence,
    tracker: Tracker,
    debug: int | bool = False,
    visdom_info: dict | None = None,
    quiet: bool = False,
    overwrite: bool = False,
) -> float | Failure | None:
    """Run `tracker` on `seq` and store the results, unless they exist (or `overwrite`). `quiet`
    prints failures only.

    Returns frames per second, None when there was nothing to do, or the Failure (with `debug`
    exceptions propagate).
    """
    say = (lambda text: None) if quiet else print
    if not (debug or overwrite) and results_exist(seq, tracker.results_dir):
        say("FPS: -1")
        return None
    say(
        f"Tracker: {tracker.name} {tracker.parameter_name} {tracker.run_id} ,  Sequence: {seq.name}"
    )
    if debug:
        output = tracker.run_sequence(seq, debug=debug, visdom_info=visdom_info)
    else:
        try:
            output = tracker.run_sequence(seq, debug=debug, visdom_info=visdom_info)
            save_results(seq, tracker.results_dir, tracker.segmentation_dir, output)
        except Exception as error:
            return _said(_failure(seq, tracker, error))
    fps = _frames_per_second(output["time"])
    say(f"FPS: {fps}")
    return fps


@dataclass(frozen=True)
class Tracked:
    """The outcome of tracking a sequence: the output to store, or the failure."""

    seq: Sequence
    tracker: Tracker
    output: dict[str, Any] = field(default_factory=dict)
    failure: Failure | None = None


def _track(jobs: list[tuple[Sequence, Tracker]], batch: int) -> Iterator[Tracked]:
    """Track here, `batch` sequences at once, and store nothing."""
    alone = [batch == 1 or seq.multiobj_mode for seq, _ in jobs]
    for run in track_many(itertools.compress(jobs, [not one for one in alone]), batch):
        yield (
            Tracked(run.seq, run.tracker, run.output or {})
            if run.error is None
            else Tracked(run.seq, run.tracker, failure=_failure(run.seq, run.tracker, run.error))
        )
    for seq, tracker in itertools.compress(jobs, alone):
        try:
            yield Tracked(seq, tracker, tracker.run_sequence(seq, debug=0))
        except Exception as error:
            yield Tracked(seq, tracker, failure=_failure(seq, tracker, error))


def _stored(runs: Iterator[Tracked | Failure], quiet: bool) -> Iterator[float | Failure]:
    """The outcome of each run, once what was tracked is stored."""
    for run in runs:
        if isinstance(run, Failure):
            yield run
            continue
        failure = run.failure
        if failure is None:
            try:
                save_results(
                    run.seq, run.tracker.results_dir, run.tracker.segmentation_dir, run.output
                )
            except Exception as error:
                failure = _failure(run.seq, run.tracker, error)
        if failure is not None:
            yield _said(failure)
            continue
        fps = _frames_per_second(run.output["time"])
        if not quiet:
            print(
                f"Tracker: {run.tracker.name} {run.tracker.parameter_name} {run.tracker.run_id} ,  "
                f"Sequence: {run.seq.name}\nFPS: {fps}"
            )
        yield fps


def _run_in(workers: Workers, jobs: list[tuple[Sequence, Tracker]], batch: int) -> Iterator[Any]:
    """Return what the workers return for `jobs`, as it comes in; a Failure for those on which they
    died.
    """
    size = 1 if batch == 1 else 2 * batch  # long enough to refill, short to share
    for found in outcomes(
        workers, [Part(tuple(jobs[i : i + size])) for i in range(0, len(jobs), size)]
    ):
        if isinstance(found, Lost):
            seq, tracker = found.job
            found = _said(
                _failure(
                    seq,
                    tracker,
                    BadInput(
                        f"{found.deaths} worker processes ended unexpectedly on it, usually for "
                        "lack of memory - use fewer at once "
                        "(--threads, --batch); running again does only what is missing"
                    ),
                )
            )
        yield found


def _run_part(
    part: Part,
    batch: int,
    debug: int | bool,
    visdom_info: dict | None,
    quiet: bool,
    overwrite: bool,
) -> list[float | Failure | None]:
    """Track and store in a worker process."""
    if batch > 1:
        return list(_stored(_track(list(part.jobs), batch), quiet))
    return [
        run_sequence(seq, tracker, debug, visdom_info, quiet, overwrite)
        for seq, tracker in part.jobs
    ]


def _track_part(part: Part, batch: int) -> list[Tracked]:
    """Track on another machine; what comes of it is stored here."""
    return list(_track(list(part.jobs), batch))


class _Progress:
    """Says after each run how many are left, the mean speed, and how long it will take."""

    def __init__(self, total: int, quiet: bool):
        self.total = total
        self.done = 0
        self.speeds: list[float] = []
        self.start = time.monotonic()
        self.every = max(1, total // 10) if quiet else 1
        self.bar = terminal_bar(total, "tracking", "sequences") if quiet and total else None

    def report(self, outcome: float | Failure | None) -> None:
        if outcome is None:
            return
        self.done += 1
        if isinstance(outcome, float):
            self.speeds.append(outcome)
        left = self.total - self.done
        speed = f", mean FPS {sum(self.speeds) / len(self.speeds):.1f}" if self.speeds else ""
        minutes = (time.monotonic() - self.start) / self.done * left / 60
        if self.bar is not None:
            self.bar.update()
            self.bar.set_postfix_str(speed.removeprefix(", "), refresh=False)
        elif self.done % self.every == 0 or left == 0:
            print(
                f"Finished {self.done} of {self.total}, {left} left{speed}, about {minutes:.1f} "
                "min to go",
                flush=True,
            )

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _frames_per_second(times: list) -> float:
    """Frames per second of tracking time; entries may be dicts of times per object."""
    total = sum(sum(entry.values()) if isinstance(entry, dict) else entry for entry in times)
    return len(times) / total if total > 0 else float("inf")


def _failure(seq: Sequence, tracker: Tracker, error: Exception) -> Failure:
    """Return what went wrong, its traceback logged."""
    _log.debug("traceback of the failure", exc_info=error)
    return Failure(seq.name, _label(tracker), _describe(error))


def _said(failure: Failure) -> Failure:
    print(f"Sequence {failure.sequence}, tracker {failure.tracker} failed: {failure.message}")
    return failure


def _label(tracker: Tracker) -> str:
    run = "" if tracker.run_id is None else f" {tracker.run_id:03d}"
    return f"{tracker.name} {tracker.parameter_name}{run}"


def _describe(error: Exception) -> str:
    """Return one line: the sentence of a BadInput; otherwise type, text and where it was raised."""
    if isinstance(error, BadInput):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"{type(error).__name__}: {error} ({place.filename} line {place.lineno}; --debug 1 "
        "shows the traceback)"
    )
