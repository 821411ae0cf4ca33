"""The number of cores that this process may use, and of workers that they carry."""

from __future__ import annotations

import logging
import os

logger = logging.getLogger(__name__)

# More loader workers have not made a loader faster: disks and the main process come first.
MOST_WORKERS = 16

# Workers that mostly wait for a disk or a network; each holds a copy of what it changes.
MOST_WORKERS_A_CORE = 16


def usable_cores() -> int:
    """Return the cores this process may use.

    In a container or a batch job these are fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(wanted: int | None = None) -> int:
    """Return `wanted`; by default a worker for each usable core but the one of the training itself.

    Several processes on the machine (torchrun) share its cores. At most 16; 0, loading in the
    process itself, on one core. A wish for more than a core carries is cut with a log line:
    batches do not depend on the number of workers, memory does.
    """
    if wanted is not None:
        most = usable_cores() * MOST_WORKERS_A_CORE
        if wanted > most:
            logger.warning(
                "%d loader workers are asked for; %d are started, %d for each core that this "
                "process may use",
                wanted,
                most,
                MOST_WORKERS_A_CORE,
            )
        return min(wanted, most)
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    share = usable_cores() // max(1, processes)
    return max(0, min(share - 1, MOST_WORKERS))
