"""SPOT's TransT, trained with 3 boxes per video on LaSOT, GOT-10k and TrackingNet."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_transt.pth.tar")
