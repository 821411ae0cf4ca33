"""Enter and leave the rehearsal."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from unittest import mock

import torch

from tests.support.cuda_rehearsal.aten_calls import AtenWatcher
from tests.support.cuda_rehearsal.autocast import fp32_kernels
from tests.support.cuda_rehearsal.torch_cuda import replacements
from tests.support.cuda_rehearsal.torch_functions import PythonAnswers
from tests.support.cuda_rehearsal.wait_log import WaitLog


@contextlib.contextmanager
def rehearsal(devices: int = 1, tf32: bool = False) -> Iterator[WaitLog]:
    """Within the block this process has `devices` GPUs; gives the log of waits and uploads.

    `tf32` rounds the inputs of fp32 convolutions as tensor cores do, where torch allows it.
    """
    log = WaitLog(devices)
    with contextlib.ExitStack() as stack:
        stack.enter_context(fp32_kernels())
        for owner, attributes in replacements(log):
            for name, value in attributes.items():
                stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(_keeping_tf32_switches())
        stack.enter_context(_watching(log, tf32))
        stack.enter_context(_watching_new_threads(log, tf32))
        yield log


@contextlib.contextmanager
def _keeping_tf32_switches() -> Iterator[None]:
    """Restore after the block whether products and convolutions may use TF32."""
    products = torch.backends.cuda.matmul.allow_tf32
    convolutions = torch.backends.cudnn.allow_tf32
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = convolutions


@contextlib.contextmanager
def _watching(log: WaitLog, tf32: bool) -> Iterator[None]:
    """Watch this thread: torch's modes belong to a thread."""
    python = PythonAnswers(log)
    with python, AtenWatcher(log, python, tf32):
        yield


@contextlib.contextmanager
def _watching_new_threads(log: WaitLog, tf32: bool) -> Iterator[None]:
    """Watch the threads that are started within the block, too."""
    run_unwatched = threading.Thread.run

    def run_watched(thread: threading.Thread) -> None:
        with _watching(log, tf32):
            run_unwatched(thread)

    with mock.patch.object(threading.Thread, "run", run_watched):
        yield
