"""Fixtures that every area uses."""

import os
import re
from pathlib import Path

import pytest
import torch

from tests.support.evaluation import plugin_folder
from tests.support.kernels import apply_settings
from tests.support.numeric import is_numeric

__all__ = ["plugin_folder"]  # one folder for all areas: what is imported from it stays imported

REPO = Path(__file__).resolve().parents[1]
# one thread, as the test processes already fill the cores, unless tests.kernels says more
apply_settings()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests of files that compare results of float arithmetic."""
    if is_numeric(item.path):
        item.add_marker(pytest.mark.numeric)


@pytest.fixture(scope="session", autouse=True)
def full_float32() -> None:
    """Multiply float32 matrices in float32, whatever the process has chosen before."""
    torch.set_float32_matmul_precision("highest")


def pytest_configure(config: pytest.Config) -> None:
    """Hide the machine's GPUs unless `-m gpu` asks for the tests that need one.

    Results on a CPU are then the same on every machine. Without a GPU, `-m gpu` says so and ends.
    """
    if not _selects_gpu_tests(config.option.markexpr):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif not torch.cuda.is_available():
        pytest.exit("torch sees no GPU on this machine: the tests marked gpu are not run", 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that need a GPU when they were selected in another way than by `-m gpu`."""
    if _selects_gpu_tests(config.option.markexpr):
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a GPU: run pytest -m gpu"))


def _selects_gpu_tests(mark_expression: str) -> bool:
    return re.search(r"(?<!not )\bgpu\b", mark_expression) is not None


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
