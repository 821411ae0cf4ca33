"""Trouble with the processes that load data, in sentences: shared memory, ends, open files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from ltr.admin.errors import BadInput

# Where workers hand over batches; containers give it 64 MB.
SHARED_MEMORY = Path("/dev/shm")
# Batches that wait in each worker, torch's prefetch_factor.
PREFETCHED = 2
# Seconds that a batch may take. A worker whose batch is lost would be waited for without an end;
# no disk is this slow.
WORKER_SECONDS = 900


def require_shared_memory(batch_bytes: int, workers: int) -> None:
    """Raise BadInput where the shared memory has no room for the batches that workers prepare.

    It is asked when workers start: torch drops a batch that finds no room.
    """
    try:
        room = os.statvfs(SHARED_MEMORY)
    # Systems without it hand over batches in another way.
    except (OSError, AttributeError):
        return
    free = room.f_bavail * room.f_frsize
    needed = PREFETCHED * workers * batch_bytes
    if needed <= free:
        return
    fitting = free // (PREFETCHED * max(1, batch_bytes))
    raise BadInput(
        f"{SHARED_MEMORY} has {_megabytes(free)} free, but {workers} workers need "
        f"{_megabytes(needed)} there for their batches; start the container with --shm-size="
        f"{-(-2 * needed // 2**20)}m, or train with --set num_workers={fitting}"
    )


def worker_failure(error: BaseException) -> str | None:
    """Return a sentence about a worker that ended or was lost, or None for other errors."""
    text = str(error)
    if (
        isinstance(error, OSError) and error.errno == errno.EMFILE
    ) or "Too many open files" in text:
        return (
            "this process has too many open files; raise the limit with ulimit -n, or train with "
            "--set num_workers=0."
        )
    if "unable to allocate shared memory" in text or "unable to write to file </torch_" in text:
        return (
            f"{SHARED_MEMORY} is full, through which workers hand over batches; start the "
            "container with a larger --shm-size, or train with --set num_workers=0."
        )
    if not isinstance(error, RuntimeError) or "DataLoader" not in text:
        return None
    if "timed out" in text:
        return (
            f"no worker handed over a batch for {WORKER_SECONDS} seconds; look whether the disk "
            f"answers and {SHARED_MEMORY} has room (--shm-size of a container), or train with "
            "--set num_workers=0."
        )
    if "killed by signal" in text or "exited unexpectedly" in text:
        return (
            "a worker that loads data was ended from outside, by the system when memory is short; "
            "train with fewer --set num_workers, or a smaller frame_cache_mb."
        )
    return None


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB" if size < 100 * 2**20 else f"{size / 2**20:,.0f} MB"
