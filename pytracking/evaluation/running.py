"""Running trackers over data sets, in this process or several, and storing the results."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import tqdm

from ltr.admin.errors import BadInput, show_messages
from pytracking.evaluation.batch import check_batch, track_many
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import results_exist, save_results
from pytracking.evaluation.tracker import Tracker
from pytracking.utils import plugins

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A sequence that a tracker could not be run on; it has no result files."""

    sequence: str
    tracker: str
    message: str


def run_dataset(dataset: list[Sequence], trackers: list[Tracker], debug: int | bool = False, threads: int = 0,
                visdom_info: dict | None = None, quiet: bool = False, batch: int = 1,
                overwrite: bool = False) -> list[Failure]:
    """Run every tracker on every sequence that has no results yet.

    Args:
        quiet: leave out the lines of each sequence; progress is a bar on a terminal and some ten lines otherwise.
        debug: above 0 everything is run, shown in a window and not stored, and the first failure ends the run.
        threads: number of worker processes; 0 runs here. Raising it up to the number of cores (or GPUs, to which the
            workers are dealt in turn) shortens the run; each worker holds its own copy of the networks.
        batch: sequences that each process tracks at once. Raising it feeds a GPU better; the results are the same to
            rounding. Sequences of several objects are tracked one by one.
        overwrite: run again what has results; the old ones stay until the new ones are written.

    Returns:
        The failures; the other sequences are complete. Running again does only what is missing.
    """
    if not quiet:
        print(f"Evaluating {len(trackers):4d} trackers on {len(dataset):5d} sequences")
    jobs = list(itertools.product(dataset, trackers))
    batch = 1 if debug else batch
    check_batch(trackers, batch)
    anew = bool(debug) or overwrite
    pending = [(seq, tracker) for seq, tracker in jobs if anew or not results_exist(seq, tracker.results_dir)]
    for tracker in trackers:
        if any(one is tracker for _, one in pending):
            tracker.check()

    failures: list[Failure] = []
    progress = _Progress(len(pending), quiet)
    if (threads or batch > 1) and pending:
        for _ in range(0 if quiet else len(jobs) - len(pending)):
            print("FPS: -1")
    if threads and pending:
        outcomes = _run_in_workers(pending, debug, threads, visdom_info, quiet, batch, overwrite)
    elif batch > 1:
        outcomes = _run_batches(pending, batch, quiet)
    else:
        outcomes = (run_sequence(seq, tracker, debug, visdom_info, quiet, overwrite) for seq, tracker in jobs)
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            failures.append(outcome)
        progress.report(outcome)
    progress.close()
    if not quiet:
        print("Done")
    if failures:
        print(f"{len(failures)} of {len(pending)} runs failed and left no results:")
        by_cause: dict[tuple[str, str], list[str]] = {}
        for failure in failures:
            by_cause.setdefault((failure.tracker, failure.message), []).append(failure.sequence)
        for (tracker, message), sequences in by_cause.items():
            print(f"  {tracker}, {', '.join(sequences)}: {message}")
    return failures


def run_sequence(seq: Sequence, tracker: Tracker, debug: int | bool = False, visdom_info: dict | None = None,
                 quiet: bool = False, overwrite: bool = False) -> float | Failure | None:
    """Run `tracker` on `seq` and store the results, unless they exist (or `overwrite`). `quiet` prints failures only.

    Returns frames per second, None when there was nothing to do, or the Failure (with `debug` exceptions propagate).
    """
    say = (lambda text: None) if quiet else print
    if not (debug or overwrite) and results_exist(seq, tracker.results_dir):
        say("FPS: -1")
        return None
    say(f"Tracker: {tracker.name} {tracker.parameter_name} {tracker.run_id} ,  Sequence: {seq.name}")
    if debug:
        output = tracker.run_sequence(seq, debug=debug, visdom_info=visdom_info)
    else:
        try:
            output = tracker.run_sequence(seq, debug=debug, visdom_info=visdom_info)
            save_results(seq, tracker.results_dir, tracker.segmentation_dir, output)
        except Exception as error:
            return _failure(seq, tracker, error)
    fps = _frames_per_second(output["time"])
    say(f"FPS: {fps}")
    return fps


def _run_batches(jobs: list[tuple[Sequence, Tracker]], batch: int, quiet: bool) -> Iterator[float | Failure]:
    """The outcomes of running and storing `jobs` here, `batch` sequences at once."""
    for run in track_many([job for job in jobs if not job[0].multiobj_mode], batch):
        error = run.error
        if error is None:
            try:
                save_results(run.seq, run.tracker.results_dir, run.tracker.segmentation_dir, run.output)
            except Exception as reason:
                error = reason
        if error is not None:
            yield _failure(run.seq, run.tracker, error)
            continue
        fps = _frames_per_second(run.output["time"])
        if not quiet:
            print(f"Tracker: {run.tracker.name} {run.tracker.parameter_name} {run.tracker.run_id} ,  "
                  f"Sequence: {run.seq.name}\nFPS: {fps}")
        yield fps
    for seq, tracker in jobs:
        if seq.multiobj_mode:
            yield run_sequence(seq, tracker, quiet=quiet, overwrite=True)


def _batches_in_worker(jobs: list[tuple[Sequence, Tracker]], batch: int, quiet: bool) -> list[float | Failure]:
    return list(_run_batches(jobs, batch, quiet))


def _run_in_workers(jobs: list[tuple[Sequence, Tracker]], debug, threads: int, visdom_info, quiet: bool, batch: int,
                    overwrite: bool) -> Iterator[Any]:
    """The outcomes of `jobs`, as they come in from `threads` processes."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # for the workers: threads that wait must not spin on full cores
    counter = context.Value("i", 0)
    torch_threads = max(1, usable_cores() // threads)
    pool = ProcessPoolExecutor(threads, mp_context=context, initializer=start_worker,
                               initargs=(counter, torch_threads, plugins.folders(), _log.getEffectiveLevel()))
    others = set(multiprocessing.active_children())
    try:
        if batch > 1:
            parts = [jobs[i:i + 2 * batch] for i in range(0, len(jobs), 2 * batch)]  # long enough to refill, short to share
            futures = [pool.submit(_batches_in_worker, part, batch, quiet) for part in parts]
        else:
            futures = [pool.submit(run_sequence, seq, tracker, debug, visdom_info, quiet, overwrite) for seq, tracker in jobs]
        for future in as_completed(futures):
            yield from future.result() if batch > 1 else [future.result()]
    except KeyboardInterrupt:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()  # result files are written whole, so nothing half-done can be taken for finished
        raise
    except BrokenProcessPool:
        raise BadInput("a worker process ended unexpectedly, usually for lack of memory - use fewer --threads; what is "
                       "finished is kept, and running again does the rest") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def usable_cores() -> int:
    """Cores this process may use, which in a container or a batch job are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_worker(counter, torch_threads: int, plugin_folders: list[str], log_level: int) -> None:
    """Set up a worker: plug-ins before any tracker is unpickled, its share of the cores, its GPU."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the workers
    show_messages(log_level)
    plugins.activate(plugin_folders)
    import cv2
    import torch

    torch.set_num_threads(torch_threads)
    cv2.setNumThreads(torch_threads)
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(number % torch.cuda.device_count())


class _Progress:
    """Says after each run how many are left, the mean speed, and how long it will take."""

    def __init__(self, total: int, quiet: bool):
        self.total, self.done, self.speeds, self.start = total, 0, [], time.monotonic()
        self.every = max(1, total // 10) if quiet else 1
        self.bar = tqdm.tqdm(total=total, desc="tracking", unit="seq", leave=False) \
            if quiet and total and sys.stderr.isatty() else None

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
            print(f"Finished {self.done} of {self.total}, {left} left{speed}, about {minutes:.1f} min to go", flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _frames_per_second(times: list) -> float:
    """Frames per second of tracking time; entries may be dicts of times per object."""
    total = sum(sum(entry.values()) if isinstance(entry, dict) else entry for entry in times)
    return len(times) / total if total > 0 else float("inf")


def _failure(seq: Sequence, tracker: Tracker, error: Exception) -> Failure:
    """Report and return what went wrong."""
    failure = Failure(seq.name, _label(tracker), _describe(error))
    print(f"Sequence {failure.sequence}, tracker {failure.tracker} failed: {failure.message}")
    _log.debug("traceback of the failure", exc_info=error)
    return failure


def _label(tracker: Tracker) -> str:
    run = "" if tracker.run_id is None else f" {tracker.run_id:03d}"
    return f"{tracker.name} {tracker.parameter_name}{run}"


def _describe(error: Exception) -> str:
    """One line: the sentence of a BadInput; otherwise type, text and where it was raised."""
    if isinstance(error, BadInput):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({place.filename} line {place.lineno}; --debug 1 shows the traceback)"
