"""A file or folder whose format is to be guessed: its suffix, its first lines, its JSON, the names
in it.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEAD = 4096  # bytes that tell a table from a list of boxes


@dataclass(frozen=True)
class Candidate:
    """Each part is read when a format asks for it."""

    path: Path

    @property
    def suffix(self) -> str:
        """In lower case; empty for folders."""
        return "" if self.is_folder else self.path.suffix.lower()

    @functools.cached_property
    def is_folder(self) -> bool:
        """True for a folder."""
        return self.path.is_dir()

    @functools.cached_property
    def first_line(self) -> str:
        """First line with text of a file, in lower case; empty for folders and what is no text."""
        if self.is_folder:
            return ""
        with open(self.path, "rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", errors="replace")
        return next((line.strip().lower() for line in head.splitlines() if line.strip()), "")

    @functools.cached_property
    def numbers(self) -> int:
        """Count of numbers in the first line; 0 where it holds anything else."""
        parts = self.first_line.replace(",", " ").split()
        try:
            return len([float(part) for part in parts])
        except ValueError:
            return 0

    @functools.cached_property
    def json(self) -> Any:
        """Content of a JSON file; None for other files."""
        if self.is_folder or self.first_line[:1] not in ("{", "["):
            return None
        try:
            return json.loads(self.path.read_bytes())
        except (ValueError, RecursionError):
            return None

    def holds(self, *patterns: str) -> bool:
        """Say whether a folder has a file or folder of one of these names (* for any part)."""
        return self.is_folder and any(
            next(self.path.glob(pattern), None) is not None for pattern in patterns
        )
