"""Printed commands run as they stand: made where this copy and its interpreter are known."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest

from ltr.admin import installing

REPOSITORY = Path(__file__).resolve().parents[2]
FIXED_COMMAND = re.compile(r"`python -m spot_ext|pip install \"?spot-tracking")

# Tuning knows the files that it wrote by this mark; it is no command to paste.
MARKS = {"spot_ext/tuning/parameter_file.py"}


def source_files() -> list[Path]:
    """Return the sources of the three packages."""
    return [
        path
        for package in ("ltr", "pytracking", "spot_ext")
        for path in sorted((REPOSITORY / package).rglob("*.py"))
    ]


def printed_texts(tree: ast.Module) -> list[str]:
    """Return the texts of a module that are no docstrings."""
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def test_no_text_spells_a_command_by_hand():
    spelled = [
        f"{path.relative_to(REPOSITORY)}: {text}"
        for path in source_files()
        if path.relative_to(REPOSITORY).as_posix() not in MARKS
        for text in printed_texts(ast.parse(path.read_text(encoding="utf-8")))
        if FIXED_COMMAND.search(text)
    ]
    assert not spelled


def test_every_install_hint_names_a_group_of_this_copy():
    named = set()
    for path in source_files():
        named |= set(re.findall(r"install_command\(['\"](\w+)['\"]\)", path.read_text("utf-8")))
    assert {"tune", "annotate", "onnx"} <= named
    assert named <= set(installing.optional_requirements())


@pytest.mark.parametrize("uv", [None, "/opt/with blank/uv"])
def test_an_install_hint_is_for_this_interpreter_and_checkout(uv, monkeypatch, tmp_path):
    checkout = tmp_path / "with blank"
    checkout.mkdir()
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(installing, "REPOSITORY", checkout)
    monkeypatch.setattr(installing.shutil, "which", lambda _name: uv)
    words = shlex.split(installing.install_command("tune"))
    if uv is None:
        assert words == [sys.executable, "-I", "-m", "pip", "install", f"{checkout}[tune]"]
    else:
        start = [uv, "pip", "install", "--python", sys.executable]
        assert words == [*start, f"{checkout}[tune]"]


def test_an_installed_package_names_the_packages_themselves(monkeypatch, tmp_path):
    monkeypatch.setattr(installing, "REPOSITORY", tmp_path)
    words = shlex.split(installing.install_command("tune"))
    assert words[-1] == "optuna"
    assert not any(installing.DISTRIBUTION in word for word in words)
