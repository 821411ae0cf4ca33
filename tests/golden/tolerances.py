"""Tolerances of the checks: how they are derived, and the file that holds them.

`python -m tests.golden.spread` measures, for every quantity and several seeds, three distances:

- *kernels*: between float32 results of other CPUs' kernels and of this CPU's own,
- *float64*: between any of these float32 results and the same computation in float64,
- *condition*: between the float64 result and that for inputs and weights that are rounded otherwise.

The spread is the largest of the three. A tolerance is the spread times `MARGIN`, at least the
float32 floor and at least twice what any machine has shown, rounded up to 1, 2 or 5.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ltr.admin.errors import BadInput

FILE = Path(__file__).resolve().parent / "data" / "tolerances.json"

# Our result and the reference's may each be a spread away from the truth, which gives 2. Seeds and
# CPUs that were not measured go beyond the largest of a few measured ones: another 4.
MARGIN = 8
# A float32 result of several operations may be some units in the last place off even where all
# kernels at hand agree.
FLOOR_FLOAT32 = 16 * 2.0**-24
# The same for quantities that both sides compute in float64.
FLOOR_FLOAT64 = 1024 * 2.0**-53
# Machines that showed a difference are two samples of all machines.
OBSERVED_MARGIN = 2
# Values below this share of the largest one have an absolute tolerance where `MIXED` is asked for:
# gradients that are zero in exact arithmetic hold nothing but rounding errors.
SMALL = 1e-3

ABSOLUTE = "absolute"
RELATIVE = "relative"
MIXED = "mixed"


@dataclass(frozen=True)
class Tolerance:
    """Largest allowed distance from a value: `absolute + relative * |value|`."""

    absolute: float = 0.0
    relative: float = 0.0

    def __str__(self) -> str:
        terms = []
        if self.absolute:
            terms.append(f"{self.absolute:g} abs")
        if self.relative:
            terms.append(f"{self.relative:g} rel")
        return " + ".join(terms) or "exact"


@dataclass(frozen=True)
class Distance:
    """Distance between two arrays of one quantity.

    `absolute` is in the quantity's unit, `relative` a share of each value. A quantity whose
    tolerance is absolute has no relative distance, and the other way round.
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __or__(self, other: Distance) -> Distance:
        """Return the larger one in each respect."""
        return Distance(
            max(self.absolute, other.absolute),
            max(self.relative, other.relative),
        )


def distance(
    ours: np.ndarray, theirs: np.ndarray, kind: str, outliers: float = 0.0, slack: float = 0.0
) -> Distance:
    """Measure how far `ours` is from `theirs`, without the `outliers` share of farthest values."""
    differences = np.maximum(difference(ours, theirs) - slack, 0.0).ravel()
    sizes = np.abs(theirs).ravel()
    if outliers:
        kept = np.argsort(differences)[: differences.size - int(outliers * differences.size)]
        differences = differences[kept]
        sizes = sizes[kept]
    if kind == ABSOLUTE:
        return Distance(float(differences.max(initial=0.0)))

    threshold = 0.0 if kind == RELATIVE else SMALL * np.nanmax(sizes, initial=0.0)
    small = ~(sizes > threshold)
    shares = np.divide(differences, sizes, out=np.zeros_like(differences), where=~small)
    return Distance(float(differences[small].max(initial=0.0)), float(shares.max(initial=0.0)))


def difference(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return |ours - theirs|: 0 for the same infinity or NaN, infinite for NaN and a number."""
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        differences = np.where(same, 0.0, np.abs(ours - theirs))
    return np.where(np.isnan(differences), np.inf, differences)


@dataclass(frozen=True)
class Quantity:
    """One quantity's spread, and the tolerance that follows from it."""

    kind: str
    scale: float  # largest absolute value seen
    float64: bool  # both sides compute it in float64
    kernels: Distance
    exact: Distance  # from float64
    condition: Distance
    observed: Distance = Distance()

    @property
    def spread(self) -> Distance:
        """Return the largest of the measured distances."""
        return self.kernels | self.exact | self.condition

    @property
    def tolerance(self) -> Tolerance:
        """Return the tolerance that follows from the spread."""
        floor = FLOOR_FLOAT64 if self.float64 else FLOOR_FLOAT32
        absolute = max(MARGIN * self.spread.absolute, OBSERVED_MARGIN * self.observed.absolute)
        relative = max(MARGIN * self.spread.relative, OBSERVED_MARGIN * self.observed.relative)
        if self.kind == ABSOLUTE:
            return Tolerance(rounded_up(max(absolute, floor * self.scale)))
        if self.kind == MIXED:
            absolute = max(absolute, floor * SMALL * self.scale)
        return Tolerance(rounded_up(absolute), rounded_up(max(relative, floor)))


def rounded_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on, in either direction; 0 stays."""
    if value == 0:
        return 0.0
    exponent = math.floor(math.log10(value))
    for digit in (1, 2, 5, 10):
        candidate = float(f"{digit}e{exponent}")
        # the factor forgives the rounding of the candidate itself
        if value <= candidate * (1 + 1e-9):
            return candidate
    raise AssertionError(f"no candidate above {value}")


class Tolerances:
    """Tolerances by check and quantity."""

    def __init__(self, quantities: Mapping[str, Mapping[str, Quantity]]):
        self.quantities = quantities

    def get(self, check: str, what: str) -> Tolerance:
        """Return a quantity's tolerance; an unknown one is an error that names the command."""
        try:
            return self.quantities[check][what].tolerance
        except KeyError:
            raise BadInput(
                f"'{check} {what}' has no tolerance in {FILE.name}; measure it with python -m "
                "tests.golden.spread"
            ) from None

    @classmethod
    def load(cls, path: Path = FILE) -> Tolerances:
        """Read the committed file."""
        stored = json.loads(path.read_text())["checks"]
        return cls(
            {
                check: {what: _from_json(entry) for what, entry in quantities.items()}
                for check, quantities in stored.items()
            }
        )

    def save(self, path: Path, measured: Mapping[str, object]) -> None:
        """Write the file; `measured` says on which machine, seeds and kernels."""
        checks = {
            check: {what: _to_json(quantity) for what, quantity in quantities.items()}
            for check, quantities in self.quantities.items()
        }
        path.write_text(json.dumps({"measured": measured, "checks": checks}, indent=1) + "\n")


def _to_json(quantity: Quantity) -> dict[str, object]:
    entry: dict[str, object] = {
        "kind": quantity.kind,
        "float64": quantity.float64,
        "scale": float(f"{quantity.scale:.3g}"),
    }
    for name in ("kernels", "exact", "condition", "observed"):
        value = asdict(getattr(quantity, name))
        entry[name] = {part: float(f"{number:.2e}") for part, number in value.items() if number}
    tolerance = asdict(quantity.tolerance)
    entry["tolerance"] = {part: number for part, number in tolerance.items() if number}
    return entry


def _from_json(entry: dict) -> Quantity:
    distances = {
        name: Distance(**entry[name]) for name in ("kernels", "exact", "condition", "observed")
    }
    quantity = Quantity(entry["kind"], entry["scale"], entry["float64"], **distances)
    if quantity.tolerance != Tolerance(**entry["tolerance"]):
        raise BadInput(
            f"{FILE.name}: a tolerance is not the one that its spread gives; write the file with "
            "python -m tests.golden.spread"
        )
    return quantity
