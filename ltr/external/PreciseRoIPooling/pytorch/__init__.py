"""Precise RoI pooling. The implementation is `ltr.models.layers.roi_pooling`."""
