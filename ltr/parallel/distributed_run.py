"""A run of several processes: they begin together, and end together with one sentence when any of
them fails.

torchrun starts the processes, on one machine or many, and tells each its number by environment
variables. Processes that wait for one that has failed would wait long, and each would have a
traceback to show: so whoever fails first says why, on a board that all can read, and the others
leave without a word.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator

import torch
import torch.distributed as dist

from ltr.admin.errors import BadInput, BadValue
from ltr.parallel import distributed

PATIENCE = datetime.timedelta(
    hours=2
)  # for processes that are alive: process 0 may read a large data set before all others
_LOOK, _GRACE = (
    2.0,
    20.0,
)  # seconds between looks at the board, and for what was in flight when another failed
_FAREWELL = 5.0  # seconds that the board stays for others that fail too
_FAILED = "failed"


@contextlib.contextmanager
def distributed_run() -> Iterator[None]:
    """Be one of the processes that torchrun started while the block runs; without torchrun nothing
    happens.

    GPUs talk over NCCL, CPUs over gloo. Each process has the GPU of its LOCAL_RANK; only process 0
    writes to stdout.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1 or "RANK" not in os.environ:
        yield
        return
    watched, board = _join()
    if not distributed.is_main_process():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process
        logging.disable(logging.INFO)
    try:
        with _watching(watched):
            yield
            distributed.barrier()
    except BaseException as error:
        first = _first_to_fail(board)
        if isinstance(error, SystemExit):
            raise
        if not first:
            sys.exit(1)  # the reason has been said
        if _is_lost_connection(error):
            raise BadInput(
                f"process {distributed.get_rank()} of {distributed.get_world_size()} lost another "
                "one, which has "
                "ended without a word (killed, or out of memory?): start the same command again "
                "to go on from the "
                "last checkpoint"
            ) from error
        raise
    dist.destroy_process_group()


def local_device() -> torch.device | None:
    """The GPU of this process in a run of several; None in one process, and without GPUs."""
    if distributed.get_world_size() == 1 or not torch.cuda.is_available():
        return None
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))


def _join() -> tuple[dist.Store, dist.Store]:
    """Wait for all processes; returns the board twice, to watch and to write on: a connection does
    one thing at a time.
    """
    if torch.cuda.is_available():
        number, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if number >= count:
            raise BadValue(
                f"process {number} of this machine has no GPU, of which there are {count}: start "
                "torchrun with "
                f"--nproc-per-node {count}, or hide all of them with CUDA_VISIBLE_DEVICES= to use "
                "the CPU"
            )
        torch.cuda.set_device(number)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE
    )
    place, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    name = f"together_{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    boards = [dist.PrefixStore(name, dist.TCPStore(place, port, is_master=False)) for _ in range(2)]
    distributed.barrier()  # the board may end with process 0: nobody goes on before all can read it
    return boards[0], boards[1]


def _first_to_fail(board: dist.Store) -> bool:
    try:
        first = board.add(_FAILED, 1) == 1
        if (
            distributed.is_main_process()
            and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        ):
            _keep_for_others(board)
    except (dist.DistError, RuntimeError):  # it has ended with the process that kept it
        return True
    return first


def _keep_for_others(board: dist.Store) -> None:
    """Process 0 keeps the board, which torchrun does otherwise: what all refuse is said by one of
    them.
    """
    end = time.monotonic() + _FAREWELL
    while board.add(_FAILED, 0) < distributed.get_world_size() and time.monotonic() < end:
        time.sleep(0.05)


@contextlib.contextmanager
def _watching(board: dist.Store) -> Iterator[None]:
    """End this process a while after another has failed: it may wait for a GPU that will never
    answer.
    """
    done = threading.Event()

    def watch() -> None:
        with contextlib.suppress(dist.DistError, RuntimeError):  # the board ends with the run
            while not board.check([_FAILED]):
                if done.wait(_LOOK):
                    return
            if not done.wait(_GRACE):
                os._exit(1)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _is_lost_connection(error: BaseException) -> bool:
    """Say whether this is how torch says that another process is gone."""
    return isinstance(error, dist.DistError) or (
        type(error) is RuntimeError and "gloo" in str(error)
    )
