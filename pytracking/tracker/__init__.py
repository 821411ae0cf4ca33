"""Trackers: `pytracking.tracker.<name>` defines `get_tracker_class()`. Plug-in folders may add
some.
"""

from pytracking.utils import plugins as _plugins

_plugins.extend(__path__, "tracker")
