"""Precise RoI pooling. The implementation is `ltr.models.layers.roi_pooling`."""

from ltr.models.layers.roi_pooling import prroi_pool2d

__all__ = ["prroi_pool2d"]
