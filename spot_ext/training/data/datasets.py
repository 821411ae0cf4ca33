"""Which class a recipe's data set name stands for: ours, or one of `ltr.dataset`."""

from __future__ import annotations

import importlib

import ltr.dataset
from ltr.admin.errors import BadValue, suggestion

_OURS = {"RenderedVideos": "spot_ext.rendering.photographed"}


def dataset_class(name: str) -> type:
    """The data set class of this name. BadValue for an unknown one."""
    if name in _OURS:
        return getattr(importlib.import_module(_OURS[name]), name)
    if not hasattr(ltr.dataset, name):
        known = [*ltr.dataset.__all__, *_OURS]
        raise BadValue(
            f"data set class '{name}' is not in ltr.dataset{suggestion(name, known)}; correct the "
            "recipe"
        )
    return getattr(ltr.dataset, name)
