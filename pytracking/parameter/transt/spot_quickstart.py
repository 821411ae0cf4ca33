"""The small network that `spot quickstart` trains on the toy videos."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_quickstart.pth.tar")
