"""`util.box_ops` of TransT's code. The implementation is `ltr.util.box_ops`."""

from ltr.util import box_ops as _box_ops
from ltr.util.box_ops import *  # noqa: F403

__all__ = list(_box_ops.__all__)
