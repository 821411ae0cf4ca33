"""Evaluation toolkit: trackers, data sets, analysis. `import pytracking` is cheap: exports load on
first use.
"""

import importlib
import sys
from types import ModuleType

import ltr  # noqa: F401  it lets Python find the modules of plug-in folders

_FUNCTIONS = ("run_tracker", "run_webcam")  # of the scripts of the same name
_MODULES = ("complex", "dcf", "fourier", "operation", "optimization")
_EXPORTS = {
    **{name: f"pytracking.{name}" for name in _FUNCTIONS},
    **{name: f"pytracking.libs.{name}" for name in _MODULES},
    "TensorList": "ltr.admin.tensorlist",
    "TensorDict": "ltr.admin.tensordict",
}


class _Package(ModuleType):
    """Keeps `pytracking.run_tracker` the function, also after the module of that name has been
    imported.
    """

    def __setattr__(self, name: str, value) -> None:
        if name in _FUNCTIONS and isinstance(value, ModuleType):
            value = getattr(value, name, value)
        super().__setattr__(name, value)


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module 'pytracking' has no attribute '{name}'")
    value = importlib.import_module(_EXPORTS[name])
    if name not in _MODULES:
        value = getattr(value, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])


sys.modules[__name__].__class__ = _Package
