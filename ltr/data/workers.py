"""How many loader workers a machine has cores for."""

from __future__ import annotations

import os

MOST = 16  # more have not made a loader faster: disks and the main process come first


def usable_cores() -> int:
    """Cores this process may use, which in a container or a batch job are fewer than the machine
    has.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_count(wanted: int | None = None) -> int:
    """`wanted`, or by default one worker for each core that this process may use, less one for the
    training itself.

    Several processes on the machine (torchrun) share its cores. At most 16; 0, loading in the
    process itself, on one core.
    """
    if wanted is not None:
        return wanted
    share = usable_cores() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    return max(0, min(share - 1, MOST))
