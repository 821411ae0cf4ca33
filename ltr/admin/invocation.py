"""Write commands that a reader can paste, as this process itself was called."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def spot_command(*arguments: str | os.PathLike[str]) -> str:
    """Return the command line `spot ARGUMENTS`, quoted for a shell.

    It starts as this process was started: with `spot`, with the path of that script, or with
    `python -m spot_ext` and the interpreter as it was typed.
    """
    words = [*_spot_prefix(), *(os.fspath(argument) for argument in arguments)]
    return shlex.join(words)


def _spot_prefix() -> list[str]:
    typed = sys.orig_argv
    # `python -m spot_ext …`, with options of the interpreter before -m.
    for position in range(1, len(typed) - 1):
        if typed[position] == "-m" and typed[position + 1] == "spot_ext":
            return typed[: position + 2]
        if not typed[position].startswith("-"):
            break
    script = Path(sys.argv[0])
    if script.name == "spot" and shutil.which("spot") not in (str(script), str(script.absolute())):
        return [str(script)]
    return ["spot"]
