"""Code never comes from the working folder, which may hold somebody else's files."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Modules that processes of ours import; the last ones before multiprocessing has set their path.
NAMES = ["ltr", "spot_ext", "numpy", "cv2", "simplejpeg", "torch"]
EARLY_NAMES = ["multiprocessing", "pickle", "socket", "selectors", "tempfile"]

RENDERS = """
from pathlib import Path
from ltr.admin.errors import run_script
from pytracking.evaluation.video_window import window_problem
from spot_ext.rendering import drawn

def main():
    drawn.ensure(Path("toy"), splits={"train": 2, "val": 0, "test": 0}, size=(96, 96),
                 frames=(2, 3), workers=2)
    window_problem()

if __name__ == "__main__":
    run_script(main)
"""


def test_processes_do_not_import_from_the_working_folder(tmp_path):
    names = NAMES + (EARLY_NAMES if sys.version_info >= (3, 11) else [])
    data = tmp_path / "data"
    data.mkdir()
    for name in names:
        (data / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\n")
    (tmp_path / "script.py").write_text(RENDERS)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        cwd=data,
        env={**os.environ, "DISPLAY": ":4242"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert len(list((data / "toy/train").glob("toy_train_*"))) == 2


@pytest.mark.parametrize("folder", ["ltr", "pytracking", "spot_ext"])
def test_python_is_started_with_a_path_of_ours(folder):
    """A plain `python -c` puts the working folder first."""
    from pathlib import Path

    root = Path(__file__).resolve().parents[2] / folder
    lines = [
        f"{path.name}: {line.strip()}"
        for path in root.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "[sys.executable, " in line and '"-I"' not in line
    ]
    assert lines == []
