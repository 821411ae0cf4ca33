"""Attribute bags that parameter files fill and trackers read."""

from __future__ import annotations

import copy
import importlib
import random
from typing import TYPE_CHECKING, Any

from ltr.admin.errors import BadValue


class TrackerParams:
    """The parameters of one tracker: any attribute may be set, unset ones are asked for with `get`.

    `per_dataset = {"otb": {"window_penalty": 0.4}}` sets values for sequences with that tag
    (`Sequence.dataset`) only.
    """

    if TYPE_CHECKING:
        # Parameter files assign what they like: the type checker takes any attribute.
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def set_default_values(self, default_vals: dict[str, Any]) -> None:
        """Set those of `default_vals` that are not set yet."""
        for name, value in default_vals.items():
            if not hasattr(self, name):
                setattr(self, name, value)

    def get(self, name: str, *default: Any) -> Any:
        """Value of parameter `name`, else the one `default`; without a default a missing name is an
        AttributeError.
        """
        if len(default) > 1:
            raise BadValue(f"parameter '{name}': give at most one default, not {len(default)}")
        return getattr(self, name, *default)

    def has(self, name: str) -> bool:
        """Say whether parameter `name` is set."""
        return hasattr(self, name)

    def for_dataset(self, tag: str) -> TrackerParams:
        """A copy with the values that `per_dataset` = {tag: {name: value}} has for sequences with
        this data set tag.
        """
        params = copy.copy(self)
        values = (self.get("per_dataset", None) or {}).get(tag, {})
        if not isinstance(values, dict):
            raise BadValue(
                f"per_dataset['{tag}'] must be a dict of parameters and values, not {values!r}"
            )
        vars(params).update(values)
        return params


def Choice(*args: Any) -> Any:
    """Draw one of the arguments at random: parameter files use it for random search."""
    return random.choice(args)


def __getattr__(name: str) -> Any:
    # FeatureParams needs torch, which most parameter files do not.
    if name == "FeatureParams":
        return importlib.import_module("pytracking.utils.feature_params").FeatureParams
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
