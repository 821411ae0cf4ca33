"""Settings of how threads of one process wait for each other."""

from __future__ import annotations

import os

SPINS = 10_000  # some tens of microseconds, the time between two operations of a network


def limit_openmp_spinning() -> None:
    """Torch's threads, and those of processes started later, wait spinning for a moment only and
    then sleep.

    Where other programs use the cores, too, spinning slows everything several times; sleeping at
    once costs half of the speed on free cores. On two cores, frames/s of the light tracker free and
    beside two busy processes: 70 and 5 as torch does it, 33 and 14 with OMP_WAIT_POLICY=PASSIVE, 70
    and 12 like this. What the environment says already stays. To be called before torch is loaded,
    whose OpenMP (GNU's) reads it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
