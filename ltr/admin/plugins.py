"""Own recipes outside the checkout: folders that the environment variable PYTRACKING_PLUGINS names."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "PYTRACKING_PLUGINS"  # folders separated as in PATH


def plugin_folders(kind: str) -> list[str]:
    """Existing sub-folders `kind` (e.g. 'train_settings') of the plug-in folders, in the order they are named."""
    roots = [part for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part.strip()]
    folders = [Path(root.strip()).expanduser().resolve() / kind for root in roots]
    return [str(folder) for folder in folders if folder.is_dir()]
