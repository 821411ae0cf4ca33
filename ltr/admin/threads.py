"""How threads of one process wait for each other."""

from __future__ import annotations

import os


def let_waiting_threads_sleep() -> None:
    """Torch's threads, and those of processes started later, sleep while they wait instead of spinning.

    On cores that other programs use, too, spinning slows everything several times: the light tracker fell from 13 to 5
    frames/s beside two busy processes on two cores. What OMP_WAIT_POLICY says already stays. To be called before torch is
    loaded, which reads it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
