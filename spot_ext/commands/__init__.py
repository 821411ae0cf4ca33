"""The verbs of `spot`, one file each.

A file of this folder registers its verb with the decorator `verb`; nothing else lists it. A file
parses arguments and calls a function of a room below. It imports torch, and everything that imports
torch, inside functions, so that `--help` and refusals are quick.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import pkgutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ltr.admin.invocation import spot_command

logger = logging.getLogger(__name__)

# Columns of a help text, as in most terminals.
HELP_WIDTH = 80

AddArguments = Callable[[argparse.ArgumentParser], None]
Run = Callable[[argparse.Namespace], "int | None"]


@dataclass(frozen=True)
class Verb:
    """Describe one verb of the command line.

    `run` takes the parsed options and returns the exit status; None means 0. `examples` are command
    lines without the leading `spot`. `notes` stand at the end of the verb's help.
    """

    name: str
    text: str
    examples: tuple[str, ...]
    add_arguments: AddArguments
    run: Run
    notes: str = ""

    @property
    def summary(self) -> str:
        """Return the first sentence of the text, for the list of verbs."""
        sentence, separator, _rest = self.text.partition(". ")
        return sentence.partition("\n\n")[0] + separator.strip()

    @property
    def description(self) -> str:
        """Return the text with its paragraphs wrapped; indented tables stay as they are."""
        paragraphs = self.text.split("\n\n")
        return "\n\n".join(
            paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, HELP_WIDTH)
            for paragraph in paragraphs
        )


_registered: dict[str, Verb] = {}


def verb(
    name: str, text: str, examples: Sequence[str], arguments: AddArguments, notes: str = ""
) -> Callable[[Run], Run]:
    """Register the decorated function as what the verb `name` runs."""

    def register(run: Run) -> Run:
        _registered[name] = Verb(name, text, tuple(examples), arguments, run, notes)
        return run

    return register


def find_verbs() -> list[Verb]:
    """Import every file of this folder and return the verbs, sorted by name."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return [_registered[name] for name in sorted(_registered)]


def suggest_next(*arguments: str | os.PathLike[str]) -> None:
    """Tell, on stderr with the log, the command of `spot` that usually comes next."""
    logger.info("next:  %s", spot_command(*arguments))
