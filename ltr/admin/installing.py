"""Write the command that brings an optional group of packages into this copy."""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import shutil
import sys

from ltr.admin.environment import REPOSITORY

DISTRIBUTION = "spot-tracking"


def install_command(extra: str) -> str:
    """Return the command line that installs the optional group `extra`, quoted for a shell.

    It is for this interpreter. A checkout installs its own group; an installed package, which may
    have come from a file or an address, names the packages of the group themselves.
    """
    if (REPOSITORY / "pyproject.toml").is_file():
        wanted = [f"{REPOSITORY}[{extra}]"]
    else:
        wanted = optional_requirements().get(extra, [])
    uv = shutil.which("uv")
    if uv is None and (REPOSITORY / ".venv-tools" / "bin" / "uv").is_file():
        uv = str(REPOSITORY / ".venv-tools" / "bin" / "uv")
    if uv is not None:
        return shlex.join([uv, "pip", "install", "--python", sys.executable, *wanted])
    # -I: a pip.py in the working folder is not what is meant.
    return shlex.join([sys.executable, "-I", "-m", "pip", "install", *wanted])


def optional_requirements() -> dict[str, list[str]]:
    """Return what each optional group of pyproject.toml asks for, e.g. `attributee==0.1.9`."""
    try:
        requirements = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    extras: dict[str, list[str]] = {}
    for requirement in requirements:
        match = re.match(r"([^;]+);.*extra == ['\"]([\w-]+)['\"]", requirement)
        if match:
            wanted, extra = match.groups()
            extras.setdefault(extra, []).append(wanted.strip())
    return extras
