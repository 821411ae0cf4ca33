"""Files that cannot be used, met while training: drawn again, reported, counted, and at some share
the end of the run.

The one place for it. A sampler draws through `redraw`, which replaces what failed by another draw.
A loader wraps its samples in `catching` and its batches in `FaultLog.unpack`, so that what happened
in a worker reaches the trainer with the very batch it happened in: counts and the end of a run do
not depend on the number of workers.
"""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.invocation import spot_command
from ltr.parallel.distributed import all_gather

log = logging.getLogger(__name__)

Sample = TypeVar("Sample")

ATTEMPTS = 50  # draws for one sample; data of which so many fail in a row are not usable
DEFAULT_SHARE = 0.05  # of an epoch's draws
NAME = "Data/redrawn"  # of the statistic: failed draws of an epoch
_LEAST_DRAWS = (
    100  # the share is one of at least so many draws: the first bad file of an epoch ends no run
)

_caught: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("faults", default=None)


class TooManyFaults(BadInput):
    """More draws failed than the run allows."""


class Faulty(NamedTuple):
    """A sample or batch together with what went wrong while it was made. Those without faults
    travel as they are.
    """

    data: Any
    faults: tuple[str, ...]  # one sentence for each draw that failed, with the file's path


def redraw(make: Callable[[int], Sample]) -> Sample:
    """`make(attempt)` for attempt 0, 1, … until one gives a sample; the others are faults.

    A fault is a BadInput (the readers' sentences about files) or an OSError. After 50 attempts it
    is raised.
    """
    for attempt in range(ATTEMPTS):
        try:
            return make(attempt)
        except (BadInput, OSError) as error:
            last = error
            caught = _caught.get()
            if caught is None:
                log.warning("drawing another sample: %s", error)
            else:
                caught.append(" ".join(str(error).split()))
    raise BadInput(f"{ATTEMPTS} draws in a row failed, the last one with: {last}") from last


def catching(make: Callable[[], Sample]) -> Sample | Faulty:
    """`make()`, as `Faulty` when draws failed inside."""
    faults: list[str] = []
    token = _caught.set(faults)
    try:
        sample = make()
    finally:
        _caught.reset(token)
    return Faulty(sample, tuple(faults)) if faults else sample


class Collating:
    """A collate function that hands on the faults of the samples it joins."""

    def __init__(self, collate: Callable):
        self.collate = collate

    def __call__(self, samples: Any) -> Any:
        if isinstance(samples, Faulty):  # a loader that does not batch
            return Faulty(self.collate(samples.data), samples.faults)
        if not isinstance(samples, list) or not any(
            isinstance(sample, Faulty) for sample in samples
        ):
            return self.collate(samples)
        faults = [
            fault for sample in samples if isinstance(sample, Faulty) for fault in sample.faults
        ]
        return Faulty(
            self.collate(
                [sample.data if isinstance(sample, Faulty) else sample for sample in samples]
            ),
            tuple(faults),
        )


class FaultLog:
    """Counts the faults of the batches that pass, names their files in the log, and ends a run with
    too many of them.

    `share` is the part of an epoch's draws that may fail: 0 ends the run at the first fault, 1
    never.
    """

    def __init__(self, share: float = DEFAULT_SHARE):
        self.share = checked_share(share)
        self.known: set[str] = set()  # sentences logged before
        self.start_epoch()

    def start_epoch(self) -> None:
        """Count from zero."""
        self.samples = self.count = 0
        self.files: set[str] = set()

    def unpack(self, batches: Iterable, size: Callable[[Any], int]) -> Iterator:
        """The plain batches; `size` gives the number of samples in one. Raises TooManyFaults."""
        for batch in batches:
            batch, faults = batch if isinstance(batch, Faulty) else (batch, ())
            self._note(size(batch), faults)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted in this epoch by this process."""
        return {"samples": self.samples, "count": self.count, "files": sorted(self.files)}

    def load_state_dict(self, states: Iterable[Mapping[str, Any]]) -> None:
        """Go on from the sum of what several processes counted."""
        states = list(states)
        self.samples = sum(state["samples"] for state in states)
        self.count = sum(state["count"] for state in states)
        self.files = {file for state in states for file in state["files"]}

    def gather(self) -> None:
        """Count what all processes of a distributed run have met in this epoch."""
        parts = all_gather((self.samples, self.count, self.files))
        self.samples, self.count = (sum(part[column] for part in parts) for column in (0, 1))
        self.files = set().union(*(part[2] for part in parts))

    def summary(self) -> str:
        """`4 of 1204 draws (0.3 %) met 2 unusable files and were replaced`, or an empty string."""
        if not self.count:
            return ""
        draws = self.samples + self.count
        files = f"{len(self.files)} unusable file{'s' if len(self.files) != 1 else ''}"
        return (
            f"{self.count} of {draws} draws ({100 * self.count / draws:.1f} %) met {files} and "
            "were replaced"
        )

    def _note(self, samples: int, faults: Iterable[str]) -> None:
        self.samples += samples
        for fault in faults:
            self.count += 1
            self.files.add(fault)
            if fault not in self.known:
                self.known.add(fault)
                log.warning("drawing another sample: %s", fault)
        if (
            faults
            and self.share < 1
            and self.count > self.share * max(self.samples + self.count, _LEAST_DRAWS)
        ):
            raise TooManyFaults(
                f"{self.summary()}, more than the {100 * self.share:g} % that max_fault_share "
                "allows, the last one: "
                f"{fault}; check the data with `{spot_command('check')}`, or raise "
                "max_fault_share in the recipe"
            )


def checked_share(share: float) -> float:
    """`share` when it lies between 0 and 1; BadValue otherwise."""
    if not isinstance(share, (int, float)) or isinstance(share, bool) or not 0 <= share <= 1:
        raise BadValue(
            f"max_fault_share is {share}; give the share of draws that may fail, between 0 and 1"
        )
    return float(share)
