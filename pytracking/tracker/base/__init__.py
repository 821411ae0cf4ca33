"""What trackers derive from."""

from pytracking.tracker.base.basetracker import BaseTracker
from pytracking.tracker.base.siamesetracker import SiameseTracker

__all__ = ["BaseTracker", "SiameseTracker"]
