"""Run all speed benchmarks that fit this machine, with rivals and targets in one table.

    python -m benchmarks            # a quarter of an hour on two cores that do nothing else
    python -m benchmarks --quick    # small sizes: shows that all of them run
    python -m benchmarks --only store loader --json results.json --markdown results.md
    python -m benchmarks --gpu      # the GPU part only, below 8 minutes; needs no data, no network
    python -m benchmarks --list

Each runs in a process of its own, so that memory and threads of one do not disturb the next, and
can be started alone (`python -m benchmarks.store --help`). One that fails or meets its time limit
is reported, keeps the rows it had, and makes the exit status 1; a missed target is in the table and
does not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import REPO
from benchmarks.results import Part, Run
from ltr.admin.errors import BadInput, BadValue, NotConfigured, run_script, suggestion
from ltr.io.files import write_text

GRACE = 15.0  # seconds a benchmark may go on after its time limit before it is ended


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder. `limit` and `gpu_limit`: seconds that it may take; None: it has no
    such part.
    """

    name: str
    measures: str
    limit: float | None
    gpu_limit: float | None = None
    module: str = ""

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", self.module or f"benchmarks.{self.name}", *options]


BENCHMARKS = (
    Benchmark(
        "store",
        "the pseudo-label store at 41,000 videos against one JSON re-read and re-written every "
        "epoch",
        1200,
    ),
    Benchmark(
        "index",
        "opening a training set of 30,000 videos against listing it and parsing all text",
        900,
    ),
    Benchmark(
        "loader", "samples of one loader worker against a loop written the reference's way", 600
    ),
    Benchmark(
        "training",
        "training iterations and their parts against the reference's way",
        1200,
        gpu_limit=240,
    ),
    Benchmark(
        "tracking",
        "frames/s of trackers against a plain eager run of the same network",
        1200,
        gpu_limit=195,
    ),
    Benchmark(
        "roi_pooling",
        "precise RoI pooling in plain torch against the compiled roi_align",
        300,
    ),
    Benchmark("light", "frames/s of the light tracker on one core against CSRT and KCF", 600),
)
# Studies of accuracy take hours, or data that has to be given; they are started by hand.
STUDIES = {
    "light_accuracy": "the light tracker on real sequences",
    "light_sizes": "sizes of the light tracker",
    "own_videos": "filling in boxes between labels",
    "second_round": "labelling again after new boxes",
    "discover": "targets found without labels",
    "budget_study": "accuracy against the number of labels",
    "real_data": "the method on real sequences",
    "schedule": "an estimate of the hours that a recipe trains on a GPU",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for, print and write the results; 1 when a benchmark failed."""
    options = _options(arguments)
    if options.list:
        print(_listing())
        return 0
    run = Run.start(options.quick)
    jobs = _jobs(options, bool(run.machine.gpus))
    print(run.machine.text(), flush=True)
    for benchmark, on_gpu in jobs:
        print(
            f"\n== {benchmark.name}{' on the GPU' if on_gpu else ''}: {benchmark.measures}",
            flush=True,
        )
        run.parts.append(measure(benchmark, options.quick, on_gpu))
        if options.json:
            run.write(options.json)
        if options.markdown:
            write_text(options.markdown, run.text(markdown=True))
    print(f"\n{'=' * 80}\n{run.text()}")
    return int(any(part.error for part in run.parts))


def measure(benchmark: Benchmark, quick: bool, on_gpu: bool) -> Part:
    """Run one in a process of its own; whatever happens to it, the rows it had come back."""
    limit = benchmark.gpu_limit if on_gpu else benchmark.limit
    told = ["--quick"] * quick + ["--gpu"] * on_gpu
    with tempfile.TemporaryDirectory() as folder:
        file, errors = Path(folder) / "rows.json", Path(folder) / "stderr"
        began = time.perf_counter()
        command = benchmark.command(
            *told, "--quiet", "--json", str(file), "--time-limit", str(limit)
        )
        status = _run(command, errors, limit + GRACE)
        said = errors.read_text(errors="replace").strip()
        if said:
            print(said, file=sys.stderr, flush=True)
        try:
            part = Run.read(file).parts[0]
        except BadInput:
            part = Part(benchmark.name, error="it wrote no rows")
        if status is None:
            part.error = f"ended after {limit:g} s, its time limit"
        elif status:
            part.error = said.splitlines()[-1] if said else f"exit status {status}"
    part.name = f"{benchmark.name}{' (GPU)' if on_gpu else ''}"
    part.command = " ".join(["python", "-m", f"benchmarks.{benchmark.name}", *told])
    part.seconds = round(time.perf_counter() - began, 1)
    return part


def _run(command: list[str], errors: Path, limit: float) -> int | None:
    """Exit status, or None when the process was ended at the limit. Its own children end with
    it.
    """
    paths = [str(REPO), *filter(None, [os.environ.get("PYTHONPATH")])]
    with open(errors, "w") as stderr:
        process = subprocess.Popen(
            command,
            cwd=REPO,
            stderr=stderr,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        try:
            return process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(
                    process.pid, signal.SIGKILL
                )  # workers that outlive it would disturb the next one
            process.wait()


def _jobs(options: argparse.Namespace, has_gpu: bool) -> list[tuple[Benchmark, bool]]:
    """Return what to run, each with whether its GPU part is meant: CPU parts first."""
    known = {benchmark.name: benchmark for benchmark in BENCHMARKS}
    for name in options.only or ():
        if name in STUDIES:
            raise BadValue(
                f"'{name}' is a study of accuracy, not of speed: start it with python -m "
                f"benchmarks.{name} --help"
            )
        if name not in known:
            raise BadValue(
                f"there is no benchmark '{name}'{suggestion(name, list(known))}; --list shows them"
            )
    chosen = [known[name] for name in dict.fromkeys(options.only or known)]
    if options.gpu and not has_gpu:
        raise NotConfigured(
            "torch sees no GPU: run --gpu on a machine with one, or leave it out for the CPU part"
        )
    jobs = (
        []
        if options.gpu
        else [(benchmark, False) for benchmark in chosen if benchmark.limit is not None]
    )
    jobs += [
        (benchmark, True) for benchmark in chosen if has_gpu and benchmark.gpu_limit is not None
    ]
    if not jobs:
        raise BadValue(
            f"none of {', '.join(b.name for b in chosen)} has a GPU part; leave --gpu out"
        )
    return jobs


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these benchmarks, in this order")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes: shows that they run, in a minute or two"
    )
    parser.add_argument("--gpu", action="store_true", help="the GPU part only, below 8 minutes")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write rows, machine and versions"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables for docs/performance.md"
    )
    parser.add_argument("--list", action="store_true", help="show what there is and run nothing")
    return parser.parse_args(arguments)


def _listing() -> str:
    lines = [
        f"  {b.name:<15}{b.measures}{' (also on a GPU)' if b.gpu_limit else ''}" for b in BENCHMARKS
    ]
    studies = [f"  {name:<15}{text}" for name, text in STUDIES.items()]
    return "\n".join(
        [
            "speed, run by python -m benchmarks:",
            *lines,
            "accuracy and estimates, started by hand with python -m benchmarks.NAME:",
            *studies,
        ]
    )


if __name__ == "__main__":
    run_script(main)
