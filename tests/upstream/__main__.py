"""Run every recipe and tracker of a checkout of pytracking's shape as plug-ins.

    python -m tests.upstream CHECKOUT                    # everything
    python -m tests.upstream CHECKOUT --only dimp        # rows whose names contain the text

A recipe passes when it imports; a tracker passes when it follows the target over 8 frames on a CPU,
with random weights of the network that its recipe builds. Each row is a process of its own. Prints
one line a row, and ends with `N passed, M failed`; exit status 1 when a row failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
# s; a row takes about 20 s on one core, ToMP101 three times as long
LONGEST_ROW = 600
# The parameter files that stand for the many of one tracker; others of it differ in numbers only.
TRACKERS = (
    ("atom", "default"),
    ("dimp", "dimp18"),
    ("dimp", "dimp50"),
    ("dimp", "prdimp18"),
    ("dimp", "prdimp50"),
    ("dimp", "super_dimp"),
    ("dimp_simple", "super_dimp_simple"),
    ("eco", "default"),
    ("keep_track", "default"),
    ("kys", "default"),
    ("lwl", "lwl_boxinit"),
    ("rts", "rts50"),
    ("tamos", "tamos_resnet50"),
    ("tomp", "tomp50"),
    ("tomp", "tomp101"),
)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("checkout", type=Path, help="folder with ltr/ and pytracking/")
    parser.add_argument("--only", default="", help="rows whose names contain this text")
    options = parser.parse_args(arguments)
    checkout = options.checkout.resolve()
    if not (checkout / "ltr").is_dir() or not (checkout / "pytracking").is_dir():
        parser.error(f"{checkout} is no checkout: it has no folder ltr or none pytracking")
    passed = failed = 0
    for kind, module, name in rows(checkout):
        title = f"{kind} {module} {name}"
        if options.only not in title:
            continue
        start = time.perf_counter()
        complaint = run_row(checkout, kind, module, name)
        seconds = time.perf_counter() - start
        passed += complaint is None
        failed += complaint is not None
        print(f"{title:45} {seconds:6.1f} s  {complaint or 'passed'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


def rows(checkout: Path) -> Iterator[tuple[str, str, str]]:
    """Return kind, module and name of every row: its recipes, then its trackers."""
    for file in sorted(checkout.glob("ltr/train_settings/*/*.py")):
        if file.name != "__init__.py":
            yield "recipe", file.parent.name, file.stem
    listed = {tracker for tracker, _ in TRACKERS}
    for folder in sorted(checkout.glob("pytracking/parameter/*/")):
        names = sorted(file.stem for file in folder.glob("*.py") if file.name != "__init__.py")
        chosen = [name for tracker, name in TRACKERS if tracker == folder.name and name in names]
        # Of a tracker that we have no choice for, such as a fork's own, all files are tried.
        for name in chosen if folder.name in listed and chosen else names:
            yield "tracker", folder.name, name


def run_row(checkout: Path, kind: str, module: str, name: str) -> str | None:
    """Run a row in a process of its own; return what went wrong, None where nothing did."""
    command = [sys.executable, "-m", "tests.upstream.row", str(checkout), kind, module, name]
    environment = os.environ | {"PYTRACKING_PLUGINS": str(checkout), "MPLBACKEND": "Agg"}
    try:
        done = subprocess.run(
            command,
            cwd=REPO,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST_ROW,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"took longer than {LONGEST_ROW} s"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines() or ["no message"]
    return lines[-1]


if __name__ == "__main__":
    sys.exit(main())
