"""Run a target's inputs in a process of its own, and see what becomes of each."""

from __future__ import annotations

import multiprocessing
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from ltr.admin.errors import BadInput
from tests.fuzz.targets import Target, fresh

TAKEN, SENTENCE = "taken", "one sentence"
TRACEBACK, SLOW, LARGE, ENDED = "traceback", "above 5 s", "above 1 GB", "process ended"
OUTCOMES = (TAKEN, SENTENCE, TRACEBACK, SLOW, LARGE, ENDED)
LONGEST_SECONDS = 5.0
LARGEST_GB = 1.0
# Characters of a sentence; longer ones repeat the input.
LONGEST_SENTENCE = 1000
# Seconds until a process that says nothing counts as ended.
PATIENCE = 30.0


@dataclass
class Tally:
    """Counts of a target by outcome, and the failures: number of the input, outcome, detail."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str, str]] = field(default_factory=list)

    def add(self, number: int, outcome: str, detail: str) -> None:
        self.counts[outcome] += 1
        if outcome not in (TAKEN, SENTENCE):
            self.failures.append((number, outcome, detail))


def run(target: Target, folder: Path, first: int, count: int, until: float = float("inf")) -> Tally:
    """Try the inputs `first` … of a target, each in `folder`; a process that ends is replaced."""
    tally = Tally()
    number = first
    while number < first + count and time.monotonic() < until:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        process = context.Process(
            target=_work, args=(target, folder, number, first + count - number, there, until)
        )
        process.start()
        there.close()
        try:
            while number < first + count:
                if not here.poll(PATIENCE):
                    tally.add(number, ENDED, f"said nothing for {PATIENCE:.0f} s")
                    number += 1
                    break
                reply = here.recv()
                if reply is None:
                    number = first + count
                    break
                tally.add(*reply)
                number += 1
        except EOFError:
            process.join(PATIENCE)
            tally.add(number, ENDED, f"exit code {process.exitcode}")
            number += 1
        finally:
            process.kill()
            process.join()
            here.close()
    return tally


def _work(
    target: Target, folder: Path, first: int, count: int, replies: Connection, until: float
) -> None:
    """Try inputs one after the other and send what becomes of each."""
    warnings.simplefilter("ignore")
    silence = os.open(os.devnull, os.O_WRONLY)
    # Decoders of other packages write to it.
    os.dup2(silence, 2)
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process
    sys.stdout = sys.stderr
    signal.signal(signal.SIGALRM, _too_slow)
    os.chdir(fresh(folder))
    trial = target.prepare(folder)
    for number in range(first, first + count):
        if time.monotonic() >= until:
            break
        replies.send((number, *outcome_of(target, trial, number)))
    replies.send(None)


class _TooSlow(BaseException):
    pass


def _too_slow(*_: object) -> None:
    raise _TooSlow


def outcome_of(target: Target, trial, number: int) -> tuple[str, str]:
    """Return what becomes of the input `number`, and in words what failed."""
    draw = random.Random(f"{target.name} {number}")
    before = _peak_gb()
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 2 * LONGEST_SECONDS)
    try:
        trial(draw)
        outcome, detail = TAKEN, ""
    except _TooSlow:
        outcome, detail = SLOW, "did not end"
    except BadInput as error:
        outcome, detail = SENTENCE, str(error)
        if not detail or "\n" in detail or len(detail) > LONGEST_SENTENCE:
            outcome, detail = TRACEBACK, f"not one sentence: {detail[:200]!r}"
    except SystemExit as error:
        outcome, detail = (SENTENCE, "") if error.code == 2 else (TRACEBACK, f"status {error.code}")
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        outcome, detail = TRACEBACK, f"{type(error).__name__} at {where}: {str(error)[:150]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.monotonic() - started
    if outcome in (TAKEN, SENTENCE) and seconds > LONGEST_SECONDS:
        outcome, detail = SLOW, f"{seconds:.1f} s"
    if outcome in (TAKEN, SENTENCE) and _peak_gb() - before > LARGEST_GB:
        outcome, detail = LARGE, f"{_peak_gb() - before:.1f} GB"
    return outcome, detail


def _peak_gb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1e6
