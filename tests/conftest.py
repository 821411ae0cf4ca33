"""Fixtures that every area uses."""

import os
from pathlib import Path

import pytest
import torch

from tests.support.evaluation import plugin_folder

__all__ = ["plugin_folder"]  # one folder for all areas: what is imported from it stays imported

REPO = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)  # the test processes already fill the cores


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with real sequences and reference numbers; the test skips, saying so, where it is
    absent.
    """
    folder = Path(os.environ.get("SPOT_SHARED", REPO.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(
            f"no shared data at {folder}; set SPOT_SHARED to the folder that holds data/ and "
            "golden/"
        )
    return folder
