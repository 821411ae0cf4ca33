"""The small Ocean that `spot quickstart_ocean` trains on the embedded videos."""

from pytracking.parameter.ocean import ocean
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return ocean.parameters("spot_ocean_quickstart.pth.tar")
