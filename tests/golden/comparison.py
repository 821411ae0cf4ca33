"""Results of a check, and the list of all checks."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tests.golden.folder import SPOT, Golden
from tests.golden.tolerances import (
    ABSOLUTE,
    RELATIVE,
    Tolerance,
    Tolerances,
    difference,
)


@dataclass(frozen=True)
class Result:
    """Distance of one quantity from the reference's."""

    name: str
    # the largest difference
    absolute: float
    # the same, divided by the largest value of its array; by each value under a relative tolerance
    relative: float
    tolerance: str
    passed: bool

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        return (
            f"{self.name:<66} abs {self.absolute:<9.2e} rel {self.relative:<9.2e} tolerance "
            f"{self.tolerance:<22} {verdict}"
        )


class Comparison:
    """Collects the results of one check.

    A quantity that is compared several times has one result, the worst.
    """

    def __init__(self, name: str, tolerances: Tolerances):
        self.name = name
        self.tolerances = tolerances
        self._results: dict[str, Result] = {}

    @property
    def results(self) -> list[Result]:
        """One result a quantity."""
        return list(self._results.values())

    def tolerance(self, what: str) -> Tolerance:
        """Return the tolerance of a quantity of this check."""
        return self.tolerances.get(self.name, what)

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
        """Compare `ours` with `theirs` within the quantity's tolerance (`tests.golden.tolerances`).

        `kind` says how the quantity is measured when its tolerance is derived: in its own unit, as
        a share of every value, or as a share of large values and in its own unit for small ones.
        `slack` comes on top of the tolerance, for numbers that one side rounds coarsely. `outliers`
        is the share of values that need not agree. `float64` marks quantities that both sides
        compute in float64. NaN is close to NaN only.
        """
        self._compare(what, ours, theirs, self.tolerance(what), kind, slack, outliers)

    def _compare(
        self,
        what: str,
        ours: Any,
        theirs: Any,
        tolerance: Tolerance,
        kind: str = ABSOLUTE,
        slack: float = 0.0,
        outliers: float = 0.0,
    ) -> None:
        ours = as_float64(ours)
        theirs = as_float64(theirs)
        allowed = replace(tolerance, absolute=tolerance.absolute + slack)
        if ours.shape != theirs.shape:
            self._add(Result(what, float("inf"), float("inf"), str(allowed), False))
            return

        differences = difference(ours, theirs)
        sizes = np.abs(np.where(np.isfinite(theirs), theirs, 0.0))
        wrong = differences > allowed.absolute + allowed.relative * sizes
        passed = int(wrong.sum()) <= int(outliers * wrong.size)
        if passed:
            differences = np.where(wrong, 0.0, differences)
        if kind != RELATIVE:
            # in an array with zeros in it, shares of single values mean nothing
            sizes = np.full_like(sizes, sizes.max(initial=0.0))
        shares = np.divide(differences, sizes, out=differences.copy(), where=sizes > 0)
        self._add(
            Result(
                what,
                float(differences.max(initial=0.0)),
                float(shares.max(initial=0.0)),
                str(allowed),
                passed,
            )
        )

    def equal(self, what: str, ours: Any, theirs: Any) -> None:
        """Compare arrays, or nested plain values; both must be the same."""
        if isinstance(ours, (np.ndarray, torch.Tensor)) or isinstance(
            theirs, (np.ndarray, torch.Tensor)
        ):
            self._compare(what, ours, theirs, Tolerance())
        else:
            distance = 0.0 if ours == theirs else float("inf")
            self._add(Result(what, distance, distance, "exact", not distance))

    def _add(self, result: Result) -> None:
        result = replace(result, name=f"{self.name} {result.name}")
        old = self._results.get(result.name)
        if old is not None:
            result = replace(
                result,
                absolute=max(old.absolute, result.absolute),
                passed=old.passed and result.passed,
                relative=max(old.relative, result.relative),
            )
        self._results[result.name] = result


def as_float64(value: Any) -> np.ndarray:
    """Copy a tensor, an array or plain numbers to a float64 array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.array(value, dtype=np.float64)


@functools.lru_cache(maxsize=1)
def committed_tolerances() -> Tolerances:
    """Read the committed tolerances once."""
    return Tolerances.load()


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Multiply float32 matrices in float32, whatever the process has chosen before.

    A lower setting lets some CPUs multiply in bfloat16, which has three digits.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@dataclass(frozen=True)
class Check:
    """Calls the library and compares it with files.

    `files` belong to one seed, `common` to all; both may be folders. `slow` checks take more than a
    few seconds on one core, `heavy` ones only on a folder that is not reduced.
    """

    name: str
    run: Callable[[Golden, Comparison], None]
    files: tuple[str, ...]
    common: tuple[str, ...] = ()
    slow: bool = False
    heavy: bool = False
    # The form of the folders that it reads, see `Golden.form`.
    form: str = SPOT

    def missing(self, golden: Golden) -> list[str]:
        """List files that the check needs and `golden` lacks."""
        own = [name for name in self.files if not golden.path(name).exists()]
        shared = [name for name in self.common if not golden.common(name).exists()]
        return own + shared

    def reads(self, name: str) -> bool:
        """Tell whether it compares with the file `name`, given relative to the folder."""
        return any(name == file or name.startswith(f"{file}/") for file in self.files)

    def results(self, golden: Golden) -> list[Result]:
        """Run the check with the committed tolerances."""
        comparison = Comparison(self.name, committed_tolerances())
        self.compare(golden, comparison)
        return comparison.results

    def compare(self, golden: Golden, comparison: Comparison) -> None:
        """Run the check in full float32."""
        with full_float32():
            self.run(golden, comparison)


CHECKS: list[Check] = []


def checks_of(golden: Golden) -> list[Check]:
    """Return the checks that read folders of this form."""
    return [check for check in CHECKS if check.form == golden.form]


def check(
    name: str,
    *files: str,
    common: Sequence[str] = (),
    variants: Sequence[str] = (),
    slow: bool = False,
    heavy: bool = False,
    form: str = SPOT,
) -> Callable:
    """Register a function as a check.

    With `variants` it is registered once for each, which replaces '{}' in the names and is passed
    on.
    """

    def register(function: Callable) -> Callable:
        for variant in variants or [None]:

            def run(golden, comparison, variant=variant):
                function(golden, comparison, *([] if variant is None else [variant]))

            filled = [file.format(variant) for file in files]
            CHECKS.append(
                Check(name.format(variant), run, tuple(filled), tuple(common), slow, heavy, form)
            )
        return function

    return register
