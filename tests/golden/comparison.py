"""What a check compared, and the list of all checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from tests.golden.folder import Golden

GEOMETRY = {
    "absolute": 1e-4,
    "relative": 5e-7,
}  # px; the reference computes boxes in float32, which rounds 800 px by 6e-5


@dataclass(frozen=True)
class Result:
    """How far one quantity is from the reference's."""

    name: str
    absolute: float  # largest difference
    # the same, divided by the largest value of its array; by each value under a relative tolerance
    relative: float
    tolerance: str
    passed: bool

    def __str__(self) -> str:
        return (
            f"{self.name:<66} abs {self.absolute:<9.2e} rel {self.relative:<9.2e} tolerance "
            f"{self.tolerance:<22} "
            f"{'pass' if self.passed else 'FAIL'}"
        )


class Comparison:
    """Collects the results of one check. A quantity that is compared several times has one result,
    the worst.
    """

    def __init__(self, name: str):
        self.name = name
        self._results: dict[str, Result] = {}

    @property
    def results(self) -> list[Result]:
        """One result a quantity."""
        return list(self._results.values())

    def close(
        self, what: str, ours: Any, theirs: Any, absolute: float = 0.0, relative: float = 0.0
    ) -> None:
        """Every |ours - theirs| must be at most `absolute + relative * |theirs|`. NaN is close to
        NaN only.
        """
        ours, theirs = (np.asarray(_plain(value), dtype=np.float64) for value in (ours, theirs))
        parts = ([f"{absolute:g} abs"] if absolute else []) + (
            [f"{relative:g} rel"] if relative else []
        )
        tolerance = " + ".join(parts) or "exact"
        if ours.shape != theirs.shape:
            self._add(Result(what, float("inf"), float("inf"), tolerance, False))
            return
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):
            differences = np.where(same, 0.0, np.abs(ours - theirs))
            passed = bool((same | (differences <= absolute + relative * np.abs(theirs))).all())
        differences = np.where(np.isnan(differences), np.inf, differences)
        sizes = np.abs(np.where(np.isfinite(theirs), theirs, 0.0))
        if absolute or not relative:  # of an array with zeros in it, single values mean nothing
            sizes = np.full_like(sizes, sizes.max(initial=0.0))
        shares = np.divide(differences, sizes, out=differences.copy(), where=sizes > 0)
        self._add(
            Result(
                what,
                float(differences.max(initial=0.0)),
                float(shares.max(initial=0.0)),
                tolerance,
                passed,
            )
        )

    def equal(self, what: str, ours: Any, theirs: Any) -> None:
        """Both must be the same: arrays, or nested plain values."""
        if any(isinstance(value, (np.ndarray, torch.Tensor)) for value in (ours, theirs)):
            self.close(what, ours, theirs)
        else:
            difference = 0.0 if ours == theirs else float("inf")
            self._add(Result(what, difference, difference, "exact", not difference))

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


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value


@dataclass(frozen=True)
class Check:
    """Calls the library and compares it with files of one seed (`files`) and of all (`common`), or
    folders of them.

    `slow` ones take more than a few seconds on one core, `heavy` ones only on a folder that is not
    reduced.
    """

    name: str
    run: Callable[[Golden, Comparison], None]
    files: tuple[str, ...]
    common: tuple[str, ...] = ()
    slow: bool = False
    heavy: bool = False

    def missing(self, golden: Golden) -> list[str]:
        """Files it needs and `golden` lacks."""
        return [
            name
            for names, place in ((self.files, golden.path), (self.common, golden.common))
            for name in names
            if not place(name).exists()
        ]

    def reads(self, name: str) -> bool:
        """Whether it compares with the file `name`, given relative to the folder."""
        return any(name == file or name.startswith(f"{file}/") for file in self.files)

    def results(self, golden: Golden) -> list[Result]:
        """Run it."""
        comparison = Comparison(self.name)
        self.run(golden, comparison)
        return comparison.results


CHECKS: list[Check] = []


def check(
    name: str,
    *files: str,
    common: Sequence[str] = (),
    variants: Sequence[str] = (),
    slow: bool = False,
    heavy: bool = False,
) -> Callable:
    """Register a function as a check; with `variants` once for each, which replaces '{}' in the
    names and is passed on.
    """

    def register(function: Callable) -> Callable:
        for variant in variants or [None]:

            def run(golden, comparison, variant=variant):
                function(golden, comparison, *([] if variant is None else [variant]))

            filled = [file.format(variant) for file in files]
            CHECKS.append(
                Check(name.format(variant), run, tuple(filled), tuple(common), slow, heavy)
            )
        return function

    return register
