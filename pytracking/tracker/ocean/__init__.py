"""Ocean, as SPOT evaluates it."""

from pytracking.tracker.ocean.ocean import Ocean


def get_tracker_class() -> type[Ocean]:
    """Return the class of this tracker."""
    return Ocean
