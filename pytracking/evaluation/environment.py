"""The settings of `local.py` under pytracking's name; see `pytracking.environment`."""

from pytracking.environment import (
    LOCAL,
    MODULE,
    PACKAGE,
    VARIABLE,
    EnvSettings,
    create_default_local_file,
    ensure_local_file,
    env_settings,
    local_file,
    required_folder,
    settings_at,
)

__all__ = [
    "LOCAL",
    "MODULE",
    "PACKAGE",
    "VARIABLE",
    "EnvSettings",
    "create_default_local_file",
    "ensure_local_file",
    "env_settings",
    "local_file",
    "required_folder",
    "settings_at",
]
