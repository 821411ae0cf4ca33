"""Names that our modules lack, out of plug-in folders.

People write `actors.DiMPActor`, `ltr.models.loss.LBHinge` or `processing.KYSProcessing`: names of a
package that a file of their plug-in defines. A module of `ltr` or `pytracking` that is asked for a
name it lacks looks, in this order:

1. in a plug-in's file of the module's own name, which is otherwise not used, because ours stays;
2. in the `__init__.py` of a plug-in's folder of the package's name;
3. in the files of that folder, and of our package's, for the one that defines the name.

Files are read for their top-level definitions, and only the one that has the name is imported. A
file of ours that stays has its twin imported as `<module>__plugin`.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from ltr.io import plugins
from ltr.io.definitions import Import, definitions
from ltr.io.lost_names import PluginLoader

# Ends the name under which the plug-in's twin of a module of ours is imported.
TWIN = "__plugin"
_ATTACHED = "_looks_in_plugins"


class CompletedLoader(SourceFileLoader):
    """Loads a module of ours, which then finds in plug-ins the names that it lacks."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code; its `__getattr__` then looks in plug-ins, too."""
        super().exec_module(module)
        attach(module)


class CompletingFinder:
    """Finds our modules so that `CompletedLoader` loads them, and the plug-ins' twins of them."""

    # The plug-in folders that the imported modules are known to look in.
    seen: tuple[str, ...] = ()

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folders_in_use = tuple(plugins.folders()) if plugins.is_ours(fullname) else ()
        if not folders_in_use:
            return None
        if folders_in_use != cls.seen:
            cls.seen = folders_in_use
            attach_all()
        if fullname.endswith(TWIN):
            file = twin_of(_name_of_twin(fullname))
            if file is None:
                return None
            loader = PluginLoader(fullname, str(file))
            return spec_from_file_location(fullname, file, loader=loader)
        file = plugins.own_file(fullname)
        if file is None:
            return None
        folders = [str(file.parent)] if file.name == "__init__.py" else None
        return spec_from_file_location(
            fullname,
            file,
            loader=CompletedLoader(fullname, str(file)),
            submodule_search_locations=folders,
        )


def install() -> None:
    """Let our modules look in plug-ins for names; called once by `import ltr`, after `plugins`."""
    if CompletingFinder not in sys.meta_path:
        # After the finder of files that take the place of ours.
        sys.meta_path.insert(1, CompletingFinder)


def attach_all() -> None:
    """Let the modules that are already imported look in plug-ins, too."""
    for name, module in list(sys.modules.items()):
        if plugins.is_ours(name) and plugins.own_file(name) is not None:
            attach(module)


def attach(module: ModuleType) -> None:
    """Let `module` look in plug-ins for names that it lacks, after its own `__getattr__`."""
    if module.__dict__.get(_ATTACHED):
        return
    own = module.__dict__.get("__getattr__")
    look_up = functools.partial(_look_up, module.__name__, own)
    vars(module).update({_ATTACHED: True, "__getattr__": look_up})


def _look_up(module: str, own: Callable | None, name: str):
    if own is not None:
        try:
            return own(name)
        except AttributeError:
            if name.startswith("__"):
                raise
    # A file of that name is a sub-module, which Python imports when nobody has its name.
    is_module = name.startswith("__") or plugins.own_file(f"{module}.{name}") is not None
    home = None if is_module else home_of(module, name)
    if home is None:
        raise AttributeError(f"module '{module}' has no attribute '{name}'")
    home_module, home_name = home
    found = importlib.import_module(home_module)
    return found if home_name is None else getattr(found, home_name)


def home_of(module: str, name: str) -> tuple[str, str | None] | None:
    """Return the module that has `name`, which `module` lacks, and its name there (None: it is that
    module itself); None where no plug-in and no file of the package defines it.
    """
    twin = twin_of(module)
    if twin is not None and name in (names := definitions(twin)):
        imported = names[name]
        if imported is None or twin.name != "__init__.py":
            return module_of_twin(module, twin), name
        return _absolute(module, imported)
    for folder in [*plugins.places(module), *plugins.own_places(module)]:
        for file in sorted(Path(folder).glob("*.py")):
            if file.name != "__init__.py" and definitions(file).get(name, "") is None:
                return f"{module}.{file.stem}", name
    return None


def twin_of(module: str) -> Path | None:
    """Return a plug-in's file of the name of `module`, a module of ours; None without one."""
    package, _, stem = module.rpartition(".")
    if module in plugins.NEVER_FROM_PLUGINS:
        return None
    for folder in plugins.places(package):
        for file in (Path(folder, f"{stem}.py"), Path(folder, stem, "__init__.py")):
            if file.is_file():
                return file
    return None


def module_of_twin(module: str, file: Path) -> str:
    """Return the name under which the twin is imported: its relative imports work from there."""
    return f"{module}.{TWIN}" if file.name == "__init__.py" else f"{module}{TWIN}"


def _name_of_twin(fullname: str) -> str:
    return fullname.removesuffix(TWIN).removesuffix(".")


def _absolute(package: str, imported: Import) -> tuple[str, str | None]:
    """Return the module and name of an import that stands in the `__init__.py` of `package`."""
    level, module, name = imported
    if level == 0:
        return module, name
    parents = package.split(".")
    base = ".".join(parents[: len(parents) - level + 1])
    if module:
        return f"{base}.{module}", name
    return (base, None) if name is None else (f"{base}.{name}", None)
