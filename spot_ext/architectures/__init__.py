"""Networks the method can train, by name."""

from __future__ import annotations

from ltr.admin.errors import BadValue, suggestion
from spot_ext.architectures.base import Architecture, Prediction
from spot_ext.architectures.transt import TransTArchitecture

__all__ = ["Architecture", "Prediction", "get_architecture"]

_ARCHITECTURES = dict.fromkeys(("transt", "transt_small"), TransTArchitecture)


def get_architecture(name: str, reference_edges: bool = False) -> Architecture:
    """Return the architecture registered as `name`; raises BadValue for an unknown one.

    `reference_edges` gives its criterion the reference's rule for targets beyond the crop.
    """
    if name not in _ARCHITECTURES:
        raise BadValue(f"architecture '{name}' is not known{suggestion(name, _ARCHITECTURES)} Choose one of: "
                       f"{', '.join(_ARCHITECTURES)}.")
    return _ARCHITECTURES[name](name, reference_edges)
