"""Folders outside the package from which trackers, parameters, experiments and data sets are loaded
too.

The environment variable `PYTRACKING_PLUGINS` and the attribute `plugins` of local.py name them
(several: separated by `os.pathsep`, or a list in local.py). An entry is a folder, or an importable
package, of this shape:

    <entry>/tracker/<name>/__init__.py      becomes pytracking.tracker.<name>
    <entry>/parameter/<name>/<param>.py     becomes pytracking.parameter.<name>.<param>
    <entry>/experiments/<module>.py         becomes pytracking.experiments.<module>
    <entry>/evaluation/<module>.py          becomes pytracking.evaluation.<module> (classes of own
    data sets) <entry>/datasets.py                     run once, before the first data set is looked
    up: add to `dataset_dict`

<name> may be a tracker of the package: `parameter/transt/mine.py` is one more parameter file for
it. What the package itself holds wins over a plug-in of the same name.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from ltr.admin.plugins import VARIABLE, extend_subpackages

_log = logging.getLogger(__name__)
_folders: list[Path] = []
_search_paths: dict[
    str, list[str]
] = {}  # kind of plug-in -> __path__ of the sub-package that holds it
_registered: set[Path] = set()
_unusable: set[str] = set()


def extend(search_path: list[str], kind: str) -> None:
    """Let a sub-package, and those inside it, find modules in the plug-in folders too:
    `extend(__path__, 'tracker')`.

    Folders that become known later (local.py) are added when they do.
    """
    _search_paths[kind] = search_path
    extend_subpackages(f"pytracking.{kind}", lambda: [str(folder / kind) for folder in _folders])
    activate()


def activate(entries: str | os.PathLike | Iterable[str | os.PathLike] = ()) -> None:
    """Use the folders that the environment variable and `entries` name from now on."""
    if isinstance(entries, (str, os.PathLike)):
        entries = str(entries).split(os.pathsep)
    for entry in [*os.environ.get(VARIABLE, "").split(os.pathsep), *map(str, entries)]:
        for folder in _locate(entry):
            if folder not in _folders:
                _folders.append(folder)
    for kind, search_path in _search_paths.items():
        for folder in _folders:
            if (folder / kind).is_dir() and str(folder / kind) not in search_path:
                search_path.append(str(folder / kind))
                importlib.invalidate_caches()


def folders() -> list[str]:
    """The plug-in folders in use, e.g. to hand them to a worker process."""
    activate()
    return [str(folder) for folder in _folders]


def run_dataset_registrations() -> None:
    """Run the `datasets.py` of every plug-in folder that has one and has not run yet."""
    activate()
    for folder in _folders:
        file = folder / "datasets.py"
        if file in _registered or not file.is_file():
            continue
        _registered.add(file)
        name = f"pytracking_plugin_datasets_{len(_registered)}"
        spec = importlib.util.spec_from_file_location(name, file)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # classes defined there can then be found by name
        spec.loader.exec_module(module)


def importable(module: str) -> bool:
    """Whether `module` can be found, without importing it (its parents are imported)."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name is not None and module.startswith(error.name):
            return False  # a parent is missing, not something the module itself imports
        raise


def _locate(entry: str) -> list[Path]:
    entry = entry.strip()
    if not entry or entry in _unusable:
        return []
    folder = Path(entry).expanduser()
    if folder.is_dir():
        return [folder.resolve()]
    spec = importlib.util.find_spec(entry) if entry.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        return [Path(place).resolve() for place in spec.submodule_search_locations]
    _unusable.add(entry)
    _log.warning(
        "plug-ins: '%s' is neither a folder nor an importable package and is ignored - correct "
        "%s, or "
        "`plugins` in pytracking/evaluation/local.py",
        entry,
        VARIABLE,
    )
    return []
