"""The module path that SPOT's published checkpoints name; the network is in
`ltr.models.tracking.ocean`.
"""

from ltr.models.tracking.ocean import Ocean, ocean_resnet50

__all__ = ["Ocean", "ocean_resnet50"]
