"""SIGTERM, by which clusters end jobs: work is put away first, and the process ends with status
143.

`ltr.parallel.stop_requests` is for loops that end at a place of their own choice,
`ending_on_sigterm` for those that may end anywhere. Another SIGTERM ends the process at once,
unless it comes with the first: batch systems and torchrun both pass it on.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

PATIENCE = 3.0  # seconds in which SIGTERM counts as the same one
STATUS = 128 + signal.SIGTERM  # 143, what a shell reports for it


class Terminated(SystemExit):
    """Ends the process with status 143, unless somebody has to put something away first."""

    def __init__(self) -> None:
        super().__init__(STATUS)


@contextlib.contextmanager
def ending_on_sigterm(what_next: str) -> Iterator[None]:
    """Within the block the first SIGTERM raises `Terminated` wherever the main thread is;
    `what_next` is said on stderr.
    """

    def end() -> None:
        raise Terminated

    try:
        with on_sigterm(end):
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
def on_sigterm(act: Callable[[], None]) -> Iterator[None]:
    """Within the block the first SIGTERM calls `act`."""
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
