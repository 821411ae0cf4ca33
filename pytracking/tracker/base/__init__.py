"""The classes that trackers derive from."""

from ltr.models.decoding import hann_window_float64 as hann_window
from pytracking.tracker.base.basetracker import BaseTracker
from pytracking.tracker.base.matchingtracker import MatchingTracker
from pytracking.tracker.base.siamesetracker import SiameseTracker

__all__ = ["BaseTracker", "MatchingTracker", "SiameseTracker", "hann_window"]
