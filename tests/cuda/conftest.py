"""Trains and tracks small things on the CPU and on rehearsed GPUs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ltr.admin.settings import Settings
from tests.spot_ext.conftest import write_tree
from tests.support.evaluation import machine, trees

__all__ = ["machine", "trees"]

LOCAL = """
class EnvironmentSettings:
    workspace_dir = {workspace!r}
    tensorboard_dir = {workspace!r} + "/tensorboard"
    lasot_dir = got10k_dir = trackingnet_dir = pretrained_networks = ""
"""


@pytest.fixture(scope="session")
def tree(tmp_path_factory) -> Path:
    """A small training set in GOT-10k's layout that tests only read."""
    return write_tree(tmp_path_factory.mktemp("cuda") / "train")


@pytest.fixture
def make_settings(tmp_path, monkeypatch) -> Callable[..., Settings]:
    """Return the settings of a run with its own folder: `make_settings("name", device="cpu")`."""
    local = tmp_path / "local.py"
    local.write_text(LOCAL.format(workspace=str(tmp_path / "workspace")))
    monkeypatch.setenv("LTR_LOCAL", str(local))

    def make(name: str, **values) -> Settings:
        settings = Settings()
        settings.project_path = f"ltr/spot/{name}"
        settings.seed = 0
        settings.overrides = {}
        for attribute, value in values.items():
            setattr(settings, attribute, value)
        return settings

    return make
