"""A list of tensors that computes like one tensor: operators and tensor methods act on every
element.
"""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable
from typing import Any

import torch

from ltr.admin.errors import BadValue


class TensorList(list):
    """`a + b`, `a.sum()`, `a.to('cuda')` … element by element.

    The other operand of an operator is a list of the same length (paired), or anything else (used
    for every element). Indexing with an int gives the element; with a slice, list or tuple a
    TensorList. Any method name of `torch.Tensor` can be called and gives the TensorList of results;
    elements without that method (None, str) pass unchanged. Note `+` adds, it does not append: use
    `concat`.
    """

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, (list, tuple)):
            return TensorList(builtins.list.__getitem__(self, i) for i in index)
        item = super().__getitem__(index)
        return TensorList(item) if isinstance(index, slice) else item

    def concat(self, other: list) -> TensorList:
        """The elements of both lists, one after the other."""
        return TensorList([*self, *other])

    def copy(self) -> TensorList:
        """A new list of the same elements."""
        return TensorList(self)

    def unroll(self) -> TensorList:
        """The elements of nested TensorLists, flattened in order."""
        flat = TensorList()
        for element in self:
            flat.extend(element.unroll() if isinstance(element, TensorList) else [element])
        return flat

    def list(self) -> builtins.list:
        """A plain list of the elements."""
        return builtins.list(self)

    def attribute(self, name: str, *default: Any) -> TensorList:
        """Attribute `name` of every element, `default` where an element lacks it."""
        return TensorList(getattr(element, name, *default) for element in self)

    def apply(self, function: Callable) -> TensorList:
        """`function(element)` for every element."""
        return TensorList(function(element) for element in self)

    def __getattr__(self, name: str) -> Callable[..., TensorList]:
        return broadcast_method(
            self, name, lambda call: TensorList(call(element) for element in self)
        )

    def _partners(self, other: Any) -> builtins.list:
        if not isinstance(other, builtins.list):
            return [other] * len(self)
        if len(other) != len(self):
            raise BadValue(
                f"lists of {len(self)} and {len(other)} elements cannot be combined element by "
                "element"
            )
        return other

    def _combine(self, function: Callable, other: Any) -> TensorList:
        return TensorList(function(a, b) for a, b in zip(self, self._partners(other), strict=True))

    def _combine_in_place(self, function: Callable, other: Any) -> TensorList:
        for index, partner in enumerate(self._partners(other)):
            self[index] = function(self[index], partner)
        return self

    def __neg__(self) -> TensorList:
        return self.apply(operator.neg)

    def __pos__(self) -> TensorList:
        return self.apply(operator.pos)

    def __le__(self, other: Any) -> TensorList:  # type: ignore[override]
        return self._combine(operator.le, other)

    def __ge__(self, other: Any) -> TensorList:  # type: ignore[override]
        return self._combine(operator.ge, other)


def _add_operators() -> None:
    """Give TensorList `+ - * / @ %` in their plain, reflected (`1 - a`) and in-place (`a -= 1`)
    forms.
    """
    for name in ("add", "sub", "mul", "truediv", "matmul", "mod"):
        plain, in_place = getattr(operator, name), getattr(operator, f"i{name}")

        def forward(self, other, function=plain):
            return self._combine(function, other)

        def reflected(self, other, function=plain):
            return self._combine(lambda a, b: function(b, a), other)

        def update(self, other, function=in_place):
            return self._combine_in_place(function, other)

        for prefix, method in (("", forward), ("r", reflected), ("i", update)):
            method.__name__ = f"__{prefix}{name}__"
            setattr(TensorList, method.__name__, method)


_add_operators()


def _is_dtype(args: tuple) -> bool:
    return len(args) == 1 and isinstance(args[0], torch.dtype)


def broadcast_method(owner: Any, name: str, over_elements: Callable[[Callable], Any]) -> Callable:
    """The function that calls tensor method `name` on every element of a collection (shared with
    TensorDict).

    Names that are no tensor method, and double-underscore names (copy and pickle probe those), are
    AttributeErrors.
    """
    if name.startswith("__") or not callable(getattr(torch.Tensor, name, None)):
        raise AttributeError(f"'{type(owner).__name__}' object has no attribute '{name}'")

    def call_on_all(*args: Any, **kwargs: Any) -> Any:
        # Gradients come in other memory layouts than in torch 1.x, where trackers could view them.
        method = "reshape" if name == "view" and not _is_dtype(args) else name
        return over_elements(
            lambda e: getattr(e, method)(*args, **kwargs) if hasattr(e, method) else e
        )

    return call_on_all


def tensor_operation(function: Callable) -> Callable:
    """Decorator: operands that are TensorLists are walked together, the others are given to every
    call.

    `function(a)` and `function(a, b)` then take tensors, TensorLists and mixtures; further
    arguments pass unchanged.
    """

    @functools.wraps(function)
    def on_elements(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise BadValue(f"{function.__name__} needs at least one operand by position")
        operands, rest = args[:2], args[2:]
        lists = [operand for operand in operands if isinstance(operand, TensorList)]
        if not lists:
            return function(*args, **kwargs)
        if len({len(one) for one in lists}) > 1:
            raise BadValue(
                f"{function.__name__}: operands of {' and '.join(str(len(one)) for one in lists)} "
                "elements"
            )
        columns = [
            one if isinstance(one, TensorList) else [one] * len(lists[0]) for one in operands
        ]
        return TensorList(function(*row, *rest, **kwargs) for row in zip(*columns, strict=True))

    return on_elements
