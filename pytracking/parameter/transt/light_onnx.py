"""The light TransT on ONNX Runtime: the boxes of `light`, faster; takes the extra [onnx]."""

from pytracking.parameter.transt import light
from pytracking.utils import TrackerParams


def parameters() -> TrackerParams:
    return light.parameters(backend="onnx")
