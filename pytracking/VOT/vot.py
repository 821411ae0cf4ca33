"""The VOT interface under the name that trackers outside pytracking import: `from vot import VOT,
Rectangle`.
"""

from pytracking.evaluation.vot import *  # noqa: F403 - the names of its __all__
