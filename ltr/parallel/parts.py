"""A batch that is learned in parts, one after the other, with the loss and the gradients of the
whole.

A loss that is a mean divides by a number of rows or positions. It must be that of the whole batch,
which no part knows; but it depends on the targets only. So the losses are once computed for the
whole batch with any outputs, to note what they divide by, and then for each part with what was
noted: the sum over the parts is the loss of the whole.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

from torch import Tensor

_noted: ContextVar[list[Tensor] | None] = ContextVar("noted totals", default=None)
_given: ContextVar[Iterator[Tensor] | None] = ContextVar("given totals", default=None)


@contextlib.contextmanager
def noting() -> Iterator[list[Tensor]]:
    """Collect what `ltr.parallel.distributed.total` returns within, in order."""
    totals: list[Tensor] = []
    token = _noted.set(totals)
    try:
        yield totals
    finally:
        _noted.reset(token)


@contextlib.contextmanager
def given(totals: list[Tensor]) -> Iterator[None]:
    """Let `ltr.parallel.distributed.total` return these within, in order: the losses of a part
    become its share of the whole.
    """
    token = _given.set(iter(totals))
    try:
        yield
    finally:
        _given.reset(token)


def are_given() -> bool:
    """Whether this is within `given`."""
    return _given.get() is not None


def next_total() -> Tensor:
    """The next of the given ones."""
    return next(_given.get())


def note(value: Tensor) -> None:
    """Keep a total when this is within `noting`."""
    if (totals := _noted.get()) is not None:
        totals.append(value)


def any_outputs(outputs: Mapping[str, Tensor], rows: int) -> dict[str, Tensor]:
    """Zeros in the shapes that `outputs` of a part would have for `rows` rows; to compute losses
    with while `noting`.
    """
    return {name: value.new_zeros(rows, *value.shape[1:]) for name, value in outputs.items()}
