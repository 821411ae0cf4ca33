"""Modules outside the checkout: in folders that the environment variable PYTRACKING_PLUGINS
names.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

VARIABLE = "PYTRACKING_PLUGINS"  # folders separated as in PATH

_kinds: dict[
    str, Callable[[], Iterable[str]]
] = {}  # package -> folders with sub-folders of its sub-packages' names


def plugin_folders(kind: str) -> list[str]:
    """Existing sub-folders `kind` (e.g. 'train_settings') of the plug-in folders, in the order they
    are named.
    """
    roots = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    folders = [Path(root.strip()).expanduser().resolve() / kind for root in roots]
    return [str(folder) for folder in folders if folder.is_dir()]


def extend_subpackages(package: str, folders: Callable[[], Iterable[str]]) -> None:
    """Let `<package>.<name>.<module>` be found as `<folder>/<name>/<module>.py`, too, in any of
    `folders()`.

    What `<package>.<name>` itself holds wins. `folders` is asked anew at each import.
    """
    _kinds[package] = folders
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)  # last: asked for what nothing else finds


def modules_in(package: str) -> list[str]:
    """Names of the modules of `package`, plug-ins included."""
    places = [*importlib.import_module(package).__path__, *_added(package)]
    return sorted({info.name for info in pkgutil.iter_modules(places)})


class _Finder:
    @classmethod
    def find_spec(
        cls, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        return PathFinder.find_spec(fullname, _added(fullname.rpartition(".")[0]), target)


def _added(package: str) -> list[str]:
    """Where plug-ins may have modules of a sub-package such as `pytracking.parameter.transt`."""
    kind, _, name = package.rpartition(".")
    return [os.path.join(folder, name) for folder in _kinds[kind]()] if kind in _kinds else []
