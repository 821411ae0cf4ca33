"""Measure how far float32 strays, and derive the tolerances: `python -m tests.golden.spread`.

Every check runs, for some seeds, under the kernels of other CPUs, in float64, and in float64 with
inputs and weights that are rounded otherwise; each in a process of its own. The largest distances
go to tests/golden/data/tolerances.json and to the table in docs/fidelity.md; see
`tests.golden.tolerances` for the rule.

Finished runs are kept in the folder given with --work, and a command that was interrupted goes on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.golden.checks.tracking import PARTED
from tests.golden.comparison import Check, Comparison, as_float64, checks_of
from tests.golden.exact import ExactGolden, InFloat64, OtherSeed
from tests.golden.fidelity import write_table
from tests.golden.folder import COMMITTED, Golden
from tests.golden.tolerances import (
    ABSOLUTE,
    FILE,
    Distance,
    Quantity,
    Tolerance,
    Tolerances,
    difference,
    distance,
)
from tests.support import kernels

OBSERVED = FILE.with_name("observed.json")
SEEDS = (0, 1, 2)
# Cheap checks are repeated with inputs rounded in so many ways, checks of networks once.
ROUNDINGS = 4
# An input rounded otherwise that moves a result by more than this share has not let an error grow
# but made another decision: a target on the border of a cell goes to its neighbour. Both sides of a
# check compute from the same inputs; where kernels decide otherwise, *kernels* and *float64* show it.
DECISION = 2.0**-14


@dataclass(frozen=True)
class Run:
    """One process's share of the measurement."""

    seed: int
    kernels: kernels.Kernels
    # None: float32. Otherwise float64, with inputs rounded in this way unless it is 0.
    rounding: int | None = None

    @property
    def name(self) -> str:
        """Name the run's file."""
        if self.rounding is None:
            kind = self.kernels.name.replace(" ", "_").replace("'", "")
        elif self.rounding == 0:
            kind = "float64"
        else:
            kind = f"float64_rounded_{self.rounding}"
        return f"seed{self.seed}.{kind}"

    def checks(self, folder: Path) -> list[Check]:
        """List the checks of the folder that the run makes."""
        checks = checks_of(Golden(folder))
        if self.rounding is None or self.rounding <= 1:
            return checks
        return [check for check in checks if not is_costly(check)]


def is_costly(check: Check) -> bool:
    """Tell whether a check runs a full-size network."""
    return check.heavy or check.slow or check.name.startswith("train_step")


@dataclass(frozen=True)
class Recorded:
    """Our result for one quantity, as often as a check compares it."""

    kind: str
    slack: float
    outliers: float
    float64: bool
    values: list[np.ndarray]


class Recorder(Comparison):
    """Keeps our results instead of comparing them."""

    def __init__(self, name: str):
        super().__init__(name, Tolerances({}))
        self.recorded: dict[str, Recorded] = {}

    def tolerance(self, what: str) -> Tolerance:
        """Nothing is tolerated, as nothing is compared."""
        return Tolerance()

    def close(
        self,
        what: str,
        ours: Any,
        theirs: Any,
        *,
        kind: str = ABSOLUTE,
        slack: float = 0.0,
        outliers: float = 0.0,
        float64: bool = False,
    ) -> None:
        """Keep `ours`."""
        entry = self.recorded.setdefault(what, Recorded(kind, slack, outliers, float64, []))
        entry.values.append(as_float64(ours))

    def equal(self, what: str, ours: Any, theirs: Any) -> None:
        """Keep nothing: what must be equal has no tolerance."""


def record(run: Run, folder: Path, target: Path) -> None:
    """Make the run in this process and write its results to `target`."""
    kernels.apply_settings()
    exact = run.rounding is not None
    arrays: dict[str, np.ndarray] = {}
    described: dict[str, dict[str, Any]] = {}
    for check in run.checks(folder):
        golden = (
            ExactGolden(folder, run.seed, run.rounding or None)
            if exact
            else OtherSeed(folder, run.seed)
        )
        recorder = Recorder(check.name)
        try:
            with InFloat64() if exact else contextlib.nullcontext():
                check.compare(golden, recorder)
        except Exception:
            print(f"{run.name} {check.name}:", file=sys.stderr)
            traceback.print_exc()
            continue
        for what, entry in recorder.recorded.items():
            key = f"{check.name}|{what}"
            described[key] = {
                "kind": entry.kind,
                "slack": entry.slack,
                "outliers": entry.outliers,
                "float64": entry.float64,
                "count": len(entry.values),
            }
            for number, values in enumerate(entry.values):
                arrays[f"{key}|{number}"] = values
    unfinished = target.with_suffix(".part.npz")
    np.savez(unfinished, described=np.array(json.dumps(described)), **arrays)
    unfinished.rename(target)


def load(path: Path) -> dict[str, dict[str, Recorded]]:
    """Read a run's results: by check, then by quantity."""
    results: dict[str, dict[str, Recorded]] = {}
    with np.load(path) as file:
        for key, entry in json.loads(str(file["described"])).items():
            check, what = key.split("|", 1)
            values = [file[f"{key}|{number}"] for number in range(entry.pop("count"))]
            results.setdefault(check, {})[what] = Recorded(values=values, **entry)
    return results


def planned_runs(seeds: Sequence[int], few: bool = False) -> list[Run]:
    """List all runs: the first seed under all kernels and roundings, the others under few; with
    `few` the first one, too.
    """
    runs = []
    usable = [setting for setting in kernels.SETTINGS if kernels.usable(setting)]
    if few:
        usable = [kernels.DEFAULT, kernels.WITHOUT_ONEDNN]
    for number, seed in enumerate(seeds):
        chosen = usable if number == 0 else [kernels.DEFAULT, kernels.WITHOUT_ONEDNN]
        runs.extend(Run(seed, setting) for setting in chosen)
        runs.append(Run(seed, kernels.DEFAULT, 0))
        if number == 0:
            roundings = range(1, 2 if few else ROUNDINGS + 1)
            runs.extend(Run(seed, kernels.DEFAULT, rounding) for rounding in roundings)
    return runs


def measure(runs: Sequence[Run], folder: Path, work: Path, few: bool = False) -> None:
    """Make the runs that `work` does not hold yet, one after the other."""
    for number, run in enumerate(runs):
        target = work / f"{run.name}.npz"
        if target.is_file():
            continue
        print(f"{number + 1} of {len(runs)}: {run.name}", flush=True)
        command = [sys.executable, "-m", "tests.golden.spread", "--run", str(number)]
        command += ["--work", str(work), "--folder", str(folder)]
        command += ["--seeds", *(str(seed) for seed in dict.fromkeys(r.seed for r in runs))]
        command += ["--few"] if few else []
        subprocess.run(command, env={**os.environ, **run.kernels.environment}, check=True)


def derive(runs: Sequence[Run], work: Path, observed: dict[str, Any]) -> Tolerances:
    """Compare the runs' results with one another."""
    quantities: dict[str, dict[str, Quantity]] = {}
    for seed in dict.fromkeys(run.seed for run in runs):
        of_seed = [run for run in runs if run.seed == seed]
        # by name, as `Run` holds a mapping
        results = {run.name: load(work / f"{run.name}.npz") for run in of_seed}
        own = results[Run(seed, kernels.DEFAULT).name]
        exact = results[Run(seed, kernels.DEFAULT, 0).name]
        for run in of_seed:
            for check, what, entry in _entries(results[run.name]):
                quantity = quantities.setdefault(check, {}).get(what) or Quantity(
                    entry.kind,
                    0.0,
                    entry.float64,
                    Distance(),
                    Distance(),
                    Distance(),
                    _observed(observed, check, what),
                )
                distances = {
                    "kernels": Distance(),
                    "exact": Distance(),
                    "condition": Distance(),
                }
                if run.rounding is None:
                    distances["kernels"] = _distance(check, what, results[run.name], own)
                    distances["exact"] = _distance(check, what, results[run.name], exact)
                elif run.rounding:
                    moved = _distance(check, what, results[run.name], exact)
                    if not _is_decision(moved, entry):
                        distances["condition"] = moved
                quantities[check][what] = Quantity(
                    entry.kind,
                    max(quantity.scale, _scale(entry)),
                    entry.float64,
                    quantity.kernels | distances["kernels"],
                    quantity.exact | distances["exact"],
                    quantity.condition | distances["condition"],
                    quantity.observed,
                )
    return Tolerances(quantities)


def _entries(
    results: dict[str, dict[str, Recorded]],
) -> Iterator[tuple[str, str, Recorded]]:
    for check, quantities in results.items():
        for what, entry in quantities.items():
            yield check, what, entry


def _distance(
    check: str,
    what: str,
    ours: dict[str, dict[str, Recorded]],
    theirs: dict[str, dict[str, Recorded]],
) -> Distance:
    """Return the largest distance between two runs' results for one quantity."""
    total = Distance()
    if check not in theirs or what not in theirs[check]:
        return total
    entry = ours[check][what]
    frames = None
    if check.startswith("tracker_"):
        frames = _frames_before_parting(ours[check], theirs[check])
        frames -= 1 if what == "score" else 0
    for ours_values, theirs_values in zip(entry.values, theirs[check][what].values, strict=True):
        if ours_values.shape != theirs_values.shape:
            continue
        # both sides may be rounded, hence twice the slack
        total |= distance(
            ours_values[:frames] if frames is not None else ours_values,
            theirs_values[:frames] if frames is not None else theirs_values,
            entry.kind,
            entry.outliers,
            2 * entry.slack * (1 + 1e-9),
        )
    return total


def _is_decision(moved: Distance, entry: Recorded) -> bool:
    """Tell whether rounding the inputs has changed a decision and not only moved a result."""
    return moved.absolute > DECISION * _scale(entry) or moved.relative > DECISION


def _frames_before_parting(ours: dict[str, Recorded], theirs: dict[str, Recorded]) -> int:
    """Count the frames before two tracks go different ways at a tie of two scores."""
    what = next(what for what in ours if what.startswith("box px"))
    ours_boxes = ours[what].values[0]
    theirs_boxes = theirs[what].values[0]
    apart = np.flatnonzero(difference(ours_boxes, theirs_boxes).max(1) > PARTED)
    return int(apart[0]) if len(apart) else len(ours_boxes)


def _scale(entry: Recorded) -> float:
    sizes = [np.abs(values[np.isfinite(values)]).max(initial=0.0) for values in entry.values]
    return float(max(sizes, default=0.0))


def _observed(observed: dict[str, Any], check: str, what: str) -> Distance:
    """Return the largest difference that any machine has shown."""
    total = Distance()
    for machine in observed["machines"]:
        entry = machine["differences"].get(f"{check} {what}")
        if entry is not None:
            total |= Distance(**entry)
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and derive; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.golden.spread", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--work", type=Path, default=Path("spread"), help="folder for finished runs"
    )
    parser.add_argument(
        "--folder", type=Path, default=COMMITTED / "seed0", help="folder of reference numbers"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--few", action="store_true", help="few kernels and roundings for the first seed, too"
    )
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    runs = planned_runs(options.seeds, options.few)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.run is not None:
        run = runs[options.run]
        with contextlib.redirect_stdout(io.StringIO()):
            record(run, options.folder, options.work / f"{run.name}.npz")
        return 0

    measure(runs, options.folder, options.work, options.few)
    found = derive(runs, options.work, json.loads(OBSERVED.read_text()))
    form = Golden(options.folder).form
    measured = json.loads(FILE.read_text())["measured"]
    measured[form] = {
        "cpu": kernels.cpu_name(),
        "seeds": options.seeds,
        "runs": [run.name for run in runs],
    }
    # What was measured on folders of the other form stays.
    names = {check.name for check in checks_of(Golden(options.folder))}
    others = {
        name: entry for name, entry in Tolerances.load().quantities.items() if name not in names
    }
    tolerances = Tolerances({**others, **found.quantities})
    tolerances.save(FILE, measured)
    write_table(Tolerances.load())
    print(f"{FILE} and docs/fidelity.md are written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
