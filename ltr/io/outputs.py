"""Keep what a person made, and what a command reads, from being written over.

A command declares its inputs and outputs (`ltr.admin.places`). While it runs, the writer of files
(`ltr.io.files`) asks the guard here before it replaces anything:

- an input is never replaced,
- a file at a declared output that this toolkit did not write, or that was changed since, only with
  `--overwrite`,
- the output of an earlier run of the command is replaced, so that a command can be given twice.

What was written is remembered beside it, in `.spot-outputs`: a line of JSON with a file's name,
size and digest, added before the file appears.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from ltr.admin.errors import BadValue

logger = logging.getLogger(__name__)

LEDGER = ".spot-outputs"
# Above this many bytes the list of a folder is ignored: it is not one of ours.
_LARGEST_LEDGER = 64 << 20
_CHUNK = 1 << 20


class Kept(BadValue):
    """A file was not replaced, because it is an input or a person's."""


class OutputGuard:
    """Knows the inputs and outputs of a command, and which of them it may replace."""

    def __init__(self, overwrite: bool = False):
        self.overwrite = overwrite
        self._inputs: set[Path] = set()
        self._input_folders: set[Path] = set()
        self._edited: set[Path] = set()
        self._outputs: set[Path] = set()
        self._output_folders: set[Path] = set()
        self._output_trees: set[Path] = set()

    def add_input(self, path: str | os.PathLike) -> None:
        """Never replace this file, nor what a person keeps in this folder."""
        place = _real(path)
        (self._input_folders if place.is_dir() else self._inputs).add(place)

    def add_edited(self, path: str | os.PathLike) -> None:
        """Let this file be read and written, as the page does with the box file."""
        place = Path(os.path.realpath(path))
        if place in self._inputs:
            raise Kept(f"{path} would be read and edited at once; copy it and name the copy")
        self._edited.add(place)

    def add_output(self, path: str | os.PathLike, is_tree: bool = False) -> None:
        """Ask before this file, or a file in this folder, is replaced.

        Files in folders below it count with `is_tree` only: caches may lie there.
        """
        place = Path(os.path.realpath(path))
        if place in self._outputs:
            raise Kept(f"{path} is named for two outputs; give one of them another name")
        self._outputs.add(place)
        (self._output_trees if is_tree else self._output_folders).add(place)

    def adopt(self, *paths: str | os.PathLike) -> None:
        """Take files for this toolkit's own that a version without a list of outputs wrote."""
        for path in paths:
            place = Path(os.path.realpath(path))
            root = self._root_of(place)
            if place.is_file() and root is not None and not _remembered(place, root):
                self.record(place, place)

    def check(self, target: Path) -> None:
        """Raise Kept where the file `target` may not be replaced."""
        if not target.exists() or target in self._edited:
            return
        if target in self._inputs:
            raise Kept(f"{target} is an input of this command and was kept; name another output")
        root = self._root_of(target)
        # What no person named is a file of this toolkit's own: a cache, a checkpoint.
        if root is None:
            return
        descriptions = _remembered(target, root)
        folder = next((item for item in target.parents if item in self._input_folders), None)
        if folder is not None and not self._is_output_within(folder, target, bool(descriptions)):
            raise Kept(
                f"{target} lies in the folder {folder}, which this command reads, and was kept; "
                "name another output"
            )
        if _description(target) in descriptions:
            return
        reason = "was not written by this toolkit"
        if descriptions:
            reason = "was changed since this toolkit wrote it"
        if not self.overwrite:
            raise Kept(
                f"{target} {reason} and was kept; give --overwrite to replace it, or name "
                "another output"
            )
        logger.info("%s %s; it is replaced, as --overwrite says", target, reason)

    def record(self, target: Path, content: Path) -> None:
        """Remember that `target` is this toolkit's, with what the file `content` holds now."""
        root = self._root_of(target)
        if root is None:
            return
        line = _line(os.path.relpath(target, root), content)
        # One short write at the end of the file: other commands may add lines at the same time.
        with open(root / LEDGER, "a", encoding="utf-8") as file:
            file.write(line)

    def record_folder(self, target: Path, content: Path) -> None:
        """Remember the files of a new folder, in a list that is a part of it."""
        if target not in self._output_trees:
            return
        files = [path for path in sorted(content.rglob("*")) if path.is_file()]
        lines = [_line(os.path.relpath(file, content), file) for file in files]
        (content / LEDGER).write_text("".join(lines), encoding="utf-8")

    def _root_of(self, target: Path) -> Path | None:
        """Return the folder whose list names `target`; None where it is no declared output."""
        if target in self._edited:
            return None
        if target in self._outputs or target.parent in self._output_folders:
            return target.parent
        return next((item for item in target.parents if item in self._output_trees), None)

    def _is_output_within(self, input_folder: Path, target: Path, is_known: bool) -> bool:
        """Say whether `target` was put into a folder that is read, not found there."""
        if target in self._outputs:
            return is_known
        return any(
            item in self._output_folders | self._output_trees and input_folder in item.parents
            for item in target.parents
        )


_active: list[OutputGuard] = []


@contextlib.contextmanager
def guarding(guard: OutputGuard) -> Iterator[OutputGuard]:
    """Let `guard` decide about every file that this process writes during the block."""
    _active.append(guard)
    try:
        yield guard
    finally:
        _active.remove(guard)


def current() -> OutputGuard:
    """Return the guard of the command that runs; outside of one, a guard that knows nothing."""
    return _active[-1] if _active else OutputGuard()


def note_input(path: str | os.PathLike) -> None:
    """Tell the running command's guard that `path` is read."""
    if _active:
        _active[-1].add_input(path)


def check(target: Path) -> None:
    """Raise Kept where the running command may not replace `target`."""
    if _active:
        _active[-1].check(target)


def record(target: Path, content: Path) -> None:
    """Remember what the running command writes to `target`."""
    if _active:
        _active[-1].record(target, content)


def record_folder(target: Path, content: Path) -> None:
    """Remember the files of a folder that the running command writes."""
    if _active:
        _active[-1].record_folder(target, content)


def _real(path: str | os.PathLike) -> Path:
    return Path(os.path.realpath(os.path.expanduser(path)))


def _line(name: str, content: Path) -> str:
    return json.dumps({"file": name, **_description(content)}) + "\n"


def _description(path: Path) -> dict[str, object]:
    """Return size and digest of a file."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {"size": path.stat().st_size, "digest": digest.hexdigest()}


def _remembered(target: Path, root: Path) -> list[dict[str, object]]:
    """Return what the list of `root` says of `target`; damaged lines count as none."""
    ledger = root / LEDGER
    try:
        if ledger.stat().st_size > _LARGEST_LEDGER:
            return []
        lines = ledger.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    name = os.path.relpath(target, root)
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict) and entry.pop("file", None) == name:
            found.append(entry)
    return found
