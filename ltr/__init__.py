"""Training toolkit for visual trackers: data sets, samplers, networks, actors, trainers, recipes.

`MultiGPU`, `load_network` and `model_constructor` are imported on first use, so that `import ltr`
stays cheap.
"""

import importlib

from ltr.io import plugin_names as _plugin_names
from ltr.io import plugins as _plugins
from ltr.io import registry as _registry

_plugins.install()
_plugin_names.install()
_registry.install()

_EXPORTS = {
    "MultiGPU": "ltr.admin.multigpu",
    "load_network": "ltr.admin.loading",
    "model_constructor": "ltr.admin.model_constructor",
}
__all__ = ["MultiGPU", "load_network", "model_constructor"]


def __getattr__(name: str):
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'ltr' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
