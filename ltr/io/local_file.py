"""The engine of the two `local.py` files, in which a user says where things lie on this machine.

The training's file and the evaluation's file differ in what they define and in their defaults: each
is a `LocalFile` of its own. A file is written once when it is missing and never again. An error in
it is shown with file and line, and the file stays as it is.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ltr.admin.errors import BadInput, NotConfigured
from ltr.io import plugins
from ltr.io.files import write_text


@dataclass
class LocalFile:
    """A kind of `local.py`.

    `variable` is the environment variable that names another place for it, `default_path` its usual
    place, `module` its name as a module, `definition` the class or function in it that makes the
    settings, and `default_text` gives what is written when the file is missing.
    """

    variable: str
    default_path: Path
    module: str
    definition: str
    default_text: Callable[[], str]
    # By path, time of change and size: the file is executed once a process for each state of it.
    loaded: dict[tuple[str, int, int], ModuleType] = field(default_factory=dict)

    def path(self) -> Path:
        """Return the path of the file in use, which need not exist."""
        chosen = os.environ.get(self.variable)
        return Path(chosen).expanduser().resolve() if chosen else self.default_path

    def exists(self) -> bool:
        """Say whether there is such a file, or a module of its name that somebody has made."""
        return self.path().exists() or self._made_module() is not None

    def create_default(self) -> Path:
        """Write the default file unless there is one; return its path."""
        path = self.path()
        if path.exists():
            return path
        try:
            write_text(path, self.default_text())
        except OSError as error:
            raise NotConfigured(
                f"{path} cannot be written ({error.strerror}); set the environment variable "
                f"{self.variable} to a file that can, e.g. ~/{self.module.split('.')[0]}_local.py"
            ) from None
        return path

    def settings(self) -> Any:
        """Return new settings of the file, and use the plug-in folders that they name.

        When the file is missing it is written with defaults and NotConfigured (a RuntimeError) asks
        to look at it; the next call succeeds.
        """
        if not self.exists():
            raise NotConfigured(
                f"YOU HAVE NOT SETUP YOUR local.py!!!\n Go to {self.create_default()} and set all "
                "the paths you need. Then try to run again."
            )
        path = self.path()
        try:
            settings = self._definition(path)()
        except BadInput:
            raise
        except Exception as error:
            raise NotConfigured(
                f"{line_of(error, path)}; correct the file, it was left as it is"
            ) from error
        if settings is None:
            raise NotConfigured(
                f"{path}: {self.definition}() returns nothing; end it with `return settings`"
            )
        plugins.activate(getattr(settings, "plugins", "") or ())
        return settings

    def _definition(self, path: Path) -> Callable[[], Any]:
        module = self._made_module() or self._execute(path)
        definition = getattr(module, self.definition, None)
        if not callable(definition):
            kind = "class " if self.definition[0].isupper() else ""
            raise NotConfigured(
                f"{path} defines no {kind}{self.definition}; rename the file and run again to "
                "get a default one as an example"
            )
        return definition

    def _made_module(self) -> ModuleType | None:
        """Return the module of the file's usual name that was made without the file."""
        if self.variable in os.environ or self.module not in sys.modules:
            return None
        module = sys.modules[self.module]
        return None if module in self.loaded.values() else module

    def _execute(self, path: Path) -> ModuleType:
        state = path.stat()
        key = (str(path), state.st_mtime_ns, state.st_size)
        if key not in self.loaded:
            module = ModuleType(self.module)
            module.__file__ = str(path)
            # Not by an import: the file may have another name, and a cached .pyc may be older than
            # an edit a moment ago.
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
            # Old checkpoints and `from ltr.admin.local import ...` find the same module.
            sys.modules[self.module] = module
            self.loaded[key] = module
        return self.loaded[key]


def line_of(error: BaseException, path: Path) -> str:
    """Return `error` as one line that starts with the file and the line to blame."""
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{error.filename or path} line {error.lineno}: {kind}: {error.msg}"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename) == path
    ]
    place = f"{path} line {lines[-1]}" if lines else str(path)
    return f"{place}: {kind}: {error}"
