"""Plug-ins: folders from which modules of `ltr` and `pytracking` are loaded beside our own.

The environment variable `PYTRACKING_PLUGINS` and the attribute `plugins` of local.py name them
(several: separated as in PATH, or a list in local.py). An entry is a folder or an importable
package. It has one of two forms, and `<kind>` may be any sub-package of `ltr` or `pytracking`:

    a checkout      <entry>/ltr/<kind>/...  and  <entry>/pytracking/<kind>/...
    flat            <entry>/<kind>/...

Thus `<entry>/parameter/transt/mine.py` becomes `pytracking.parameter.transt.mine`, and
`<entry>/ltr/models/tracking/mine.py` becomes `ltr.models.tracking.mine`. A file
`<entry>/datasets.py` is run once, before the first data set is looked up.

A file of a name that this package has, too, takes the place of ours where people edit files:
trackers, parameters, experiments and recipes. A log line says so. Everywhere else our own module
stays, because the rest of our library is written for it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

from ltr.io.lost_names import PluginLoader

VARIABLE = "PYTRACKING_PLUGINS"
# Below these packages a plug-in's file replaces ours.
REPLACEABLE = (
    "ltr.train_settings",
    "pytracking.parameter",
    "pytracking.tracker",
    "pytracking.experiments",
)
# A module of this name in a package holds lines that stand for modules, see `ltr.io.registry`.
REGISTRY = "registry"

_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGES = ("ltr", "pytracking")
# Modules at the top of this repository that pytracking's and TransT's files import.
_BESIDE_OUR_PACKAGES = ("spatial_correlation_sampler", "util")
# The paths of this machine, never those of the machine that a checkout was copied from.
NEVER_FROM_PLUGINS = ("ltr.admin.local", "pytracking.evaluation.local")

_log = logging.getLogger(__name__)
_activated: list[Path] = []
_located: dict[str, list[Path]] = {}
_registered: set[Path] = set()
_announced: set[str] = set()


def activate(entries: str | os.PathLike | Iterable[str | os.PathLike] = ()) -> None:
    """Use the folders that `entries` name from now on, beside those of the environment variable."""
    if isinstance(entries, (str, os.PathLike)):
        entries = str(entries).split(os.pathsep)
    for entry in entries:
        for folder in _locate(str(entry)):
            if folder not in _activated:
                _activated.append(folder)
                importlib.invalidate_caches()


def folders() -> list[str]:
    """Return the plug-in folders in use, the environment variable's first."""
    return [str(folder) for folder in _folders()]


def modules_in(package: str) -> list[str]:
    """Return the names of the modules of `package`, plug-ins' and the registry's lines included."""
    module = importlib.import_module(package)
    searched = [*module.__path__, *places(package)]
    names = {info.name for info in pkgutil.iter_modules(searched)}
    names |= set(registry_lines(package))
    return sorted(name for name in names if name != REGISTRY and not name.startswith("_"))


def packages_in(package: str) -> list[str]:
    """Return the names of the folders with modules in `package`, plug-ins' included."""
    module = importlib.import_module(package)
    names = set()
    for place in [*module.__path__, *places(package)]:
        for entry in Path(place).iterdir():
            if entry.is_dir() and any(entry.glob("*.py")):
                names.add(entry.name)
    return sorted(names)


def is_ours(module: str) -> bool:
    """Say whether `module` is one of `ltr` or `pytracking`."""
    return module.partition(".")[0] in _PACKAGES


def own_places(package: str) -> list[str]:
    """Return the folder of our own `package`, in a list; an empty one for other modules."""
    folder = _REPOSITORY.joinpath(*package.split("."))
    return [str(folder)] if is_ours(package) and folder.is_dir() else []


def own_file(module: str) -> Path | None:
    """Return the file of `module` in this repository; None without one."""
    path = _REPOSITORY.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return None


def registry_lines(package: str) -> dict:
    """Return the lines of the registry of `package`; empty where it has none."""
    if not package.startswith(REPLACEABLE) or package in REPLACEABLE:
        return {}
    name = f"{package}.{REGISTRY}"
    if not importable(name):
        return {}
    return importlib.import_module(name).LINES


def importable(module: str) -> bool:
    """Say whether `module` can be found, without importing it (its parents are imported)."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            # A parent is missing, not something that the module itself imports.
            return False
        raise


def run_dataset_registrations() -> None:
    """Run the `datasets.py` of every plug-in folder that has one and has not run yet."""
    for folder in _folders():
        file = folder / "datasets.py"
        if file in _registered or not file.is_file():
            continue
        _registered.add(file)
        name = f"pytracking_plugin_datasets_{len(_registered)}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # Classes that are defined there are then found by name.
        sys.modules[name] = module
        spec.loader.exec_module(module)


class ReplacingFinder:
    """Finds a plug-in's file before ours, below the packages in `REPLACEABLE`."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package = fullname.rpartition(".")[0]
        if not _is_replaceable(package):
            return None
        searched = places(package)
        spec = PathFinder.find_spec(fullname, searched, target) if searched else None
        if spec is None or spec.loader is None or spec.origin is None:
            # A folder without __init__.py adds files to a package and does not replace it.
            return None
        spec.loader = _loader(spec)
        own_folder = _REPOSITORY.joinpath(*package.split("."))
        own = PathFinder.find_spec(fullname, [str(own_folder)])
        if own is not None:
            if spec.submodule_search_locations is not None:
                # What the plug-in's package lacks comes from ours.
                spec.submodule_search_locations.extend(own.submodule_search_locations or [])
            _announce(fullname, spec.origin)
        return spec


class AddingFinder:
    """Finds in plug-in folders what nothing else has found."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in NEVER_FROM_PLUGINS:
            return None
        if fullname in _BESIDE_OUR_PACKAGES:
            # A script of this repository has its folder on the path; an importer may not.
            return PathFinder.find_spec(fullname, [str(_REPOSITORY)], target)
        searched = places(fullname.rpartition(".")[0])
        spec = PathFinder.find_spec(fullname, searched, target) if searched else None
        if spec is not None and spec.loader is None:
            spec.submodule_search_locations = list(spec.submodule_search_locations or [])
        elif spec is not None:
            spec.loader = _loader(spec)
        return spec


def install() -> None:
    """Let Python look for modules in plug-in folders; called once by `import ltr`."""
    if ReplacingFinder not in sys.meta_path:
        sys.meta_path.insert(0, ReplacingFinder)
        sys.meta_path.append(AddingFinder)


def _loader(spec: ModuleSpec):
    """Return the loader for a plug-in's file; compiled modules keep their own."""
    if type(spec.loader) is SourceFileLoader and spec.origin is not None:
        return PluginLoader(spec.name, spec.origin)
    return spec.loader


def _is_replaceable(package: str) -> bool:
    return any(package == kind or package.startswith(f"{kind}.") for kind in REPLACEABLE)


def _announce(module: str, file: str) -> None:
    if module not in _announced:
        _announced.add(module)
        _log.info("plug-ins: %s takes the place of our %s", file, module)


def places(package: str) -> list[str]:
    """Return the folders in which plug-ins may have modules of `package`."""
    root, _, below = package.partition(".")
    if root not in _PACKAGES:
        return []
    inside = below.replace(".", os.sep)
    existing: list[str] = []
    for folder in _folders():
        candidates = [folder / root / inside]
        if below:
            candidates.append(folder / inside)
        existing.extend(str(place) for place in candidates if place.is_dir())
    return existing


def _folders() -> list[Path]:
    # The variable is read anew at each look, so that a process may set it after the first import.
    found: list[Path] = []
    for entry in os.environ.get(VARIABLE, "").split(os.pathsep):
        found.extend(_locate(entry))
    return list(dict.fromkeys([*found, *_activated]))


def _locate(entry: str) -> list[Path]:
    """Return the folders of an entry; an entry that has none is reported once."""
    entry = entry.strip()
    if not entry:
        return []
    if entry in _located:
        return _located[entry]
    folder = Path(entry).expanduser()
    if folder.is_dir():
        return [folder.resolve()]
    # Looking for a package asks the finders above, which ask here: the answer so far is "none".
    _located[entry] = []
    spec = importlib.util.find_spec(entry) if entry.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        _located[entry] = [Path(place).resolve() for place in spec.submodule_search_locations]
    else:
        _log.warning(
            "plug-ins: '%s' is neither a folder nor an importable package and is ignored; correct "
            "%s, or `plugins` in local.py",
            entry,
            VARIABLE,
        )
    return _located[entry]
