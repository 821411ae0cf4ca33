"""OSTrack, and networks with its interface such as those SPOT trains."""

from pytracking.tracker.ostrack.ostrack import OSTrack


def get_tracker_class() -> type[OSTrack]:
    """Return the class of this tracker."""
    return OSTrack
