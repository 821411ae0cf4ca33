"""Tests see a GPU only when `-m gpu` asks for one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import _selects_gpu_tests

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("expression", "selects"),
    [
        ("gpu", True),
        ("slow or gpu", True),
        ("not slow and not gpu", False),
        ("slow", False),
        ("", False),
    ],
)
def test_marker_expression(expression, selects):
    assert _selects_gpu_tests(expression) is selects


def test_no_gpu_is_seen_by_other_tests():
    assert not torch.cuda.is_available()


@pytest.mark.slow
def test_without_a_gpu_the_command_says_so():
    command = [sys.executable, "-m", "pytest", "-n", "0", "-m", "gpu", "tests/cuda"]
    # An empty list of visible devices stands for a machine without a GPU.
    done = subprocess.run(
        command,
        cwd=REPO,
        env={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "torch sees no GPU on this machine" in done.stdout + done.stderr
