"""The small network that `spot quickstart_full` trains with all labels of the toy videos."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_quickstart_full.pth.tar")
