"""Contract checks of the VOT wrappers: A01 for run_vot.py, and the public names of sections A.5,
B.8 and C.4.
"""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from pytracking import run_vot
from pytracking.evaluation import vot, vot2020
from pytracking.evaluation.tracker import Tracker

REPO = Path(__file__).resolve().parents[2]


def test_A01_run_vot_help_lists_every_flag(tmp_path):
    done = subprocess.run(
        [sys.executable, str(REPO / "pytracking" / "run_vot.py"), "-h"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert all(
        flag in done.stdout
        for flag in ("tracker_name", "tracker_param", "--run_id", "--runid", "--debug")
    )


@pytest.mark.parametrize(
    "function, signature",
    [
        (
            run_vot.run_vot2020,
            "(tracker_name, tracker_param, run_id=None, debug=0, visdom_info=None)",
        ),
        (run_vot.run_vot, "(tracker_name, tracker_param, run_id=None, debug=0, visdom_info=None)"),
        (Tracker.run_vot2020, "(self, debug=None, visdom_info=None)"),
        (Tracker.run_vot, "(self, debug=None, visdom_info=None)"),
        (vot.VOT.report, "(self, region, confidence=0)"),
        (vot2020.VOT.report, "(self, region, confidence=0)"),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_A5_B8_signatures(function, signature):
    parameters = [
        p.replace(annotation=p.empty) for p in inspect.signature(function).parameters.values()
    ]
    assert str(inspect.Signature(parameters)) == signature


@pytest.mark.parametrize(
    "name",
    ["Rectangle", "Point", "Polygon", "parse_region", "encode_region", "convert_region", "VOT"],
)
def test_B8_names_are_shared_by_all_copies(name):
    from pytracking.VOT import vot as example

    assert getattr(example, name) is getattr(vot, name)
    assert name == "VOT" or getattr(vot2020, name) is getattr(vot, name)


def test_B8_regions_are_named_tuples():
    assert vot.Rectangle._fields == ("x", "y", "width", "height")
    assert vot.Point._fields == ("x", "y") and vot.Polygon._fields == ("points",)


@pytest.mark.parametrize("protocol", ["run_vot", "run_vot2020"])
def test_A5_functions_call_the_tracker(monkeypatch, tmp_path, protocol):
    local = tmp_path / "local.py"
    local.write_text(
        "from pytracking.evaluation.environment import EnvSettings\nlocal_env_settings = "
        "EnvSettings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(local))
    calls = []
    monkeypatch.setattr(
        Tracker,
        protocol,
        lambda self, *arguments: calls.append((self.name, self.run_id, *arguments)),
    )
    getattr(run_vot, protocol)("nosuch", "default", 3, 1, {"port": 1})
    assert calls == [("nosuch", 3, 1, {"port": 1})]
