"""Do video jobs in helper processes: plain children that read jobs from stdin and report on stdout.

Threads would wait for each other (drawing is many small NumPy calls), a fork is unsafe once torch
runs threads, and `multiprocessing`'s spawn imports the caller's script again. A child started by
name works from scripts and notebooks.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import spot_ext

Job = tuple[str, int]  # split, index


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(function: str, argument: object, jobs: Sequence[Job], count: int) -> Iterator[Job]:
    """Call `function(argument, split, index)` for each job in `count` processes; yield the jobs as
    they are done.

    `function` is `'module:name'`, `argument` anything that JSON holds. Jobs that wait are dropped
    when the caller stops or a child fails; those under way are finished. Raises RuntimeError when a
    child ends early, which has then shown why on stderr.
    """
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    reports: queue.SimpleQueue[Job | Exception] = queue.SimpleQueue()
    stopped = threading.Event()
    threads = [
        threading.Thread(
            target=_drive, args=(function, argument, waiting, reports, stopped), daemon=True
        )
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in jobs:
            report = reports.get()
            if isinstance(report, Exception):
                raise report
            yield report
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _drive(
    function: str,
    argument: object,
    waiting: queue.SimpleQueue,
    reports: queue.SimpleQueue,
    stopped: threading.Event,
) -> None:
    """Hand jobs to one child until none is left."""
    home = str(Path(spot_ext.__file__).parents[1])
    paths = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-c",
        f"from {__name__} import serve; serve()",
        function,
        json.dumps(argument),
    ]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        ) as child:
            while not stopped.is_set():
                split, index = waiting.get_nowait()
                child.stdin.write(f"{split} {index}\n")
                child.stdin.flush()
                if not child.stdout.readline():
                    raise RuntimeError(
                        f"toy videos: the process that drew video {index} of '{split}' ended "
                        "early, "
                        "its own message is above"
                    )
                reports.put((split, index))
    except queue.Empty:
        pass
    except Exception as error:
        reports.put(error)


def serve() -> None:
    """The child's side of `in_processes`."""
    import importlib

    import cv2

    cv2.setNumThreads(1)  # the processes fill the cores
    module, name = sys.argv[1].split(":")
    function, argument = getattr(importlib.import_module(module), name), json.loads(sys.argv[2])
    try:
        for line in sys.stdin:
            split, index = line.split()
            function(argument, split, int(index))
            print(line, end="", flush=True)
    except KeyboardInterrupt:
        pass  # the parent got it too, and says so
