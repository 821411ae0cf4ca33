"""SPOT's Ocean, trained with 3 boxes per video on LaSOT, GOT-10k and TrackingNet."""

from pytracking.parameter.ocean import ocean
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return ocean.parameters("spot_ocean.pth.tar")
