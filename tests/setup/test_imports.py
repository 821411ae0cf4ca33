"""Importing a package does no work. The floors are held by test_floors.py."""

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "module",
    [
        "ltr",
        "ltr.dataset",
        "pytracking",
        "pytracking.evaluation",
        "spot_ext",
        "spot_ext.training.recipe",
    ],
)
def test_importing_does_no_work_and_needs_no_extra(module):
    """Without local.py and without optional packages; nothing is written."""
    code = (
        f"import sys; sys.modules.update(visdom=None, jpeg4py=None); import {module}; "
        "assert not any(name.endswith('.local') and name.split('.')[0] in ('ltr', 'pytracking') "
        "for name in sys.modules)"
    )
    before = {path: path.stat().st_mtime for path in REPO.glob("*/*/local.py")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPO, timeout=120)
    assert {path: path.stat().st_mtime for path in REPO.glob("*/*/local.py")} == before
