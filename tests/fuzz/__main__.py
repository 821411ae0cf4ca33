"""A long campaign: `python -m tests.fuzz --minutes 10`, a table by target and outcome at its end.

`--target NAME --first N --count 1` makes one input again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import torch

from tests.fuzz.running import OUTCOMES, Tally, run
from tests.fuzz.targets import TARGETS

# Inputs of a target before the next one has its turn.
ROUND = 100


def main() -> int:
    """Try all targets in turn until the time is over; return 1 where an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first input (0)")
    parser.add_argument("--count", type=int, help="inputs of each target; default: until the end")
    parser.add_argument("--target", help="only targets whose name holds this text")
    options = parser.parse_args()
    # Processes are forked: a thread that holds a lock would hold it for ever.
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    targets = [item for item in TARGETS if (options.target or "") in item.name]
    until = time.monotonic() + 60 * options.minutes
    tallies = {item.name: Tally() for item in targets}
    first = options.first
    left = options.count
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < until and (left is None or left > 0):
            count = ROUND if left is None else min(ROUND, left)
            for target in targets:
                tally = run(target, Path(folder) / "work", first, count, until)
                tallies[target.name].counts += tally.counts
                tallies[target.name].failures += tally.failures
            first += count
            left = None if left is None else left - count
    print(table(tallies))
    failures = [(name, *failure) for name, tally in tallies.items() for failure in tally.failures]
    for name, number, outcome, detail in failures[:100]:
        print(f"{name} {number}: {outcome}: {detail}", file=sys.stderr)
    return 1 if failures else 0


def table(tallies: dict[str, Tally]) -> str:
    """Return the counts as a table in Markdown, with a line for all."""
    rows = [["target", "inputs", *OUTCOMES]]
    for name, tally in tallies.items():
        counts = [tally.counts[outcome] for outcome in OUTCOMES]
        rows.append([name, *map(str, (sum(counts), *counts))])
    sums = [sum(int(row[column]) for row in rows[1:]) for column in range(1, len(rows[0]))]
    rows.append(["all", *map(str, sums)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
