"""SPOT's TransT trained with all labels: full supervision, to compare with."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_transt_full.pth.tar")
