"""Errors whose message is meant for the person at the keyboard, and the one place that shows them.

A message is one sentence: what is wrong, where (file, sequence, key), what to do next. Scripts
print it without a traceback; every other exception is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
import errno
import logging
import os
import sys
from collections.abc import Callable, Iterable

from ltr.parallel.threads import limit_openmp_spinning

# Characters; comparing longer texts with known names takes minutes and finds none.
_LONGEST_NAME = 200

# Characters of a file that a sentence repeats.
_LONGEST_QUOTE = 80


class BadInput(Exception):
    """Something the user gave or configured cannot be used. Base of all errors that scripts show as
    one sentence.
    """


class BadValue(BadInput, ValueError):
    """A value (name, option, number, file content) is not acceptable."""


class MissingFile(BadInput, FileNotFoundError):
    """A file or folder that should exist does not."""

    def __str__(self) -> str:  # FileNotFoundError would print "[Errno ...]" forms
        return str(self.args[0]) if self.args else ""


class NotConfigured(BadInput, RuntimeError):
    """A setting in local.py is missing or empty."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `", did you mean 'x'?"` for the known name nearest to `name`, or an empty string."""
    if len(str(name)) > _LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def in_short(text: object) -> str:
    """Return a text of a file as a sentence repeats it: cut where long, control signs escaped."""
    shown = str(text)
    if len(shown) > _LONGEST_QUOTE:
        shown = f"{shown[:_LONGEST_QUOTE]}…"
    return shown if shown.isprintable() else repr(shown)[1:-1]


def show_messages(level: int = logging.INFO) -> None:
    """Show this project's log messages from `level` on, and other packages' warnings, as plain
    lines on stderr.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    for package in ("ltr", "pytracking", "spot_ext"):
        logging.getLogger(package).setLevel(level)


def run_script(main: Callable[[], int | None]) -> None:
    """Run a script's `main`, showing log messages, and leave the process with its status. Waiting
    threads sleep.

    `BadInput` becomes one line on stderr and status 1; Ctrl-C becomes status 130; everything else
    keeps its traceback.
    """
    show_messages()
    limit_openmp_spinning()
    # Processes that this one starts do not look for modules in the working folder, where somebody
    # else's files may lie. Python 3.10 does not know the variable: there the processes of
    # multiprocessing take their modules from the path of this one, once they run.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    try:
        status = main()
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        # Names come from the user, in too many places to ask at each.
        if error.errno != errno.ENAMETOOLONG:
            raise
        name = in_short(error.filename or "a name")
        print(f"error: {name} is longer than a name may be here; shorten it", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(status or 0)
