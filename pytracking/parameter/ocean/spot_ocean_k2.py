"""SPOT's Ocean, trained with 2 boxes per video."""

from pytracking.parameter.ocean import ocean
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return ocean.parameters("spot_ocean_k2.pth.tar")
