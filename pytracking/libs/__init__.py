"""Small numeric helpers that trackers share: tensor collections, Fourier series, correlation
filters, optimisers.

For trackers of your own, written for pytracking; nothing here but `TensorList` and `TensorDict` is
imported by the trackers of this toolkit.
"""

from ltr.admin.tensordict import TensorDict
from ltr.admin.tensorlist import TensorList

__all__ = ["TensorDict", "TensorList"]
