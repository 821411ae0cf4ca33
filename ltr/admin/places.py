"""Arguments that are files and folders: a command says which it reads and which it writes.

    parser.add_argument("boxes", type=input_place)
    parser.add_argument("--out", type=output_file)
    ...
    with declared_places(parser, options): work(options)

The types are plain functions that return a path; the guard of outputs (`ltr.io.outputs`) and the
look at places that cannot be written come from them, before work begins.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ltr.io.files import require_place
from ltr.io.outputs import OutputGuard, current, guarding


def input_place(text: str) -> Path:
    """Parse a file or folder that the command reads."""
    return Path(text)


def input_name(text: str) -> str:
    """Parse a name, or the path of a file or folder that the command reads."""
    return text


def output_file(text: str) -> Path:
    """Parse a file that the command writes."""
    return Path(text)


def output_folder(text: str) -> Path:
    """Parse a folder into which the command writes files."""
    return Path(text)


def output_place(text: str) -> Path:
    """Parse a file, or a folder into which the command writes files."""
    return Path(text)


def output_tree(text: str) -> Path:
    """Parse a file, or a folder of which the command writes all files and folders."""
    return Path(text)


def work_folder(text: str) -> Path:
    """Parse a folder in which the command keeps its work.

    The command itself says which files in it are outputs, see `OutputGuard.add_output`.
    """
    return Path(text)


def edited_file(text: str) -> Path:
    """Parse a file that the command reads and writes."""
    return Path(text)


_INPUTS: tuple[Callable, ...] = (input_place, input_name)
_OUTPUTS: tuple[Callable, ...] = (
    output_file,
    output_folder,
    output_place,
    output_tree,
    work_folder,
)


def add_overwrite(parser: argparse.ArgumentParser, always: bool = False) -> None:
    """Declare `--overwrite` where a parser has an output, or `always`."""
    if always or any(action.type in _OUTPUTS for action in _arguments(parser)):
        parser.add_argument(
            "--overwrite",
            action="store_true",
            help="replace outputs that were changed since, or that something else wrote; an input "
            "is never replaced",
        )


@contextlib.contextmanager
def declared_places(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> Iterator[OutputGuard]:
    """Guard the outputs that `options` names while the block runs.

    Raises CannotWrite or Kept at once where an output cannot be written, or may not be.
    """
    guard = OutputGuard(getattr(options, "overwrite", False))
    named = [
        (action.type, path)
        for action in _arguments(parser)
        if action.type in (*_INPUTS, *_OUTPUTS, edited_file)
        for path in _paths(getattr(options, action.dest, None))
    ]
    for kind, path in named:
        # Unlike Path.exists it has an answer for names that are too long, too.
        if kind in _INPUTS and os.path.exists(os.path.expanduser(path)):
            guard.add_input(path)
        if kind in _OUTPUTS and kind is not work_folder:
            guard.add_output(path, is_tree=kind is output_tree)
    for kind, path in named:
        if kind is edited_file:
            guard.add_edited(path)
    with guarding(guard):
        for kind, path in named:
            if kind in _OUTPUTS:
                require_output(path, is_folder=kind in (output_folder, work_folder))
        yield guard


def add_output(path: Path, is_folder: bool = False) -> None:
    """Declare an output whose place the command finds out only now, and look at the place."""
    current().add_output(path)
    require_output(path, is_folder)


def require_output(path: Path, is_folder: bool = False) -> None:
    """Raise CannotWrite or Kept where an output of the running command cannot go to `path`."""
    require_place(path, is_folder or os.path.isdir(path))


def _arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    # argparse has no public way to ask for them.
    return parser._actions


def _paths(value: Any) -> list[Path]:
    """Return the paths of an argument, which may be repeated or left out."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [Path(item) for item in values]
