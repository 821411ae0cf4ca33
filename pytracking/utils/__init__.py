"""What parameter files and data sets use."""

from pytracking.utils.params import Choice, FeatureParams, TrackerParams

__all__ = ["Choice", "FeatureParams", "TrackerParams"]
