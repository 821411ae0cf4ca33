"""Problems that trackers minimise, and their vectors: a TensorList or one tensor, differentiated by
autograd.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

from ltr.admin.tensorlist import TensorList

# A tensor, or a TensorList of tensors. Both add, multiply and negate element by element, which a
# type of lists cannot say.
Vector: TypeAlias = Any


class MinimizationProblem:
    """A scalar to minimise. Override `__call__`; inner product and preconditioners are optional."""

    def __call__(self, x: Vector) -> Any:
        """The loss at `x`, differentiable."""
        raise NotImplementedError(
            f"{type(self).__name__} must define __call__(x), the loss to minimise"
        )

    def ip_input(self, a: Vector, b: Vector) -> Tensor:
        """Inner product of two vectors in the space of the variable."""
        return dot(a, b)

    def M1(self, x: Vector) -> TensorList:
        """First factor of the preconditioner (nearly the inverse Hessian); none by default."""
        return x

    def M2(self, x: Vector) -> TensorList:
        """Second factor of the preconditioner."""
        return x


class L2Problem(MinimizationProblem):
    """Residuals whose squared norm is to be minimised: `__call__` gives the TensorList of them."""

    def __call__(self, x: Vector) -> TensorList:
        """The residuals at `x`, differentiable."""
        raise NotImplementedError(
            f"{type(self).__name__} must define __call__(x), the residuals to minimise"
        )

    def ip_output(self, a: Vector, b: Vector) -> Tensor:
        """Inner product in the space of residuals."""
        return dot(a, b)


def dot(a: Vector, b: Vector) -> Tensor:
    """Sum of the products of all elements, a scalar on their device."""
    if isinstance(a, Tensor):
        return (a * b).sum()
    return sum(
        ((one * other).sum() for one, other in zip(a, b, strict=True)),
        start=torch.zeros((), device=_device(a)),
    )


def _device(values: TensorList) -> torch.device:
    return values[0].device if len(values) else torch.device("cpu")


def parts(values: Vector) -> list[Tensor]:
    """The tensors of a vector."""
    return [values] if isinstance(values, Tensor) else list(values.unroll())


def grad(outputs, inputs, weights, create_graph: bool = False, retain_graph: bool | None = None):
    """Gradient of `outputs`, weighed by `weights`, in the form of `inputs`; zero where nothing
    depends on an input.
    """
    slopes = torch.autograd.grad(
        parts(outputs),
        parts(inputs),
        None if weights is None else parts(weights),
        create_graph=create_graph,
        retain_graph=retain_graph,
        allow_unused=True,
    )
    found = [
        torch.zeros_like(one) if slope is None else slope
        for slope, one in zip(slopes, parts(inputs), strict=True)
    ]
    return found[0] if isinstance(inputs, Tensor) else TensorList(found)


def like(values):
    """Zeros of the same form, from which autograd can start."""
    if isinstance(values, Tensor):
        return torch.zeros_like(values).requires_grad_()
    return TensorList(torch.zeros_like(one).requires_grad_() for one in values)


def track_gradients(x: Vector) -> None:
    """Let autograd follow what is computed from `x`."""
    for part in parts(x):
        part.requires_grad_(True)


def release_gradients(x: Vector) -> None:
    """Undo `track_gradients`: `x` is a plain vector again."""
    for part in parts(x):
        part.detach_()


def move(x: Vector, delta: Vector) -> None:
    """Add `delta` to `x` in place."""
    with torch.no_grad():
        for part, change in zip(parts(x), parts(delta), strict=True):
            part.add_(change)
