"""A dict of tensors that computes like one tensor: tensor methods act on every value. Batches
travel in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from ltr.admin.tensorlist import broadcast_method


class TensorDict(OrderedDict):
    """`d.to('cuda')`, `d.float()` … give a TensorDict of the results under the same keys.

    Any method name of `torch.Tensor` can be called; values without that method (str, list, None)
    pass unchanged. Other unknown names are AttributeErrors.
    """

    def concat(self, other: Mapping) -> TensorDict:
        """The entries of both; `other` wins where both have a key."""
        return TensorDict([*self.items(), *other.items()])

    def copy(self) -> TensorDict:
        """A new dict of the same values."""
        return TensorDict(self)

    def attribute(self, name: str, *default: Any) -> TensorDict:
        """Attribute `name` of every value, `default` where a value lacks it."""
        return TensorDict((key, getattr(value, name, *default)) for key, value in self.items())

    def apply(self, function: Callable, *args: Any, **kwargs: Any) -> TensorDict:
        """`function(value, *args, **kwargs)` for every value."""
        return TensorDict((key, function(value, *args, **kwargs)) for key, value in self.items())

    def __getattr__(self, name: str) -> Callable[..., TensorDict]:
        return broadcast_method(
            self, name, lambda call: TensorDict((k, call(v)) for k, v in self.items())
        )
