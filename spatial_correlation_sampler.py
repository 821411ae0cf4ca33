"""The package of this name in plain torch, for KYS. The implementation is
`ltr.models.layers.correlation`.

It is part of a checkout only and is not installed, so that the compiled package, which is faster on
a GPU, can be installed in its place.
"""

from ltr.models.layers.correlation import SpatialCorrelationSampler, spatial_correlation_sample

__all__ = ["SpatialCorrelationSampler", "spatial_correlation_sample"]
