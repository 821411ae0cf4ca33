"""SPOT's TransT with 3 boxes per video, and videos without any in the sparse stage."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_transt_unlabelled.pth.tar")
