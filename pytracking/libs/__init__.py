"""Small numeric helpers that trackers share."""

from ltr.admin.tensordict import TensorDict
from ltr.admin.tensorlist import TensorList

__all__ = ["TensorDict", "TensorList"]
