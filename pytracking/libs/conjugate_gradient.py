"""Conjugate gradient for a linear system whose matrix is known only as a function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ltr.admin.tensorlist import TensorList
from pytracking.libs.problem import Vector, dot


class ConjugateGradientBase:
    """Solve `A x = b` by conjugate gradient. Sub-classes define `A`, and may define `ip`, `M1`,
    `M2` and `residual_norm`.

    An inner product that is a TensorList, one number for every element of the vectors, solves as
    many systems at once, each with its own step lengths; all stop with the first that is solved.

    Args:
        fletcher_reeves: direction update by Fletcher-Reeves; False: Polak-Ribière, which forgives
            an `A` that changes.
        standard_alpha: step from the preconditioned residual; False: from the direction, for
            inexact directions.
        direction_forget_factor: above 0 the next run continues in the last direction, weighed down
            the less the higher.
        debug: keep the residual norms of every iteration and report them in `residuals`.

    """

    # The right side, which sub-classes set.
    b: Vector

    def __init__(
        self,
        fletcher_reeves: bool = True,
        standard_alpha: bool = True,
        direction_forget_factor: float = 0,
        debug: bool = False,
    ):
        self.fletcher_reeves = fletcher_reeves
        self.standard_alpha = standard_alpha
        self.direction_forget_factor = direction_forget_factor
        self.debug = debug
        self.reset_state()

    def reset_state(self) -> None:
        """Forget the direction of the last run."""
        self.p: Vector | None = None
        self.rho: Vector = torch.ones(1)
        self.r_prev: Vector | None = None

    def A(self, x: Vector) -> Vector:
        """The left side: a symmetric, positive semi-definite operator."""
        raise NotImplementedError(f"{type(self).__name__} must define A(x)")

    def ip(self, a: Vector, b: Vector) -> Any:
        """Return the inner product of two vectors, or a TensorList of one for each element."""
        return dot(a, b)

    def M1(self, x: Vector) -> Vector:
        """First factor of the preconditioner."""
        return x

    def M2(self, x: Vector) -> Vector:
        """Second factor of the preconditioner."""
        return x

    def residual_norm(self, r: Vector) -> Tensor:
        """Return the norm by which `eps` stops the iterations."""
        square = self.ip(r, r)
        if isinstance(square, TensorList):
            square = sum(square)
        return square.sqrt()

    def evaluate_CG_iteration(self, delta_x: Vector) -> None:
        """Called after every iteration with the solution so far."""

    def run_CG(
        self, num_iter: int, x: Vector | None = None, eps: float = 0.0
    ) -> tuple[Vector | None, Tensor | None]:
        """At most `num_iter` iterations from `x` (None: zero) on the system whose right side is
        `self.b`.

        Stops early when the residual is zero, or its norm is not above `eps`. Returns the solution
        (None after no iteration from None) and with `debug` the tensor of residual norms, else
        None.
        """
        if self.direction_forget_factor == 0:
            self.reset_state()
        elif self.p is not None:
            self.rho = self.rho / self.direction_forget_factor
        residual = self.b if x is None else self.b + -self.A(x)
        norms = [self.residual_norm(residual)] if self.debug or eps > 0 else []
        for _ in range(num_iter):
            step = self._next_step(residual)
            if step is None:
                break
            alpha, change = step
            x = self.p * alpha if x is None else x + self.p * alpha
            self.r_prev = None if self.fletcher_reeves else residual
            residual = residual + -(change * alpha)
            self.evaluate_CG_iteration(x)
            if norms:
                norms.append(self.residual_norm(residual))
                if norms[-1] <= eps:
                    break
        return x, (torch.stack([norm.reshape(()).cpu() for norm in norms]) if self.debug else None)

    def _next_step(self, residual: Vector) -> tuple[Vector, Vector] | None:
        """Update the direction `self.p` and return its step length and `A p`, or None when there is
        nothing left to do.
        """
        z = self.M2(self.M1(residual))
        rho_before, rho = self.rho, self.ip(residual, z)
        if not _usable(rho):
            return None
        if self.p is None:
            self.p = z
        else:
            overlap = 0 if self.fletcher_reeves or self.r_prev is None else self.ip(self.r_prev, z)
            self.p = z + self.p * ((rho - overlap) / rho_before).clamp(min=0)
        self.rho = rho
        change = self.A(self.p)
        curvature = self.ip(self.p, change)
        if not _usable(curvature):
            return None
        return (rho if self.standard_alpha else self.ip(self.p, residual)) / curvature, change


def _usable(number: Tensor | TensorList) -> bool:
    """Return whether every number can be divided by: none is zero or infinite. Waits for the
    GPU.
    """
    numbers = number if isinstance(number, TensorList) else [number]
    return all(bool((value != 0) & value.isfinite()) for value in numbers)
