"""The VOT toolkit itself, from `vot initialize` to `vot analysis`, with a TransT network in a
workspace of rendered videos.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pytracking.evaluation.data import Sequence
from pytracking.evaluation.tracker import Tracker

REPO = Path(__file__).resolve().parents[2]
STACK = """
title: Toy
experiments:
  baseline:
    type: unsupervised
    repetitions: 1
    analyses:
      - {type: average_accuracy, name: accuracy, burnin: 1}
"""
PLUGIN = {
    "tracker/tiny/__init__.py": "from pytracking.tracker.transt import get_tracker_class\n",
    "parameter/tiny/__init__.py": "",
    "parameter/tiny/net.py": """
from pytracking.parameter.transt import transt50

def parameters():
    return transt50.parameters('tiny.pth.tar')
""",
}


def vot(workspace: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "https_proxy": "http://127.0.0.1:9",
    }  # no look for updates
    done = subprocess.run(
        [sys.executable, "-m", "vot", *arguments],
        cwd=workspace,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def workspace(machine, trees, tmp_path, monkeypatch) -> Path:
    """Two rendered videos, and the tracker tiny/net: a small TransT with random weights."""
    pytest.importorskip("vot", reason='needs pip install "spot-tracking[vot]"')
    import torch

    from ltr.io.checkpoint import write_checkpoint
    from ltr.models.tracking.transt import transt_small
    from spot_ext.rendering.drawn import ensure

    torch.manual_seed(0)
    net = transt_small()
    write_checkpoint(
        machine.network_path / "tiny.pth.tar",
        {"net": net.state_dict(), "constructor": net.constructor},
    )
    monkeypatch.setenv("PYTRACKING_PLUGINS", str(trees.write_files(tmp_path / "plugins", PLUGIN)))

    ensure(tmp_path / "toy", seed=5, splits={"val": 2}, size=(160, 120), frames=(8, 9), workers=1)
    folder = tmp_path / "workspace"
    names = (tmp_path / "toy" / "val" / "list.txt").read_text().split()
    for name in names:
        sequence = folder / "sequences" / name
        shutil.copytree(tmp_path / "toy" / "val" / name, sequence / "color")
        shutil.move(sequence / "color" / "groundtruth.txt", sequence)
        (sequence / "sequence").write_text("channels.color=color/%08d.jpg\nfps=30\n")
    (folder / "sequences" / "list.txt").write_text("\n".join(names) + "\n")
    (folder / "stack.yaml").write_text(STACK)
    example = (REPO / "pytracking" / "VOT" / "trackers.ini").read_text()
    (folder / "trackers.ini").write_text(
        example.replace("'transt', 'transt50'", "'tiny', 'net'").replace("../..", str(REPO))
    )
    return folder


@pytest.mark.slow
def test_evaluate_and_analysis_run_to_the_end(workspace, tmp_path):
    from vot.region.io import read_trajectory

    assert "Initialized workspace" in vot(workspace, "initialize", "custom", "--nodownload")
    assert "concluded" in vot(workspace, "evaluate", "transt")
    assert "Analysis successful" in vot(workspace, "analysis", "transt", "--name", "numbers")
    numbers = json.loads((workspace / "analysis" / "numbers.json").read_text())
    assert 0 <= numbers["results"]["baseline"]["results"][0][0][0] <= 1

    for name in (workspace / "sequences" / "list.txt").read_text().split():
        folder = workspace / "sequences" / name
        frames = sorted(map(str, (folder / "color").glob("*.jpg")))
        boxes = np.loadtxt(folder / "groundtruth.txt", delimiter=",")
        ours = Tracker("tiny", "net").run_sequence(Sequence(name, frames, "vot", boxes))[
            "target_bbox"
        ]
        theirs = read_trajectory(
            str(workspace / "results" / "transt" / "baseline" / name / f"{name}_001.bin")
        )[1:]
        assert [[box.x, box.y, box.width, box.height] for box in theirs] == pytest.approx(
            np.asarray(ours[1:]), abs=1e-2
        )
