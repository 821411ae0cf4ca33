"""Names that older libraries had and code of plug-ins still imports.

Before a plug-in's file runs, the names in `LOST_NAMES` that it imports are put where it looks for
them. They are given back only to libraries that lack them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from ltr.io.definitions import definitions


def _resnet_urls() -> dict[str, str]:
    """Return the addresses of torchvision's ImageNet weights, which it has elsewhere since 0.13."""
    models = importlib.import_module("torchvision.models")
    names = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
    return {name: models.get_model_weights(name).IMAGENET1K_V1.url for name in names}


LOST_NAMES: dict[tuple[str, str], Callable[[], Any]] = {
    ("torchvision.models.resnet", "model_urls"): _resnet_urls,
}


class PluginLoader(SourceFileLoader):
    """Loads a file of a plug-in, after giving libraries back the lost names that it imports."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code."""
        for imported in definitions(Path(self.path)).values():
            if imported is not None and imported[0] == 0 and imported[2] is not None:
                give_back(imported[1], imported[2])
        super().exec_module(module)


def give_back(module: str, name: str) -> None:
    """Put the lost `name` into `module`, unless it is there or is not a lost one."""
    value = LOST_NAMES.get((module, name))
    if value is None:
        return
    library = importlib.import_module(module)
    if not hasattr(library, name):
        setattr(library, name, value())
