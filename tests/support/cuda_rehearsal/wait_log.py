"""Count by file and line what makes the host wait, and what is copied to the device."""

from __future__ import annotations

import collections
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from tests.support.cuda_rehearsal.graphs import RecordedCall

# The host waits for the device's stream:
# "item" reads one number, "to host" copies a tensor, "upload" copies from ordinary memory without
# `non_blocking`, "mask" asks for a number of rows that the device has to count first.
WAITS = ("item", "to host", "upload", "mask", "synchronize")

# "pageable" was meant not to block, but its source is not pinned, so CUDA copies it first.
UPLOADS = ("upload", "async upload", "pageable")

_OUR_FOLDER = str(Path(__file__).parent)
_FOREIGN_PATHS = (_OUR_FOLDER, "site-packages", "lib/python", "<")


class _ThreadState(threading.local):
    """State that CUDA keeps for each thread: the current device, and the graph being recorded."""

    device_index = 0
    recording: list[RecordedCall] | None = None


class WaitLog(collections.Counter):
    """Counts of `(kind, "file:line")`, where `kind` is one of `WAITS` and `UPLOADS`.

    It also knows the number of `devices` and what CUDA keeps for each `thread`.
    """

    def __init__(self, devices: int = 1):
        super().__init__()
        self.devices = devices
        self.root = os.getcwd()
        self.thread = _ThreadState()

    def note(self, kind: str) -> None:
        """Count `kind` at the caller's nearest line of this repository.

        While a graph is recorded, only an upload that does not block is allowed.
        """
        if self.thread.recording is not None and kind != "async upload":
            raise RuntimeError(
                f"CUDA error: operation not permitted when stream is capturing ({kind})"
            )
        self[kind, self._place()] += 1

    def count(self, *kinds: str) -> int:
        """Return how often one of `kinds` was noted."""
        return sum(times for (kind, _), times in self.items() if kind in kinds)

    def waits(self) -> int:
        """Return how often the host waited for the device."""
        return self.count(*WAITS)

    def uploads(self) -> int:
        """Return the number of copies to the device."""
        return self.count(*UPLOADS)

    def text(self) -> str:
        """Return a line for each kind and place, the most frequent first."""
        lines = [f"{times:8d}  {kind:<13}{place}" for (kind, place), times in self.most_common()]
        return "\n".join(lines)

    @contextlib.contextmanager
    def counting(self) -> Iterator[WaitLog]:
        """Give a log that holds, after the block, what was noted within it."""
        before = dict(self)
        within = WaitLog(self.devices)
        yield within
        for key, times in self.items():
            if times > before.get(key, 0):
                within[key] = times - before.get(key, 0)

    def resolve(self, name: torch.device | str | int) -> torch.device:
        """Return the device that `name` means now: 'cuda' is the current GPU."""
        device = torch.device("cuda", name) if isinstance(name, int) else torch.device(name)
        if device.type != "cuda":
            return device
        index = self.thread.device_index if device.index is None else device.index
        if index >= self.devices:
            raise RuntimeError("CUDA error: invalid device ordinal")
        return torch.device("cuda", index)

    def _place(self) -> str:
        frame = sys._getframe(2)
        while frame.f_back and _is_foreign(frame.f_code.co_filename):
            frame = frame.f_back
        if _is_foreign(frame.f_code.co_filename):
            return "?"
        return f"{os.path.relpath(frame.f_code.co_filename, self.root)}:{frame.f_lineno}"


def _is_foreign(file_name: str) -> bool:
    return any(part in file_name for part in _FOREIGN_PATHS)
