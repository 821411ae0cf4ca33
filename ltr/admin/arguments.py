"""Types of command line arguments."""

from __future__ import annotations

import argparse

_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def true_or_false(text: str) -> bool:
    """For flags that take a value: true/false, yes/no, 1/0."""
    if text.lower() not in _TRUTH:
        raise argparse.ArgumentTypeError(f"'{text}' is neither true nor false")
    return _TRUTH[text.lower()]


def positive(text: str) -> int:
    """For counts: a whole number from 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 1")
    return int(text)
