"""Types of command line arguments, and the limits of the numbers among them.

    parser.add_argument("--seed", type=SEED)
    ...
    check_numbers(parser, options)

A number is read by argparse and compared with its limits before anything starts.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ltr.admin.errors import BadValue

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# Characters of a number that is read and that a sentence repeats.
_LONGEST_NUMBER = 40


def true_or_false(text: str) -> bool:
    """Parse a flag that takes a value: true/false, yes/no, 1/0."""
    if text.lower() not in _TRUTH:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return _TRUTH[text.lower()]


def positive(text: str) -> int:
    """Parse a count: a whole number from 1."""
    if not text.isdecimal() or len(text) > _LONGEST_NUMBER or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)


@dataclass(frozen=True)
class Number:
    """A number of the command line with its limits; `reason` says why there is the upper one."""

    lowest: float
    highest: float
    reason: str
    is_whole: bool = True

    def __call__(self, text: str) -> float:
        """Parse `text`; argparse says which argument is none."""
        kind = "whole number" if self.is_whole else "number"
        try:
            if len(text) > _LONGEST_NUMBER:
                raise ValueError
            return int(text) if self.is_whole else float(text)
        except ValueError:
            shown = text if len(text) <= _LONGEST_NUMBER else f"{text[:_LONGEST_NUMBER]}…"
            raise argparse.ArgumentTypeError(f"'{shown}' is not a {kind}") from None

    def check(self, name: str, value: float) -> None:
        """Raise BadValue where the value of the argument `name` is out of its limits."""
        is_share = (self.lowest, self.highest) == (0, 1)
        if is_share and not self.lowest <= value <= self.highest:
            raise BadValue(f"{name} {value}: give a number from 0 to 1")
        if not math.isfinite(value) or value > self.highest:
            raise BadValue(f"{name} {value}: give at most {self.highest:,} ({self.reason})")
        if value < self.lowest:
            raise BadValue(f"{name} {value}: give at least {self.lowest:,}")


SEED = Number(0, 2**32 - 1, "NumPy's and PyTorch's generators share 32 bits")
LABELS_OF_A_VIDEO = Number(1, 10_000, "more than a person draws in one video")
LABELS = Number(1, 1_000_000_000, "more than all data sets have")
VIDEOS = Number(1, 100_000_000, "more than all data sets have")
FRAMES = Number(1, 100_000_000, "weeks of video")
FRAME_ID = Number(0, 100_000_000, "weeks of video")
EPOCHS = Number(1, 1_000_000, "no training is this long")
TRIALS = Number(1, 1_000_000, "no search is this long")
PROCESSES = Number(0, 1024, "more than the cores of a machine")
MEGABYTES = Number(0, 100_000_000, "more than the memory of a machine")
PORT = Number(0, 65535, "a port has 16 bits")
CAMERA = Number(0, 999, "the number of a camera of this machine")
RUN_ID = Number(0, 1_000_000, "a number of a repetition")
DEBUG_LEVEL = Number(0, 1000, "a level of messages and windows")
SHARE = Number(0, 1, "a share", is_whole=False)
PIXELS = Number(0, 1_000_000, "no frame is this wide", is_whole=False)
# Boxes may begin outside of the frame.
COORDINATE = Number(-1_000_000, 1_000_000, "no frame is this wide", is_whole=False)


def check_numbers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Raise BadValue for the first number of the command line that makes no sense."""
    # argparse has no public way to ask for its arguments.
    for action in parser._actions:
        limits = action.type
        if not isinstance(limits, Number):
            continue
        name = action.option_strings[0] if action.option_strings else action.dest
        for value in _values(getattr(options, action.dest, None)):
            limits.check(name, value)


def _values(value: Any) -> Iterator[float]:
    """Yield the numbers of an argument, which may be left out or repeated."""
    if value is not None:
        yield from value if isinstance(value, (list, tuple)) else [value]
