"""Render videos in several processes.

Threads would wait for each other, because rendering is many small NumPy calls, and a fork is unsafe
once torch runs threads. The processes are therefore spawned; a script that renders needs the usual
`if __name__ == "__main__":`.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2

from ltr.admin.errors import BadInput
from ltr.parallel.cores import usable_cores

Job = TypeVar("Job")


def render_in_processes(
    render: Callable[[Job], object], jobs: Sequence[Job], processes: int
) -> Iterator[Job]:
    """Call `render(job)` for each job in so many processes; yield each job when it is done.

    `render` and the jobs are pickled. When the caller stops early or a job fails, jobs that wait
    are dropped and jobs under way are finished. Raises the job's own error, and BadInput when a
    process ended without one. No more processes are started than there are cores and jobs.
    """
    executor = ProcessPoolExecutor(
        max(1, min(processes, usable_cores(), len(jobs))),
        mp_context=multiprocessing.get_context("spawn"),
        # The processes fill the cores; more threads would only wait for each other.
        initializer=cv2.setNumThreads,
        initargs=(1,),
    )
    try:
        job_of = {executor.submit(render, job): job for job in jobs}
        for future in as_completed(job_of):
            future.result()
            yield job_of[future]
    except BrokenProcessPool as error:
        raise BadInput(
            "rendering: a process ended early, perhaps for lack of memory; start the same command "
            "again, finished videos are kept"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
