"""The tracker of light Oceans: one CPU core."""

from pytracking.tracker.ocean_light.ocean_light import OceanLightTracker


def get_tracker_class() -> type[OceanLightTracker]:
    """Return the class of this tracker."""
    return OceanLightTracker
