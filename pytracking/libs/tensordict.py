"""TensorDict under pytracking's name; the implementation is `ltr.admin.tensordict`."""

from ltr.admin.tensordict import TensorDict

__all__ = ["TensorDict"]
