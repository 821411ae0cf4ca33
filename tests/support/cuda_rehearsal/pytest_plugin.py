"""Give every test of a session rehearsed GPUs, as a plug-in of pytest.

REHEARSED_GPUS is their number (1); with REHEARSED_TF32 they convolve in TF32.
"""

from __future__ import annotations

import contextlib
import os


def pytest_configure(config) -> None:
    """Enter the rehearsal for the whole session."""
    from tests.support.cuda_rehearsal.rehearsing import rehearsal

    devices = int(os.environ.get("REHEARSED_GPUS", "1"))
    tf32 = bool(os.environ.get("REHEARSED_TF32"))
    stack = contextlib.ExitStack()
    stack.enter_context(rehearsal(devices, tf32))
    config.add_cleanup(stack.close)
