"""Tracking many sequences at once in one process: one pass of the network serves a frame of
each.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput
from ltr.parallel.cores import usable_cores
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Step, Tracker


class Run:
    """A tracker on its way through a sequence."""

    def __init__(self, seq: Sequence, tracker: Tracker):
        self.seq, self.tracker = seq, tracker
        self.step: Step | None = None  # what to track next; None at the end
        self.output: dict[str, Any] | None = None  # what `Tracker.run_sequence` returns
        self.error: Exception | None = None
        self.instance: Any = None

    def begin(self, readers: ThreadPoolExecutor) -> Run:
        """Read the first frames and take the template. Each frame is read while the one before it
        is tracked.
        """
        try:
            read = _Ahead(self.tracker._read_image, self.seq.frames, readers)
            self.instance, self._steps = self.tracker.start(self.seq, read)
        except Exception as error:  # the caller reports it with the sequence's name
            self.error = error
            return self
        return self.go_on(None)

    def go_on(self, answer: tuple[Any, float] | None) -> Run:
        """Take what was tracked and the seconds it took, and get the next frame."""
        self.step = None
        try:
            if answer is not None and isinstance(answer[0], Exception):
                raise answer[0]
            self.step = self._steps.send(answer)
        except StopIteration as end:
            self.output = end.value
        except Exception as error:  # likewise
            self.error = error
        return self


class _Ahead:
    """Reads the frames of a sequence in order, always one ahead of who asks for them."""

    def __init__(
        self, read: Callable[[str], np.ndarray], frames: list[str], readers: ThreadPoolExecutor
    ):
        self.read, self.readers, self.left = read, readers, iter(frames)
        self.coming: Future | None = None

    def __call__(self, path: str) -> np.ndarray:
        image = self.read(next(self.left)) if self.coming is None else self.coming.result()
        following = next(self.left, None)
        self.coming = None if following is None else self.readers.submit(self.read, following)
        return image


def track_many(jobs: Iterable[tuple[Sequence, Tracker]], size: int) -> Iterator[Run]:
    """Track through the sequences of `jobs`, up to `size` at once; each is given back when it has
    ended.

    A sequence that ends makes room for the next. All are sequences of one object, and the trackers'
    class has `track_many`. Frames are read by several threads, while the ones before them are
    tracked.
    """
    waiting = iter(jobs)
    active: list[Any] = []
    with ThreadPoolExecutor(min(size, usable_cores())) as readers:
        while True:
            started = [
                Run(seq, tracker) for seq, tracker in itertools.islice(waiting, size - len(active))
            ]
            active += [
                run.begin(readers) for run in started
            ]  # one by one: networks are loaded here
            yield from (run for run in active if run.step is None)
            ended = len(active)
            active = [run for run in active if run.step is not None]
            if len(active) < ended:
                continue  # make room for the next first
            if not active:
                return
            start = time.perf_counter()
            answers = _answers(active)
            share = (time.perf_counter() - start) / len(active)
            active = [
                run.go_on((answer, share)) for run, answer in zip(active, answers, strict=True)
            ]


def _answers(active: list[Run]) -> list[Any]:
    """Return what each active tracker finds on its frame; those of one network in one pass."""
    import torch  # here, as importing the evaluation does not wait for it

    groups: dict[int, list[int]] = {}
    for index, run in enumerate(active):
        groups.setdefault(id(run.tracker), []).append(index)
    answers: list[Any] = [None] * len(active)
    for members in groups.values():
        kind = type(active[members[0]].instance)
        try:
            found = kind.track_many(
                [active[i].instance for i in members],
                [step.image for i in members if (step := active[i].step) is not None],
            )
        except torch.OutOfMemoryError:
            error = BadInput(
                f"there is no GPU memory for {len(members)} sequences at once - use a smaller "
                "--batch"
            )
            found = [error] * len(members)
        except Exception as error:  # the callers' business, as the exceptions of each run are
            found = [error] * len(members)
        for index, answer in zip(members, found, strict=True):
            answers[index] = answer
    return answers


def check_batch(trackers: Iterable[Tracker], size: int) -> None:
    """BadInput when a tracker cannot follow several sequences at once."""
    for tracker in trackers:
        if size > 1 and not hasattr(tracker.tracker_class, "track_many"):
            raise BadInput(
                f"tracker {tracker.name} cannot follow several sequences at once, its class has "
                "no track_many - "
                "leave --batch out, and use --threads"
            )
