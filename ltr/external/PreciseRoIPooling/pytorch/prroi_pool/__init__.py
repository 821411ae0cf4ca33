"""Precise RoI pooling. The implementation is `ltr.models.layers.roi_pooling`."""

from ltr.models.layers.roi_pooling import PrRoIPool2D

__all__ = ["PrRoIPool2D"]
