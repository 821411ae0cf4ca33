"""Imports flow one way: spot_ext -> pytracking -> ltr. Only recipes of the method look up."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
FORBIDDEN = {"ltr": {"pytracking", "spot_ext"}, "pytracking": {"spot_ext"}, "spot_ext": set()}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_flow_one_way(package):
    recipes = REPO / "ltr/train_settings/spot"
    wrong = {
        str(file.relative_to(REPO)): sorted(imported(file) & FORBIDDEN[package])
        for file in (REPO / package).rglob("*.py")
        if recipes not in file.parents and imported(file) & FORBIDDEN[package]
    }
    assert wrong == {}


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
