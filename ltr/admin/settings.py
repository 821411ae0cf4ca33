"""The free-form settings of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ltr.admin.environment import env_settings, find_env_settings


class Settings:
    """Settings of a recipe, which the framework reads; any attribute may be assigned.

    Read by the framework: `env` (local.py), `use_gpu`, `device`, `seed` (None: unseeded),
    `description`, `print_interval`, `print_stats`, `move_data_to_gpu`, `grad_clip_max_norm`,
    `keep_checkpoints`, and `module_name`, `script_name`, `project_path`, `overrides`, which
    `run_training` sets.
    """

    if TYPE_CHECKING:
        # Users assign what they like: the type checker takes any attribute.
        def __getattr__(self, name: str) -> Any: ...

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self) -> None:
        self.set_default()

    def set_default(self) -> None:
        """Attributes that every run has."""
        self.env = env_settings()
        self.use_gpu = True
        self.seed = 0

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> Settings:
        """Settings with the given attributes, and this machine's `env` where there is a
        local.py.
        """
        settings = cls.__new__(cls)
        settings.__setstate__(values)
        return settings

    def __getstate__(self) -> dict[str, Any]:
        # The class of `env` comes from the user's file, which another process or machine cannot
        # import by name.
        state = dict(self.__dict__)
        if hasattr(state.get("env"), "__dict__"):
            state["env"] = vars(state["env"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        stored = self.__dict__.pop("env", {})
        env = find_env_settings()
        if env is not None:
            vars(env).update(stored if isinstance(stored, dict) else vars(stored))
            self.env = env
