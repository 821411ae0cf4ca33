"""A Ray cluster as workers: sequences are tracked by many machines, their results stored by the one
that asks.

Every machine needs this package, and the data and networks under the same paths (a shared file
system).
"""

from __future__ import annotations

import math
import os
import pickle
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future

import cv2

from ltr.admin.errors import BadInput, NotConfigured
from ltr.admin.installing import install_command
from ltr.io import plugins
from pytracking.evaluation.workers import Part

LOCAL = "local"  # the address that starts a cluster on this machine
_VARIABLES = ("PYTRACKING_LOCAL", "LTR_LOCAL")  # that say where data and networks are


class Cluster:
    """Workers of the Ray cluster at `address` ('host:6379', 'ray://host:10001', 'auto', or 'local':
    this machine).

    Each takes one core, and the share `gpus` of a GPU: 0.25 lets four of them share one. The
    default is a whole one where the cluster has GPUs. Ray gives what a dead worker had in hand to
    another one, which may be on another machine.
    """

    slots = 10_000  # given to Ray at once, which shares them out

    def __init__(self, address: str, work: Callable[[Part], list], gpus: float | None = None):
        ray = _ray()
        errors = ray.exceptions
        self.died = (
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        )
        self._ray = ray
        self._owned = not ray.is_initialized()
        if self._owned:
            _connect(ray, address)
        there = ray.cluster_resources().get("GPU", 0)
        gpus = float(there > 0) if gpus is None else gpus
        if gpus > 0 and there == 0:
            self.close()
            raise BadInput(f"the Ray cluster at {address} has no GPU - leave --ray_gpus out")
        if gpus > 1 and gpus != math.floor(gpus):
            self.close()
            raise BadInput(
                f"--ray_gpus {gpus:g} cannot be given - use a part of 1, or a whole number"
            )
        self._work = ray.put(ray.cloudpickle.dumps(work))
        self._environment = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
        self._do = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=0)(
            do
        )  # `outcomes` gives it out again

    def start(self, part: Part) -> Future:
        """See `Workers`."""
        return self._do.remote(
            self._work, self._ray.cloudpickle.dumps(part), self._environment, plugins.folders()
        ).future()

    def close(self, at_once: bool = False) -> None:
        """Leave the cluster, which ends what it still does for this process."""
        if self._owned:
            self._ray.shutdown()


def do(work: bytes, part: bytes, environment: dict[str, str], plugin_folders: list[str]) -> list:
    """`work(part)` in a worker of the cluster, where plug-ins have to be known before what is
    pickled is read.
    """
    os.environ.update(environment)
    plugins.activate(plugin_folders)
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    return pickle.loads(work)(pickle.loads(part))


def _ray():
    try:
        import ray
        import ray.cloudpickle
        import ray.exceptions
    except ImportError:
        raise NotConfigured(f"--ray needs the package ray: {install_command('ray')}") from None
    return ray


def _connect(ray, address: str) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=None if address == LOCAL else address,
            log_to_driver=False,
            logging_level="warning",
            include_dashboard=False if address == LOCAL else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BadInput(
            f"there is no Ray cluster at '{address}' ({' '.join(str(error).split())[:200]}) - "
            "start one with "
            f"`ray start --head`, or use --ray {LOCAL}"
        ) from None
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(
            signal.SIGTERM, handler
        )  # Ray's would end this process with another status than ours
