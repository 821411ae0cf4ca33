"""Progress of a training run: a bar on a terminal, plain lines otherwise, with the time split and
the pseudo-label yield.

The first questions of anyone training this way are "why is it slow" and "is it collapsing"; every
line answers both.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TextIO, TypeVar

import torch

from ltr.io.progress import terminal_bar

Item = TypeVar("Item")


class Stopwatch:
    """Seconds spent in named parts of a loop."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += time.perf_counter() - start

    def iterate(self, items: Iterable[Item], part: str) -> Iterator[Item]:
        """Yield `items`, charging the wait for each to `part`."""
        iterator = iter(items)
        while True:
            with self(part):
                try:
                    item = next(iterator)
                except StopIteration:
                    return
            yield item

    def state_dict(self) -> dict[str, float]:
        """Return the seconds so far."""
        return dict(self.seconds)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from what `state_dict` returned."""
        self.seconds.update(state)

    def split(self) -> str:
        """`data 12% teacher 20% student 68%`."""
        total = sum(self.seconds.values()) or 1.0
        return " ".join(
            f"{part} {100 * spent / total:.0f}%" for part, spent in self.seconds.items()
        )


def start_peak(device: torch.device) -> None:
    """Measure the peak of a GPU's memory from now on; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float | None:
    """The most memory that tensors held on a GPU since `start_peak`, in GB of 2^30 bytes; None on a
    CPU.
    """
    return torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None


class EpochProgress:
    """Shows one epoch: a bar that is replaced by its last line on a terminal, a line every
    `interval` iterations otherwise.
    """

    def __init__(
        self,
        label: str,
        epoch: int,
        epochs: int,
        iterations: int,
        interval: int,
        stream: TextIO | None = None,
        done: int = 0,
    ):
        self.prefix, self.iterations, self.interval = (
            f"[{label}: {epoch} / {epochs}",
            iterations,
            interval,
        )
        self.done = done  # iterations of an earlier process
        self.stream = stream or sys.stdout
        self.bar = terminal_bar(
            iterations, f"{label} {epoch}/{epochs}", "it", self.stream, done=done
        )
        self.start = time.perf_counter()

    def step(
        self, iteration: int, samples: int, means: Mapping[str, float], watch: Stopwatch
    ) -> None:
        """Report after iteration `iteration` (from 1) of `samples` samples each; `means` are
        averages so far.
        """
        last = iteration == self.iterations
        if self.bar is not None:
            self.bar.update()
            self.bar.set_postfix_str(_words(means, watch), refresh=False)
            if last:
                self.bar.close()
        if last or (self.bar is None and iteration % self.interval == 0):
            rate = (iteration - self.done) * samples / max(time.perf_counter() - self.start, 1e-9)
            self.stream.write(
                f"{self.prefix}, {iteration} / {self.iterations}] FPS: {rate:.1f}  ,  "
                f"{_words(means, watch, '  ,  ')}\n"
            )
            self.stream.flush()

    def close(self) -> None:
        """Remove the bar when the epoch ends early."""
        if self.bar is not None:
            self.bar.close()


def _words(means: Mapping[str, float], watch: Stopwatch, comma: str = ", ") -> str:
    words = [
        f"{name}: {value}" if isinstance(value, int) else f"{name}: {value:.3f}"
        for name, value in means.items()
    ]
    return comma.join([*words, f"time {watch.split()}"])
