"""Modules that are one line: a parameter file or a recipe that changes a value of another one.

`registry.py` in a package such as `pytracking.parameter.transt` holds a mapping `LINES` from the
name of a module to a function that returns what stands in the module. `import
pytracking.parameter.transt.spot_transt_k5` then works as if there were a file of that name. A file
of the name wins.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ltr.io.plugins import REGISTRY, registry_lines

Line = Callable[[], dict[str, Any]]


def calling(base: str, function: str, summary: str, **values: object) -> Line:
    """Return a line: the module `base`, whose `function` is called with `values`."""

    def contents() -> dict[str, Any]:
        original = getattr(importlib.import_module(base), function)
        return {function: partial(original, **values), "__doc__": summary}

    return contents


class LineLoader(Loader):
    """Fills a module with what its line says."""

    def __init__(self, line: Line, registry: ModuleType):
        self.line = line
        self.registry = registry

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.registry.__file__
        module.__dict__.update(self.line())


class LineFinder:
    """Finds modules that are lines of a registry, after all files."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if name == REGISTRY:
            return None
        line = registry_lines(package).get(name)
        if line is None:
            return None
        registry = sys.modules[f"{package}.{REGISTRY}"]
        return ModuleSpec(fullname, LineLoader(line, registry), origin=registry.__file__)


def install() -> None:
    """Let Python find the lines of registries as modules; called once by `import ltr`."""
    if LineFinder not in sys.meta_path:
        sys.meta_path.append(LineFinder)
