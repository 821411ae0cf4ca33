"""Work shared among processes: what a process that dies had in hand is given to another one."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import cv2

from ltr.admin.errors import BadInput, show_messages
from ltr.io import plugins
from ltr.parallel.cores import usable_cores
from ltr.parallel.threads import limit_openmp_spinning

# of a job whose worker died: more cost time where memory is short, fewer give up on a machine that
# went away
RETRIES = 2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Jobs that a worker does in one go, and how many workers have died on them."""

    jobs: tuple
    deaths: int = 0


@dataclass(frozen=True)
class Lost:
    """A job on which `deaths` workers died, and that is not tried again."""

    job: Any
    deaths: int


class Workers(Protocol):
    """Where parts are done: processes of this machine, or those of a cluster."""

    slots: int  # parts that are given out at once

    @property
    def died(self) -> tuple[type[BaseException], ...]:
        """The errors that a future raises whose worker died."""
        ...

    def start(self, part: Part) -> Future:
        """Give `part` to a worker; the future's result is a list."""

    def close(self, at_once: bool = False) -> None:
        """End the workers, `at_once` without waiting for what they do."""


def outcomes(workers: Workers, parts: Iterable[Part]) -> Iterator[Any]:
    """Everything in the results of `parts`, as they come in, and `Lost` for jobs that failed with
    their worker.

    Jobs of a part whose worker died are done again one by one, after all others: then memory is
    least short, and a job that kills every worker takes no other with it. `workers` is closed at
    the end.
    """
    waiting = deque(parts)
    given: dict[Future, Part] = {}
    try:
        while waiting or given:
            while waiting and len(given) < workers.slots:
                part = waiting.popleft()
                given[workers.start(part)] = part
            for future in wait(given, return_when=FIRST_COMPLETED).done:
                part = given.pop(future)
                try:
                    results = future.result()
                except workers.died:
                    results = _put_back(part, waiting)
                yield from results
    except BaseException:  # also Ctrl-C, and the end of who iterates
        workers.close(at_once=True)
        raise
    workers.close()


def _put_back(part: Part, waiting: deque[Part]) -> list[Lost]:
    deaths = part.deaths + 1
    if deaths > RETRIES:
        return [Lost(job, deaths) for job in part.jobs]
    _log.warning(
        "a worker process ended unexpectedly; what it had in hand is done again by another one"
    )
    waiting.extend(Part((job,), deaths) for job in part.jobs)
    return []


class Processes:
    """`count` processes of this machine, each of which calls `work(part)`; they share its cores and
    are dealt to its GPUs.

    A process that dies is replaced by one with the same GPU.
    """

    died = (BrokenProcessPool,)

    def __init__(self, count: int, work: Callable[[Part], list]):
        self.slots, self.work = count, work
        self._context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self._others = set(multiprocessing.active_children())
        self._pools: list[ProcessPoolExecutor | None] = [None] * count
        self._ready: list[Future | None] = [None] * count  # done when the process has started
        self._last: list[Future | None] = [None] * count
        limit_openmp_spinning()

    def start(self, part: Part) -> Future:
        """See `Workers`. BadInput when processes do not even start."""
        slot = next(number for number, last in enumerate(self._last) if last is None or last.done())
        last = self._last[slot]
        pool = self._pools[slot]
        if pool is None or last is None or isinstance(last.exception(), BrokenProcessPool):
            pool = self._open(slot)
        try:
            future = pool.submit(self.work, part)
        except BrokenProcessPool:
            # It died while it had nothing to do.
            future = self._open(slot).submit(self.work, part)
        self._last[slot] = future
        return future

    def _open(self, slot: int) -> ProcessPoolExecutor:
        ready = self._ready[slot]
        if ready is not None and ready.exception() is not None:
            raise BadInput(
                "worker processes end while they start, usually for lack of memory - use fewer "
                "--threads, or none "
                "to see what is wrong"
            )
        arguments = (
            self._context.Value("i", slot),
            max(1, usable_cores() // self.slots),
            plugins.folders(),
            _log.getEffectiveLevel(),
        )
        pool = ProcessPoolExecutor(1, self._context, start_worker, arguments)
        self._pools[slot] = pool
        self._ready[slot] = pool.submit(int)
        return pool

    def close(self, at_once: bool = False) -> None:
        """See `Workers`. Result files are written whole, so nothing half-done can be taken for
        finished.
        """
        if at_once:
            for process in set(multiprocessing.active_children()) - self._others:
                process.terminate()
        for pool in self._pools:
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)


def start_worker(counter, torch_threads: int, plugin_folders: list[str], log_level: int) -> None:
    """Set up a worker: plug-ins before any tracker is unpickled, its share of the cores, its
    GPU.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all processes; the parent ends the workers
    _end_with_parent()
    show_messages(log_level)
    plugins.activate(plugin_folders)
    import torch

    torch.set_num_threads(torch_threads)
    cv2.setNumThreads(torch_threads)
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    if torch.cuda.device_count() > 1:
        torch.cuda.set_device(number % torch.cuda.device_count())


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers, which would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
