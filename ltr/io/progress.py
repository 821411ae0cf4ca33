"""Progress of long work: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TextIO, TypeVar

import tqdm

Item = TypeVar("Item")

# Seconds between plain lines: a log of an hour then has a few hundred.
LINE_INTERVAL = 10.0


def terminal_bar(
    total: int | None, label: str, what: str, stream: TextIO | None = None, done: int = 0
) -> tqdm.tqdm | None:
    """Return a bar on `stream` (stderr) that vanishes when closed; None where it is no terminal."""
    stream = stream or sys.stderr
    if not stream.isatty():
        return None
    return tqdm.tqdm(
        total=total,
        initial=done,
        desc=label,
        unit=f" {what}",
        leave=False,
        dynamic_ncols=True,
        file=stream,
    )


class CountProgress:
    """Shows how many things are done: a bar on a terminal, otherwise a line every ten seconds.

    Args:
        total: number of things; None where it is not known.

    """

    def __init__(
        self,
        label: str,
        what: str,
        total: int | None,
        stream: TextIO | None = None,
        interval: float = LINE_INTERVAL,
    ):
        self.label = label
        self.what = what
        self.total = total
        self.interval = interval
        self.stream = stream or sys.stderr
        self.bar = terminal_bar(total, label, what, self.stream)
        self.done = 0
        self.told = time.perf_counter()

    def step(self, note: str = "") -> None:
        """Count one more; `note` is shown beside the count."""
        self.done += 1
        if self.bar is not None:
            self.bar.update()
            self.bar.set_postfix_str(note, refresh=False)
        elif time.perf_counter() - self.told >= self.interval:
            self.told = time.perf_counter()
            count = f"{self.done}" if self.total is None else f"{self.done} / {self.total}"
            comma = ", " if note else ""
            self.stream.write(f"[{self.label}] {count} {self.what}{comma}{note}\n")
            self.stream.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()


def counted(
    items: Iterable[Item], label: str, what: str, total: int | None = None, shown: bool = True
) -> Iterator[Item]:
    """Yield the items, showing how many are done."""
    if not shown:
        yield from items
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    progress = CountProgress(label, what, total)
    try:
        for item in items:
            yield item
            progress.step()
    finally:
        progress.close()
