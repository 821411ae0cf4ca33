"""`util.misc` of TransT's code. The implementation is `ltr.util.misc`.

This folder has no `__init__.py` on purpose: Python then prefers any other package or module called
`util`, so a user's own is never hidden by this one. It is part of a checkout only and is not
installed.
"""

from ltr.util import misc as _misc
from ltr.util.misc import *  # noqa: F403

__all__ = list(_misc.__all__)
