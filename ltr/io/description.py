"""The description of a network in its file, checked in one place, whatever wrote the file.

    constructor   {fun_name, fun_module, args, kwds}: the call that makes the network
    net_info      what its tracker must know
    net           the weights by name: dense tensors

A file may come from anywhere. After this check names are texts and arguments have names, so that
nothing else need ask.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue

CONSTRUCTOR_FIELDS = ("fun_name", "fun_module", "args", "kwds")
# Characters; longer names of functions and modules are damage.
_LONGEST_NAME = 1000


def check_description(content: Mapping[Any, Any], path: str | os.PathLike) -> None:
    """Raise BadValue, naming the file, where `content` cannot describe a network."""
    for name in content:
        if not isinstance(name, str):
            raise BadValue(
                f"{path}: the name of an entry is {_shown(name)}, not text; give a checkpoint"
            )
    constructor = content.get("constructor")
    # Objects without a plain form are only described: such a file is built from its weights.
    if isinstance(constructor, Mapping) and set(CONSTRUCTOR_FIELDS) <= set(constructor):
        _check_constructor(constructor, path)
    if "net_info" in content:
        info = content["net_info"]
        if info is not None and not isinstance(info, Mapping):
            raise BadValue(
                f"{path}: net_info is {_shown(info)}, not names with values; copy the file again"
            )


def check_weights(weights: Mapping[Any, Any], path: str | os.PathLike) -> None:
    """Raise BadValue, naming file and entry, unless all are dense tensors under names."""
    for name, value in weights.items():
        if not isinstance(name, str):
            raise BadValue(
                f"{path}: the name of a weight is {_shown(name)}, not text; give a checkpoint"
            )
        if not isinstance(value, Tensor):
            raise BadValue(
                f"{path}: the weight '{name}' is {_shown(value)}, not a tensor; give a checkpoint"
            )
        if value.layout is not torch.strided or value.is_quantized or value.is_meta:
            raise BadValue(
                f"{path}: the weight '{name}' is not a dense tensor; save the network's plain "
                "state_dict"
            )


def _check_constructor(constructor: Mapping[Any, Any], path: str | os.PathLike) -> None:
    for field in ("fun_name", "fun_module"):
        name = constructor[field]
        if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME:
            raise BadValue(
                f"{path}: {field} of its constructor is {_shown(name)}, not a name; copy the file "
                "again, or give constructor_fun_name and constructor_module"
            )
    if not isinstance(constructor["args"], (list, tuple)):
        raise BadValue(
            f"{path}: args of its constructor is {_shown(constructor['args'])}, not a list of "
            "arguments; copy the file again"
        )
    keywords = constructor["kwds"]
    if not isinstance(keywords, Mapping) or not all(isinstance(name, str) for name in keywords):
        raise BadValue(
            f"{path}: kwds of its constructor is {_shown(keywords)}, not arguments by name; copy "
            "the file again"
        )


def _shown(value: Any) -> str:
    """Return a value, or its type where that says more, in a few characters."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)[:40]
    return f"a {type(value).__name__}"
