"""SPOT's Ocean, trained with 3 boxes per video on GOT-10k alone."""

from pytracking.parameter.ocean import ocean
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return ocean.parameters("spot_ocean_got10k.pth.tar")
