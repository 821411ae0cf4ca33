"""Networks the method can train, by name."""

from __future__ import annotations

from collections.abc import Callable

from ltr.admin.errors import BadValue, suggestion
from spot_ext.training.architectures.base import Architecture, Prediction
from spot_ext.training.architectures.light import TransTLightArchitecture
from spot_ext.training.architectures.ocean import OceanArchitecture
from spot_ext.training.architectures.ostrack import OSTrackArchitecture
from spot_ext.training.architectures.transt import TransTArchitecture

__all__ = ["DEFAULT", "SHIPPED", "Architecture", "Prediction", "get_architecture"]

# Adding a network is one line here, beside its own file.
_ARCHITECTURES: dict[str, Callable[[str, bool], Architecture]] = {
    **dict.fromkeys(("transt", "transt_small"), TransTArchitecture),
    **dict.fromkeys(("ocean", "ocean_small"), OceanArchitecture),
    **dict.fromkeys(("ostrack", "ostrack_small"), OSTrackArchitecture),
    "transt_light": TransTLightArchitecture,
}


DEFAULT = "transt"  # SPOT's main result
# its trained weights come with the package; `<name>_finetune` is the recipe that adapts them
SHIPPED = "transt_light"


def get_architecture(name: str, reference_targets: bool = False) -> Architecture:
    """Return the architecture registered as `name`; raises BadValue for an unknown one.

    `reference_targets` gives its criterion the reference's labels, see `ReferenceConfig.targets`.
    """
    if name not in _ARCHITECTURES:
        raise BadValue(
            f"architecture '{name}' is not known{suggestion(name, _ARCHITECTURES)} Choose one of: "
            f"{', '.join(_ARCHITECTURES)}."
        )
    return _ARCHITECTURES[name](name, reference_targets)
