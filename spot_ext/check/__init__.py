"""Looks for what is wrong with a data set before training or evaluation meets it: `python -m
spot_ext check`.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ltr.admin.errors import BadValue
from ltr.io.progress import CountProgress
from ltr.parallel.cores import usable_cores
from spot_ext.check.sequences import (
    DUPLICATE,
    NOTES,
    Finding,
    SequenceFiles,
    SequenceResult,
    check_sequence,
)
from spot_ext.check.sources import Part, open_parts

# Threads mostly wait for the disk, so a few are right also on one core.
LEAST_THREADS = 4


@dataclass
class Report:
    """The places that were looked at, and what was found there."""

    dataset: str
    root: str | None
    decoded: bool
    parts: dict[str, int] = field(default_factory=dict)  # title -> number of sequences
    sequences: int = 0
    frames: int = 0
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def problems(self) -> list[Finding]:
        """The findings that are more than notes."""
        return [finding for finding in self.findings if finding.kind not in NOTES]


def check_dataset(
    name: str,
    root: str | Path | None = None,
    decode: bool = False,
    workers: int | None = None,
    show_progress: bool = False,
) -> Report:
    """Check every frame and box of the data set `name` (see `sources.open_parts`), in `workers`
    threads.

    Reads headers and ends of images; with `decode` all of their content, which takes some hundred
    times as long. Raises BadInput when there is no such data set.
    """
    if workers is not None and workers < 1:
        raise BadValue(f"{workers} workers cannot check anything - give at least 1")
    start = time.time()
    root = None if root is None else Path(root).expanduser()
    parts = open_parts(name, root)
    report = Report(name, None if root is None else str(root), decode)
    progress = (
        CountProgress(name, "sequences", sum(len(part.names) for part in parts))
        if show_progress
        else None
    )
    seen: set[str] = set()
    if workers is None:
        workers = max(LEAST_THREADS, usable_cores())
    with ThreadPoolExecutor(workers) as pool:
        for part in parts:
            report.findings += _duplicates(part)
            before = report.sequences
            for result in _in_order(pool, _new_sequences(part, seen), decode):
                if result is not None:
                    report.sequences += 1
                    report.frames += result.num_frames
                    report.findings += result.findings
                if progress is not None:
                    progress.step(f"{report.frames} frames, {len(report.problems)} problems")
            if report.sequences > before:
                report.parts[part.title] = report.sequences - before
    report.seconds = time.time() - start
    if progress is not None:
        progress.close()
    return report


def _new_sequences(part: Part, seen: set[str]) -> Iterator[SequenceFiles | Finding | None]:
    """The part's sequences; None for one that an earlier part had, as the files of a test set may
    be training videos.
    """
    for sequence in part:
        key = (
            sequence.frames[0] + "\n" + sequence.name
            if isinstance(sequence, SequenceFiles) and sequence.frames
            else None
        )
        yield None if key in seen else sequence
        if key is not None:
            seen.add(key)


def _in_order(
    pool: ThreadPoolExecutor, sequences: Iterable[SequenceFiles | Finding | None], decode: bool
) -> Iterator[SequenceResult | None]:
    """Results in the order of the sequences, with a bounded number under way."""
    waiting: collections.deque[Future | SequenceResult | None] = collections.deque()

    def done(entry: Future | SequenceResult | None) -> SequenceResult | None:
        return entry.result() if isinstance(entry, Future) else entry

    for sequence in sequences:
        if isinstance(sequence, Finding):
            waiting.append(SequenceResult(sequence.sequence, 0, [sequence]))
        elif sequence is None:
            waiting.append(None)
        elif (
            sequence.read_size is not None
        ):  # goes through the data set, which need not stand threads
            waiting.append(check_sequence(sequence, decode))
        else:
            waiting.append(pool.submit(check_sequence, sequence, decode))
        if len(waiting) > 64:
            yield done(waiting.popleft())
    while waiting:
        yield done(waiting.popleft())


def _duplicates(part: Part) -> list[Finding]:
    findings = []
    for name, count in collections.Counter(part.names).items():
        if count > 1:
            findings.append(Finding(DUPLICATE, name))
            findings[-1].add(f"{part.title} lists it {count} times", count=count - 1)
    return findings
