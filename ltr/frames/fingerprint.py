"""A fingerprint of a whole video: what was computed from its frames is bound to it.

It is made of the names, sizes and contents of the files. Of a large file a sample of the content is
read, which an encoder's output does not survive unchanged when a picture changes. Files whose times
and sizes are those of the last look are not read again; a new time alone makes it look, and finds
the same fingerprint.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltr.io.files import write_text

# Files up to this size are read whole: images of a video folder mostly are.
WHOLE_BYTES = 256 * 1024
# Blocks read of a larger file, spread evenly from its first byte to its last.
SAMPLED_BLOCKS = 64
BLOCK_BYTES = 4096
# Files of a sequence that a sampled fingerprint reads: 16 take a tenth of a second from a disk.
SAMPLED_FILES = 16


class Fingerprints:
    """Fingerprints of videos, with a file that remembers the state in which each was seen."""

    def __init__(self, memory: Path | None = None):
        self.memory = memory
        self._seen: dict[str, Any] = {}
        if memory is not None:
            # a damaged memory only costs looking again
            with contextlib.suppress(OSError, ValueError):
                content = json.loads(memory.read_text(encoding="utf-8"))
                if isinstance(content, dict):
                    self._seen = content

    def of(self, video: str, files: Sequence[Path]) -> str:
        """Return the fingerprint of the files of a video; OSError where one cannot be read."""
        state = _state_of(files)
        seen = self._seen.get(video)
        if isinstance(seen, list) and len(seen) == 2 and seen[0] == state:
            return str(seen[1])
        fingerprint = fingerprint_of(files)
        self._seen[video] = [state, fingerprint]
        return fingerprint

    def save(self) -> None:
        """Write the memory's file."""
        if self.memory is not None:
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.memory, json.dumps(self._seen, indent=1) + "\n")


def fingerprint_of(files: Sequence[Path]) -> str:
    """Return `<number of files>-<digest of names, sizes and contents>`."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with open(path, "rb") as file:
            if size <= WHOLE_BYTES:
                digest.update(file.read())
                continue
            for block in range(SAMPLED_BLOCKS):
                file.seek((size - BLOCK_BYTES) * block // (SAMPLED_BLOCKS - 1))
                digest.update(file.read(BLOCK_BYTES))
    return f"{len(files)}-{digest.hexdigest()[:32]}"


def sampled_fingerprint(files: Sequence[Path], count: int = SAMPLED_FILES) -> str:
    """Return a fingerprint of all names and of the content of `count` files spread evenly.

    For sequences of a benchmark, whose every frame would take minutes to read. It sees frames that
    were added, removed or renamed, another copy of the sequence, and most replacements.
    """
    digest = hashlib.sha256("\0".join(path.name for path in files).encode())
    step = max(1, len(files) // count)
    for path in files[::step]:
        if path.is_file():
            digest.update(fingerprint_of([path]).encode())
    return f"{len(files)}-{digest.hexdigest()[:32]}"


def _state_of(files: Sequence[Path]) -> str:
    """Return a digest of names, sizes and times; a file cannot be replaced without its ctime."""
    digest = hashlib.sha256()
    for path in files:
        state = os.stat(path)
        times = f"{state.st_mtime_ns} {state.st_ctime_ns} {state.st_ino}"
        digest.update(f"{path}\0{state.st_size} {times}\0".encode())
    return digest.hexdigest()[:32]


def changed_videos(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return the videos whose fingerprint is not the one before; new ones are not among them."""
    return [
        name for name, fingerprint in now.items() if before.get(name, fingerprint) != fingerprint
    ]
