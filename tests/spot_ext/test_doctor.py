"""`spot doctor` names what the machine has, and the command for what is missing."""

from __future__ import annotations

import pytest

from spot_ext.__main__ import main
from spot_ext.commands import doctor
from tests.support.cuda_rehearsal import rehearsal


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch):
    """Both local.py in a folder of the test; they are not there yet."""
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "pytracking_local.py"))
    return tmp_path


def test_every_section_is_there_and_nothing_needed_is_missing(own_settings, capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for title in ("Device\n", "Versions\n", "Paths\n", "Codecs\n", "Optional packages\n"):
        assert title in out
    assert "training will use     the CPU" in out
    assert str(own_settings / "ltr_local.py") in out
    # It only looks.
    assert list(own_settings.iterdir()) == []


def test_a_gpu_is_named(capsys):
    with rehearsal(devices=2):
        main(["doctor"])
    out = capsys.readouterr().out
    assert "GPU 1                 Rehearsed GPU, 151 GB, capability 9.0" in out
    assert "training will use     Rehearsed GPU" in out


def test_a_driver_without_a_gpu_build_names_the_command(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_driver_version", lambda: "570.10")
    monkeypatch.setattr("torch.version.cuda", None)
    main(["doctor"])
    out = capsys.readouterr().out
    assert "this PyTorch cannot use the GPU; bash " in out
    assert "install.sh brings one that can" in out


def test_an_absent_package_names_its_extra(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "_version", lambda package: None)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "  optuna" not in out
    assert "tune                  without optuna" in out
    assert "pip install" in out and "[tune]'" in out


def test_a_local_file_that_cannot_be_read_is_told(own_settings, capsys):
    (own_settings / "ltr_local.py").write_text("class EnvironmentSettings:\n    1 / 0\n")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "training settings: " in out
    assert "ltr_local.py" in out


def test_folders_of_the_settings_are_listed(own_settings, capsys):
    (own_settings / "ltr_local.py").write_text(
        "class EnvironmentSettings:\n"
        f"    def __init__(self):\n        self.workspace_dir = {str(own_settings)!r}\n"
        "        self.lasot_dir = '/not/there'\n        self.got10k_dir = ''\n"
    )
    main(["doctor"])
    out = capsys.readouterr().out
    assert f"workspace_dir         {own_settings} (" in out
    assert "lasot_dir             /not/there (not there yet)" in out
    assert "got10k_dir" not in out
