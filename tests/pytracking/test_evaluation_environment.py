"""local.py: written once, never overwritten, its errors shown with file and line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ltr.admin.errors import BadInput, MissingFile, NotConfigured
from pytracking.evaluation import environment
from pytracking.evaluation.environment import (
    EnvSettings,
    create_default_local_file,
    ensure_local_file,
    env_settings,
    required_folder,
)

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def local(tmp_path, monkeypatch) -> Path:
    file = tmp_path / "local.py"
    monkeypatch.setenv("PYTRACKING_LOCAL", str(file))
    return file


def test_default_file_lists_every_attribute_in_alphabetical_order(local):
    create_default_local_file()
    names = [
        line.split("=")[0].strip()[len("settings.") :]
        for line in local.read_text().splitlines()
        if line.startswith("    settings.")
    ]
    assert names == sorted(vars(EnvSettings()))


def test_scripts_write_the_file_without_stopping(local):
    ensure_local_file()
    before = local.read_bytes()
    ensure_local_file()
    assert local.read_bytes() == before and env_settings().otb_path == ""


@pytest.mark.parametrize(
    "text, expected",
    [
        (
            "import no_such_module\n",
            "line 1: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("def local_env_settings():\n    return otb\n", "line 2: NameError"),
        ("x = 1\n", "defines no local_env_settings"),
        ("def local_env_settings():\n    pass\n", "return settings"),
    ],
    ids=["import", "undefined name", "no function", "no return"],
)
def test_error_in_users_file_is_shown_and_the_file_kept(local, text, expected):
    local.write_text(text)
    with pytest.raises(BadInput, match=expected):
        env_settings()
    assert create_default_local_file() == local
    assert local.read_text() == text


def test_user_may_add_attributes_and_lists(local):
    create_default_local_file()
    local.write_text(
        local.read_text().replace(
            "    return",
            "    settings.network_path = ['/a', '/b']\n    settings.mine = 3\n    return",
        )
    )
    settings = env_settings()
    assert (settings.network_path, settings.mine, settings.avist_path) == (["/a", "/b"], 3, "")


def test_an_edited_file_is_read_again(local):
    create_default_local_file()
    env_settings()
    local.write_text(
        local.read_text().replace("settings.otb_path = ''", "settings.otb_path = '/data/OTB'")
    )
    assert env_settings().otb_path == "/data/OTB"


def test_module_already_imported_is_used(monkeypatch):
    module = ModuleType(environment.MODULE)
    module.local_env_settings = lambda: "mine"
    monkeypatch.delenv("PYTRACKING_LOCAL", raising=False)
    monkeypatch.setitem(sys.modules, environment.MODULE, module)
    assert env_settings() == "mine"


@pytest.mark.parametrize(
    "attribute, value, kind, expected",
    [
        (
            "otb_path",
            "",
            NotConfigured,
            "OTB: otb_path is not set in .*local.py.*--dataset_name toy",
        ),
        ("otb_path", "/no/such", MissingFile, "OTB: otb_path in .*local.py is '/no/such'"),
        ("toy_path", "", NotConfigured, "run_training.py spot quickstart"),
        ("folder_path", "", NotConfigured, "sub-folders hold the images"),
    ],
)
def test_data_set_without_a_folder_is_one_sentence(local, attribute, value, kind, expected):
    settings = EnvSettings()
    setattr(settings, attribute, value)
    with pytest.raises(kind, match=expected):
        required_folder(settings, attribute, "OTB")


def test_file_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "file" / "local.py"))
    with pytest.raises(NotConfigured, match=r"cannot be written .* PYTRACKING_LOCAL"):
        create_default_local_file()


def test_in_a_fresh_checkout_the_file_lies_in_the_package(tmp_path):
    for package in ("pytracking", "ltr"):
        shutil.copytree(
            REPO / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns(
                "local.py", "__pycache__", "networks", "*_results", "models"
            ),
        )
    code = (
        "from pytracking.evaluation.environment import env_settings\n"
        "try:\n    env_settings()\nexcept RuntimeError as error:\n    "
        "print(str(error).split('!!!')[0])\n"
        "print(env_settings().results_path)"
    )
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTRACKING")
    }
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environ
    )
    assert out.stdout.splitlines() == [
        "YOU HAVE NOT SETUP YOUR local.py",
        f"{tmp_path}/pytracking/tracking_results/",
    ]
    assert (tmp_path / "pytracking" / "evaluation" / "local.py").is_file()
