"""Parameter files: `pytracking.parameter.<tracker>.<name>` defines `parameters()`. Plug-in folders
may add some.
"""

from pytracking.utils import plugins as _plugins

_plugins.extend(__path__, "parameter")
