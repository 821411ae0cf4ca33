"""Small numeric helpers that trackers share: tensor collections, Fourier series, correlation
filters, optimisers.
"""

from ltr.admin.tensordict import TensorDict
from ltr.admin.tensorlist import TensorList

__all__ = ["TensorDict", "TensorList"]
