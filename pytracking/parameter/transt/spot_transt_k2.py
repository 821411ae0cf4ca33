"""SPOT's TransT with 2 boxes per video."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_transt_k2.pth.tar")
