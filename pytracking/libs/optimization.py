"""Optimisers that trackers run on a few hundred weights in every frame: conjugate gradient,
Gauss-Newton, descent.

A problem says what to minimise and owns the inner products; the variable is a TensorList (or
tensor) that is changed in place. Derivatives come from autograd, so a problem is only a forward
function.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from pytracking.libs.conjugate_gradient import ConjugateGradientBase
from pytracking.libs.problem import (
    L2Problem,
    MinimizationProblem,
    Vector,
    grad,
    like,
    move,
    release_gradients,
    track_gradients,
)
from pytracking.utils.plotting import plot_graph

__all__ = [
    "ConjugateGradient",
    "ConjugateGradientBase",
    "GaussNewtonCG",
    "GradientDescent",
    "GradientDescentL2",
    "L2Problem",
    "MinimizationProblem",
    "NewtonCG",
]

_log = logging.getLogger(__name__)


class _VariableOptimizer(ConjugateGradientBase):
    """The base of the conjugate-gradient optimisers of a problem: the variable, its history, and
    showing it.
    """

    def __init__(
        self,
        problem: MinimizationProblem,
        variable: Vector,
        cg_eps: float = 0.0,
        fletcher_reeves: bool = True,
        standard_alpha: bool = True,
        direction_forget_factor: float = 0,
        debug: bool = False,
        analyze: bool = False,
        plotting: bool = False,
        visdom=None,
    ):
        super().__init__(
            fletcher_reeves, standard_alpha, direction_forget_factor, debug or analyze or plotting
        )
        self.problem = problem
        self.x = variable
        self.cg_eps = cg_eps
        self.analyze_convergence = analyze
        self.plotting = plotting
        self.visdom = visdom
        self.losses = torch.zeros(0)
        self.residuals = torch.zeros(0)
        self._apply: Callable[[Vector], Vector] | None = None

    def ip(self, a: Vector, b: Vector) -> Tensor:
        return self.problem.ip_input(a, b)

    def M1(self, x: Vector) -> Vector:
        return self.problem.M1(x)

    def M2(self, x: Vector) -> Vector:
        return self.problem.M2(x)

    def free(self) -> None:
        """Release the graph of the last run."""
        self._apply = None

    def A(self, x: Vector) -> Vector:
        if self._apply is None:
            raise BadValue(
                f"{type(self).__name__}: A(x) is known during `run` only; call run first"
            )
        return self._apply(x)

    def _solve(self, apply: Callable[[Vector], Vector], b: Vector, num_cg_iter: int) -> None:
        """Move the variable by the solution of `apply(delta) = b`."""
        self._apply, self.b = apply, b
        delta, norms = self.run_CG(num_cg_iter, eps=self.cg_eps)
        with torch.no_grad():
            if delta is not None:
                move(self.x, delta)
            if norms is not None:
                self.residuals = torch.cat((self.residuals, norms))
        self.free()

    def _record(self, loss: Tensor) -> None:
        if self.debug:
            self.losses = torch.cat((self.losses, loss.detach().reshape(1).cpu()))

    def _show(self) -> None:
        if self.debug:
            show_progress(self.losses, "Loss", self.plotting, self.visdom)
            show_progress(self.residuals, "CG residuals", self.plotting, self.visdom)


class GaussNewtonCG(_VariableOptimizer):
    """Gauss-Newton on an `L2Problem`: the residuals are linearised, conjugate gradient solves the
    linear problem.
    """

    problem: L2Problem

    def run(self, num_cg_iter: int | Sequence[int], num_gn_iter: int | None = None) -> Tensor:
        """Linearise `num_gn_iter` times with `num_cg_iter` iterations each, or once for every entry
        of a sequence.

        Returns the losses recorded so far (with debug).
        """
        for iterations in _plan(num_cg_iter, num_gn_iter):
            self.run_GN_iter(iterations)
        self._show()
        return self.losses

    def run_GN_iter(self, num_cg_iter: int) -> None:
        """Linearise and solve once."""
        if num_cg_iter == 0:
            return
        with torch.enable_grad():
            track_gradients(self.x)
            residuals = self.problem(self.x)
            probe = like(residuals)
            backward = grad(
                residuals, self.x, probe, create_graph=True
            )  # J^T probe, as a function of the probe

        def normal_equations(x: Vector) -> Vector:
            moved = grad(backward, probe, x, retain_graph=True)  # J x
            return grad(residuals, self.x, moved, retain_graph=True)

        self._record(self.problem.ip_output(residuals, residuals))
        downhill = -grad(residuals, self.x, residuals.detach(), retain_graph=True)
        self._solve(normal_equations, downhill, num_cg_iter)
        release_gradients(self.x)


class ConjugateGradient(GaussNewtonCG):
    """Conjugate gradient on an `L2Problem` whose residuals are linear in the variable: they are
    linearised once.
    """

    def __init__(
        self,
        problem: L2Problem,
        variable: Vector,
        cg_eps: float = 0.0,
        fletcher_reeves: bool = True,
        standard_alpha: bool = True,
        direction_forget_factor: float = 0,
        debug: bool = False,
        plotting: bool = False,
        visdom=None,
    ):
        super().__init__(
            problem,
            variable,
            cg_eps,
            fletcher_reeves,
            standard_alpha,
            direction_forget_factor,
            debug,
            plotting=plotting,
            visdom=visdom,
        )

    def run(self, num_cg_iter: int) -> Tensor:  # type: ignore[override]
        """Run `num_cg_iter` iterations; return the losses recorded so far (with debug)."""
        return super().run(num_cg_iter, 1)


class NewtonCG(_VariableOptimizer):
    """Newton's method on a `MinimizationProblem`; conjugate gradient solves for each step.

    `init_hessian_reg` is added to the Hessian's diagonal, which keeps steps short where it is not
    positive definite, and multiplied by `hessian_reg_factor` after every step.
    """

    def __init__(
        self,
        problem: MinimizationProblem,
        variable: Vector,
        init_hessian_reg: float = 0.0,
        hessian_reg_factor: float = 1.0,
        cg_eps: float = 0.0,
        fletcher_reeves: bool = True,
        standard_alpha: bool = True,
        direction_forget_factor: float = 0,
        debug: bool = False,
        analyze: bool = False,
        plotting: bool = False,
        visdom=None,
    ):
        super().__init__(
            problem,
            variable,
            cg_eps,
            fletcher_reeves,
            standard_alpha,
            direction_forget_factor,
            debug,
            analyze,
            plotting,
            visdom,
        )
        self.hessian_reg = init_hessian_reg
        self.hessian_reg_factor = hessian_reg_factor

    def run(self, num_cg_iter: int | Sequence[int], num_newton_iter: int | None = None) -> Tensor:
        """`num_newton_iter` steps of `num_cg_iter` iterations each, or one for every entry of a
        sequence.
        """
        for iterations in _plan(num_cg_iter, num_newton_iter):
            self.run_newton_iter(iterations)
            self.hessian_reg *= self.hessian_reg_factor
        self._show()
        return self.losses

    def run_newton_iter(self, num_cg_iter: int) -> None:
        """Take one step."""
        if num_cg_iter == 0:
            return
        with torch.enable_grad():
            track_gradients(self.x)
            loss = self.problem(self.x)
            gradient = grad(loss, self.x, None, create_graph=True)

        def hessian(x: Vector) -> Vector:
            return grad(gradient, self.x, x, retain_graph=True) + x * self.hessian_reg

        self._record(loss)
        self._solve(hessian, -gradient.detach(), num_cg_iter)
        release_gradients(self.x)


class GradientDescent:
    """Gradient descent on a `MinimizationProblem`. A higher `momentum` smooths and lengthens the
    steps.
    """

    def __init__(
        self,
        problem: MinimizationProblem,
        variable: Vector,
        step_length: float,
        momentum: float = 0.0,
        debug: bool = False,
        plotting: bool = False,
        visdom=None,
    ):
        self.problem = problem
        self.x = variable
        self.step_length = step_length
        self.momentum = momentum
        self.debug = debug or plotting
        self.plotting = plotting
        self.visdom = visdom
        self.losses = torch.zeros(0)
        self.gradient_mags = torch.zeros(0)
        self.clear_temp()

    def clear_temp(self) -> None:
        """Forget the momentum."""
        self.direction: Vector | None = None

    def run(self, num_iter: int, dummy: Any = None) -> Tensor:
        """`num_iter` steps (`dummy` is ignored: other optimisers take a second number). Returns the
        losses (debug).
        """
        for _ in range(num_iter):
            with torch.enable_grad():
                track_gradients(self.x)
                loss = self._loss()
                gradient = grad(loss, self.x, None)
            self.direction = (
                gradient if self.direction is None else gradient + self.direction * self.momentum
            )
            release_gradients(self.x)
            move(self.x, -(self.direction * self.step_length))
            if self.debug:
                self.losses = torch.cat((self.losses, loss.detach().reshape(1).cpu()))
                norm = self.problem.ip_input(gradient, gradient).sqrt()
                self.gradient_mags = torch.cat((self.gradient_mags, norm.reshape(1).cpu()))
        if self.debug:
            show_progress(self.losses, "Loss", self.plotting, self.visdom)
            show_progress(self.gradient_mags, "Gradient magnitude", self.plotting, self.visdom)
        return self.losses

    def _loss(self) -> Tensor:
        return self.problem(self.x)


class GradientDescentL2(GradientDescent):
    """Gradient descent on the squared norm of an `L2Problem`'s residuals."""

    problem: L2Problem

    def _loss(self) -> Tensor:
        residuals = self.problem(self.x)
        return self.problem.ip_output(residuals, residuals)


def show_progress(values: Tensor, title: str, plotting: bool, visdom) -> None:
    """Draw numbers over iterations: in visdom when it is connected, else in a matplotlib window
    when asked to.
    """
    if not len(values):
        return
    if visdom is not None:
        visdom.register((values, torch.arange(len(values))), "lineplot", 3, title)
    elif plotting:
        plot_graph(values, title=title)
    else:
        _log.debug("%s: %s", title, values.tolist())


def _plan(num_cg_iter: int | Sequence[int], steps: int | None) -> Sequence[int]:
    if isinstance(num_cg_iter, int):
        return [num_cg_iter] * (1 if steps is None else steps)
    return num_cg_iter
