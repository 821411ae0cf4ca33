"""Names that parameter files and data sets use."""

from typing import Any

from pytracking.utils import params
from pytracking.utils.params import Choice, TrackerParams

__all__ = ["Choice", "FeatureParams", "TrackerParams"]


def __getattr__(name: str) -> Any:
    if name == "FeatureParams":
        return params.FeatureParams
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
