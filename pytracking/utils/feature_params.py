"""The parameters of feature extractors, for trackers of your own with hand-made features."""

from __future__ import annotations

from typing import Any

from ltr.admin.errors import BadValue
from ltr.admin.tensorlist import TensorList


class FeatureParams:
    """The parameters of one feature extractor, by keyword; lists become TensorLists."""

    def __init__(self, *args: Any, **kwargs: Any):
        if args:
            raise BadValue(
                "FeatureParams takes keyword arguments only, e.g. "
                "FeatureParams(feature_stride=[16])"
            )
        for name, value in kwargs.items():
            setattr(self, name, TensorList(value) if isinstance(value, list) else value)
