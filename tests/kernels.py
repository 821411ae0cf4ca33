"""Run the numeric tests under the kernels of other CPUs: `python -m tests.kernels`.

Prints one line a setting, and the failed tests below the table. Exit status: 0 all passed, 1 not
all. A setting that this CPU cannot follow (AVX512 on a CPU without it) is skipped, saying so.

    python -m tests.kernels                  # all settings, the quick numeric tests
    python -m tests.kernels --slow           # the slow ones too
    python -m tests.kernels --only threads   # settings whose names contain the text
    python -m tests.kernels --of-commit      # the setting that belongs to this commit, as CI does
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ltr.parallel.cores import usable_cores
from tests.support.kernels import DEFAULT, MEDIUM, SETTINGS, THREADS, Kernels, cpu_name, usable
from tests.support.numeric import existing_files

REPO = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """Outcome of the tests under one setting."""

    kernels: Kernels
    passed: int
    failed: tuple[str, ...]
    seconds: float

    @property
    def is_green(self) -> bool:
        """Tell whether tests ran and all of them passed."""
        return self.passed > 0 and not self.failed

    def __str__(self) -> str:
        verdict = "green" if self.is_green else "RED"
        return (
            f"{self.kernels.name:<26} {self.passed:>6} {len(self.failed):>6} "
            f"{self.seconds:>8.0f} s  {verdict}"
        )


def run_tests(kernels: Kernels, arguments: Sequence[str]) -> Row:
    """Run pytest under a setting, in a process of its own."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kernels_") as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments]
        process = subprocess.run(
            command,
            cwd=REPO,
            env={**os.environ, **kernels.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if not report.is_file():
            print(process.stdout, file=sys.stderr)
            return Row(kernels, 0, ("pytest wrote no report",), time.monotonic() - started)
        passed, failed = read_report(report)
    if failed:
        print(process.stdout, file=sys.stderr)
    return Row(kernels, passed, tuple(failed), time.monotonic() - started)


def read_report(path: Path) -> tuple[int, list[str]]:
    """Return the number of passed tests and the names of failed ones."""
    passed = 0
    failed = []
    for case in ElementTree.parse(path).iter("testcase"):
        outcomes = {child.tag for child in case}
        if outcomes & {"failure", "error"}:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" not in outcomes:
            passed += 1
    return passed, failed


def process_count(kernels: Kernels) -> str:
    """Return how many processes test at once: one for the cores that a setting's threads take.

    More would wait for each other's threads, which spin before they sleep.
    """
    threads = int(kernels.environment.get(THREADS, "1"))
    return str(max(1, usable_cores() // threads))


def setting_of_commit(commit: str, settings: Sequence[Kernels]) -> Kernels:
    """Choose a setting by a commit's hash, always the same one for a commit."""
    return settings[int(commit, 16) % len(settings)]


def current_commit() -> str:
    """Return the hash of the checked-out commit; all zeros outside a repository."""
    process = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True)
    return process.stdout.strip() if process.returncode == 0 else "0"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tests; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="settings with TEXT in the name")
    parser.add_argument("--of-commit", action="store_true", help="the setting of this commit")
    parser.add_argument("--slow", action="store_true", help="run slow tests too")
    parser.add_argument("--workers", default="auto", help="test processes (default: auto)")
    parser.add_argument("tests", nargs="*", help="files or tests (default: all numeric ones)")
    options = parser.parse_args(arguments)
    settings: Sequence[Kernels] = [*SETTINGS, MEDIUM]
    if options.of_commit:
        others = [kernels for kernels in settings if kernels != DEFAULT and usable(kernels)]
        settings = [setting_of_commit(current_commit(), others)]
    settings = [kernels for kernels in settings if options.only in kernels.name]
    if not settings:
        print(f"no setting is called '*{options.only}*'", file=sys.stderr)
        return 2

    chosen = "numeric" if options.slow else "numeric and not slow"
    selection = ["-m", chosen, *(options.tests or existing_files())]
    print(f"numeric tests on {cpu_name()}")
    print(f"{'kernels':<26} {'passed':>6} {'failed':>6} {'time':>10}")
    rows = []
    for kernels in settings:
        if not usable(kernels):
            print(f"{kernels.name:<26} skipped: this CPU lacks {kernels.needs}")
            continue
        workers = process_count(kernels) if options.workers == "auto" else options.workers
        rows.append(run_tests(kernels, ["-n", workers, *selection]))
        print(rows[-1], flush=True)
    for row in rows:
        for name in row.failed:
            print(f"{row.kernels.name}: {name}")
    return 0 if rows and all(row.is_green for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
