"""Evaluation toolkit: trackers, data sets, analysis. `import pytracking` is cheap: exports load on first use."""

import importlib

_EXPORTS = {"run_tracker": "pytracking.run_tracker", "TensorList": "ltr.admin.tensorlist",
            "TensorDict": "ltr.admin.tensordict"}


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module 'pytracking' has no attribute '{name}'")
    value = getattr(importlib.import_module(_EXPORTS[name]), name)
    globals()[name] = value  # `pytracking.run_tracker` is the function, as in pytracking, not the module
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
