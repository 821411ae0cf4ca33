"""SIGTERM, by which clusters end jobs: work is put away first, and the process ends with status
143.

`stop_requests` is for loops that end at a place of their own choice, `ending_on_sigterm` for those
that may end anywhere. Another SIGTERM ends the process at once, unless it comes with the first:
batch systems and torchrun both pass it on.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

PATIENCE = 3.0  # seconds in which SIGTERM counts as the same one
STATUS = 128 + signal.SIGTERM  # 143, what a shell reports for it


class Terminated(SystemExit):
    """Ends the process with status 143, unless somebody has to put something away first."""

    def __init__(self) -> None:
        super().__init__(STATUS)


class StopRequest:
    """Whether SIGTERM has come."""

    def __init__(self) -> None:
        self.requested = False

    def any_process_requested(self) -> bool:
        """Whether it has come to any process of a distributed run: all have to ask at the same
        place.
        """
        from ltr.parallel.distributed import (
            any_of,  # with torch, which evaluation's scripts do not wait for when they are imported
        )

        self.requested = any_of(self.requested)
        return self.requested

    def until(self, batches: Iterable[Item]) -> Iterator[Item]:
        """The batches of a loader, up to the request.

        Clusters send the signal to the loader's workers, too, which end at once: that error is then
        not raised.
        """
        from ltr.parallel.distributed import get_world_size

        iterator = iter(batches)
        _leave_dead_workers_to_the_loader()
        while not (self.requested and get_world_size() == 1):
            try:
                batch = next(iterator)
            except StopIteration:
                return
            except RuntimeError:
                if not self.requested:
                    raise
                batch = None
            if (get_world_size() > 1 and self.any_process_requested()) or batch is None:
                return
            yield batch


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the block the first SIGTERM is noted in the `StopRequest`."""
    request = StopRequest()

    def note() -> None:
        request.requested = True

    with _on_sigterm(note):
        yield request


@contextlib.contextmanager
def ending_on_sigterm(what_next: str) -> Iterator[None]:
    """Within the block the first SIGTERM raises `Terminated` wherever the main thread is;
    `what_next` is said on stderr.
    """

    def end() -> None:
        raise Terminated

    try:
        with _on_sigterm(end):
            yield
    except Terminated:
        sys.stderr.write(f"Stopped by SIGTERM: {what_next}\n")
        raise


class _Handler:
    """Ours, so that a block within a block may replace it; those of others are respected."""

    def __init__(self, act: Callable[[], None]):
        self.act = act
        self.first: float | None = None

    def __call__(self, number: int, _frame) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first = now
            self.act()
        elif now - self.first > PATIENCE:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


@contextlib.contextmanager
def _on_sigterm(act: Callable[[], None]) -> Iterator[None]:
    previous = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not (
        previous == signal.SIG_DFL or isinstance(previous, _Handler)
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _Handler(act))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _leave_dead_workers_to_the_loader() -> None:
    """torch raises in the middle of whatever runs when a worker dies. Its loaders also notice while
    they wait for a batch, within seconds and at a place where the state is whole: that is
    enough.
    """
    if (
        hasattr(signal, "SIGCHLD")
        and threading.current_thread() is threading.main_thread()
        and getattr(signal.getsignal(signal.SIGCHLD), "__module__", "")
        == "torch.utils.data._utils.signal_handling"
    ):
        signal.signal(signal.SIGCHLD, lambda *_: None)
