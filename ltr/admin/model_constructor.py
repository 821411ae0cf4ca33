"""Remembers how a network was built, so that a checkpoint can rebuild it.

    @model_constructor
    def my_net(width=64): ...

A network from `my_net(width=32)` carries `net.constructor`, which checkpoints store.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ltr.admin.errors import BadInput, suggestion

TRUSTED_PACKAGES = ("ltr.models", "ltr.train_settings")
TRUSTED_VARIABLE = (
    "LTR_TRUSTED_MODULES"  # comma-separated module names, for networks outside ltr.models
)
_LEGACY_PREFIX = "dlframework."


class MissingConstructor(BadInput, RuntimeError):
    """A checkpoint does not say how its network is built, or says it in a way that may not be
    followed.
    """


class NetConstructor:
    """The call that made a network: function name, its module, positional and keyword arguments."""

    def __init__(self, fun_name: str, fun_module: str, args: tuple, kwds: Mapping[str, Any]):
        self.fun_name = fun_name
        self.fun_module = fun_module
        self.args = args
        self.kwds = kwds

    def get(self, trusted_modules: Iterable[str] = ()) -> Any:
        """Make the call again. See `constructor_function` for which functions may be called."""
        return constructor_function(self.fun_module, self.fun_name, trusted_modules)(
            *self.args, **self.kwds
        )


def model_constructor(function: Callable) -> Callable:
    """Decorate a network factory: what it returns (the first element of a tuple or list) gets a
    `.constructor`.
    """

    @functools.wraps(function)
    def build(*args, **kwds):
        result = function(*args, **kwds)
        net = result[0] if isinstance(result, (tuple, list)) else result
        net.constructor = NetConstructor(function.__name__, function.__module__, args, kwds)
        return result

    setattr(build, "is_model_constructor", True)  # noqa: B010 - a mark on a function
    return build


def constructor_function(module: str, name: str, trusted_modules: Iterable[str] = ()) -> Callable:
    """The factory `name` of `module`, under the rules that keep a downloaded file from running code
    of its choice.

    The module must lie in `ltr.models` or `ltr.train_settings`, be imported already, or be named in
    `trusted_modules` or in the environment variable LTR_TRUSTED_MODULES (a name covers its
    sub-modules); the function must be decorated by @model_constructor. Raises MissingConstructor.
    """
    module = module.removeprefix(_LEGACY_PREFIX)
    if not _is_trusted(module, trusted_modules):
        raise MissingConstructor(
            f"the network is built by '{name}' of the module '{module}', which is not trusted: "
            f"if you trust it, import it first, or name it in the variable {TRUSTED_VARIABLE}"
        )
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, something it imports is not
        raise MissingConstructor(
            f"the network is built by '{name}' of the module '{module}', which does not exist "
            "here: install its code, or name another with constructor_module"
        ) from None
    function = getattr(found, name, None)
    if not getattr(function, "is_model_constructor", False):
        known = [
            key
            for key, value in vars(found).items()
            if getattr(value, "is_model_constructor", False)
        ]
        raise MissingConstructor(
            f"'{name}' of the module '{module}' is not a factory decorated by @model_constructor"
            f"{suggestion(name, known)}; it has {', '.join(sorted(known)) or 'none'}"
        )
    return function


def _is_trusted(module: str, trusted_modules: Iterable[str]) -> bool:
    from_environment = [
        part.strip() for part in os.environ.get(TRUSTED_VARIABLE, "").split(",") if part.strip()
    ]
    trusted = [*TRUSTED_PACKAGES, *trusted_modules, *from_environment]
    return module in sys.modules or any(f"{module}.".startswith(f"{name}.") for name in trusted)
