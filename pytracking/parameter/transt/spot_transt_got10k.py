"""SPOT's TransT trained on GOT-10k alone, for its test protocol."""

from pytracking.parameter.transt import transt50
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return transt50.parameters("spot_transt_got10k.pth.tar")
