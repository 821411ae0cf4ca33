"""Sequences, data sets and trackers, and running the one on the other."""

from pytracking.utils import plugins as _plugins

_plugins.extend(__path__, "evaluation")

from pytracking.evaluation.data import Sequence  # noqa: E402
from pytracking.evaluation.datasets import get_dataset, get_dataset_attributes  # noqa: E402
from pytracking.evaluation.tracker import Tracker, trackerlist  # noqa: E402

__all__ = ["Sequence", "Tracker", "get_dataset", "get_dataset_attributes", "trackerlist"]
