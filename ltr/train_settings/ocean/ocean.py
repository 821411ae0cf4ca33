"""Ocean as a fully supervised baseline: `spot ocean_full` under the name that the module/name
scheme suggests.
"""

from ltr.train_settings.spot.ocean_full import config, run

__all__ = ["config", "run"]
