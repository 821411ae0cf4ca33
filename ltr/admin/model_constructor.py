"""Remembers how a network was built, so that a checkpoint can rebuild it.

    @model_constructor
    def my_net(width=64): ...

A network from `my_net(width=32)` carries `net.constructor`, which checkpoints store.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, suggestion
from ltr.io import plugins

# This toolkit, and the plug-ins that are found in its packages.
TRUSTED_PACKAGES = ("ltr", "pytracking", "spot_ext")
# Comma-separated module names, for networks elsewhere.
TRUSTED_VARIABLE = "LTR_TRUSTED_MODULES"
_MARK = "is_model_constructor"
_LEGACY_PREFIX = "dlframework."
# The functions that the decorator made in this process. Unlike an attribute nothing else has it.
_decorated: weakref.WeakSet[Callable] = weakref.WeakSet()


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

    setattr(build, _MARK, True)
    _decorated.add(build)
    return build


def constructor_function(module: str, name: str, trusted_modules: Iterable[str] = ()) -> Callable:
    """Return the factory `name` of `module`, unless a downloaded file could choose it for its code.

    The module must belong to this toolkit or to a plug-in folder, or be named in `trusted_modules`
    or in the environment variable LTR_TRUSTED_MODULES (a name covers its sub-modules). Of another
    module, which the user's program has imported, only functions count that @model_constructor
    decorated in this process; nothing is imported for a file. Raises MissingConstructor.
    """
    module = module.removeprefix(_LEGACY_PREFIX)
    if not _is_trusted(module, trusted_modules):
        function = getattr(sys.modules.get(module), "__dict__", {}).get(name)
        if inspect.isfunction(function) and function in _decorated:
            return function
        raise MissingConstructor(
            f"the network is built by '{name}' of the module '{module}', which is not trusted: "
            f"if you trust it, name it in the variable {TRUSTED_VARIABLE}"
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
    # Not by getattr, which a module may answer with code of its own.
    function = vars(found).get(name)
    if function is None or not _is_factory(function):
        known = [key for key, value in vars(found).items() if _is_factory(value)]
        raise MissingConstructor(
            f"'{name}' of the module '{module}' is not a factory decorated by @model_constructor"
            f"{suggestion(name, known)}; it has {', '.join(sorted(known)) or 'none'}"
        )
    return function


def _is_factory(function: Any) -> bool:
    """Say whether it is a function with our mark; an odd object may answer any name with yes."""
    return inspect.isfunction(function) and vars(function).get(_MARK) is True


def _is_trusted(module: str, trusted_modules: Iterable[str]) -> bool:
    variable = os.environ.get(TRUSTED_VARIABLE, "")
    from_environment = [part.strip() for part in variable.split(",") if part.strip()]
    trusted = [*TRUSTED_PACKAGES, *trusted_modules, *from_environment]
    if any(f"{module}.".startswith(f"{name}.") for name in trusted):
        return True
    # A plug-in that was imported under a name of its own.
    file = getattr(sys.modules.get(module), "__file__", None)
    if not isinstance(file, str):
        return False
    return any(Path(folder) in Path(file).resolve().parents for folder in plugins.folders())
