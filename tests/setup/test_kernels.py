"""The command that runs numeric tests under other kernels."""

import pytest

from tests import kernels as command
from tests.support import kernels
from tests.support.numeric import NUMERIC_FILES, TESTS, existing_files, is_numeric


def test_listed_files_exist():
    assert [name for name in NUMERIC_FILES if not (TESTS / name).is_file()] == []
    assert len(existing_files()) == len(NUMERIC_FILES)


def test_files_are_marked_by_the_list(tmp_path):
    assert is_numeric(TESTS / "golden/test_parity.py")
    assert not is_numeric(TESTS / "golden/test_golden_command.py")
    assert not is_numeric(tmp_path / "test_parity.py")


def test_names_of_settings_differ():
    names = [setting.name for setting in (*kernels.SETTINGS, kernels.MEDIUM)]
    assert len(set(names)) == len(names)


def test_a_commit_always_gets_the_same_setting_and_every_setting_is_reached():
    settings = kernels.SETTINGS
    assert command.setting_of_commit("0a", settings) == command.setting_of_commit("0a", settings)
    chosen = [command.setting_of_commit(f"{number:x}", settings) for number in range(len(settings))]
    assert chosen == list(settings)
    int(command.current_commit(), 16)


@pytest.mark.parametrize(
    ("cores", "threads", "processes"), [(2, 1, 2), (2, 2, 1), (1, 2, 1), (8, 2, 4)]
)
def test_threads_of_all_processes_fit_the_cores(cores, threads, processes, monkeypatch):
    monkeypatch.setattr(command, "usable_cores", lambda: cores)
    setting = kernels.Kernels("some threads", {kernels.THREADS: str(threads)})
    assert command.process_count(setting) == str(processes)


@pytest.mark.parametrize(
    ("source", "status", "row"),
    [
        ("def test_good(): pass", 0, "green"),
        ("def test_bad(): assert False", 1, "RED"),
        ("import nosuch", 1, "RED"),
    ],
    ids=["passes", "fails", "cannot be imported"],
)
def test_table(tmp_path, capsys, monkeypatch, source, status, row):
    (tmp_path / "test_it.py").write_text(
        f"import pytest\npytestmark = pytest.mark.numeric\n{source}\n"
    )
    monkeypatch.setattr(command, "SETTINGS", (kernels.DEFAULT,))
    arguments = ["--only", kernels.DEFAULT.name, "--workers", "0", str(tmp_path / "test_it.py")]
    assert command.main(arguments) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(kernels.DEFAULT.name) and lines[2].endswith(row)


def test_unknown_setting(capsys):
    assert command.main(["--only", "nosuch"]) == 2
    assert "no setting" in capsys.readouterr().err


def test_settings_reach_torch(monkeypatch):
    import torch

    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    try:
        kernels.apply_settings({kernels.THREADS: "2", kernels.MATMUL_PRECISION: "medium"})
        assert torch.get_num_threads() == 2
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_num_threads(before[0])
        torch.set_float32_matmul_precision(before[1])
