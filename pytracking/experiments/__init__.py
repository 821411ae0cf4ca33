"""Experiments: functions that return `(trackers, dataset)`, run by `run_experiment.py`. Plug-in
folders add more.
"""

from pytracking.utils import plugins as _plugins

_plugins.extend(__path__, "experiments")
