"""What trackers derive from."""

from pytracking.tracker.base.basetracker import BaseTracker
from pytracking.tracker.base.matchingtracker import MatchingTracker, hann_window
from pytracking.tracker.base.siamesetracker import SiameseTracker

__all__ = ["BaseTracker", "MatchingTracker", "SiameseTracker", "hann_window"]
