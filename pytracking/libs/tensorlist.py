"""TensorList under pytracking's name; the implementation is `ltr.admin.tensorlist`."""

from ltr.admin.tensorlist import TensorList, tensor_operation

__all__ = ["TensorList", "tensor_operation"]
