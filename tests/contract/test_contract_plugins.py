"""Plug-in folders: the example of docs/plugins.md from training to tracking, and names out of
packages.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
SEQUENCES = ("clip_a", "clip_b")
FRAMES = 24


def python(folder, root, *arguments):
    """Run Python with `folder` as plug-in and the two local.py in `root`."""
    environment = os.environ | {
        "PYTRACKING_PLUGINS": str(folder),
        "PYTRACKING_LOCAL": str(root / "eval_local.py"),
        "LTR_LOCAL": str(root / "train_local.py"),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=REPO,
        env=environment,
        text=True,
        capture_output=True,
        timeout=200,
    )


def test_the_example_of_the_documentation(tmp_path, trees):
    text = (REPO / "docs" / "plugins.md").read_text()
    files = dict(re.findall(r"^`([\w/]+\.py)`:[^\n]*\n\n```python\n(.*?)^```", text, re.M | re.S))
    assert len(files) == 7
    trees.write_files(tmp_path / "mine", files)
    trees.write_got10k(tmp_path / "clips", SEQUENCES, FRAMES)
    trees.write_files(
        tmp_path,
        {
            "train_local.py": "class EnvironmentSettings:\n"
            f"    workspace_dir = {str(tmp_path / 'ws')!r}\n"
            f"    tensorboard_dir = {str(tmp_path / 'ws' / 'tb')!r}\n"
            f"    clips_dir = {str(tmp_path / 'clips')!r}\n",
            "eval_local.py": "from pytracking.evaluation.environment import EnvSettings\n"
            "def local_env_settings():\n    settings = EnvSettings()\n"
            f"    settings.results_path = {str(tmp_path / 'results')!r}\n"
            f"    settings.clips_path = {str(tmp_path / 'clips')!r}\n"
            f"    settings.network_path = {str(tmp_path / 'ws/checkpoints/ltr/mine')!r}\n"
            "    return settings\n",
        },
    )
    done = python(tmp_path / "mine", tmp_path, "ltr/run_training.py", "mine", "box")
    assert done.returncode == 0, done.stderr
    assert "[train: 2, 2 / 2] FPS: " in done.stdout

    script = "pytracking/run_tracker.py"
    done = python(tmp_path / "mine", tmp_path, script, "mine", "box", "--dataset_name", "clips")
    assert done.returncode == 0, done.stderr + done.stdout
    boxes = np.loadtxt(tmp_path / "results" / "mine" / "box" / f"{SEQUENCES[1]}.txt")
    assert boxes.shape == (FRAMES, 4) and (boxes[:, 2:] > 0).all()


CHECKOUT = {
    "ltr/actors/__init__.py": "from .tracking import MyActor\nfrom .broken import Broken\n",
    "ltr/actors/tracking.py": "from . import BaseActor\nclass MyActor(BaseActor): pass\n",
    "ltr/actors/broken.py": "import no_such_library\nclass Broken: pass\n",
    "ltr/actors/unlisted.py": "class Unlisted: pass\n",
    "ltr/actors/transt.py": "class TranstActor: pass\nclass Edited: pass\n",
    "ltr/models/loss/mine.py": "try:\n    class MyLoss: pass\nexcept ImportError:\n    pass\n",
    "ltr/models/backbone/__init__.py": "from .mine import my_net as renamed\nfrom . import mine\n",
    "ltr/models/backbone/mine.py": "def my_net(): pass\n",
    "ltr/dataset/mine.py": "class MyData: pass\n",
    "ltr/data/processing.py": "import ltr.data.sampler as sampler\nclass MyProcessing: pass\n",
    "pytracking/libs/dcf.py": "MINE = 5\n",
    "pytracking/parameter/transt/transt50.py": "def parameters(): return 'mine'\n",
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory, trees):
    """The answers of one process to all questions, by question."""
    root = tmp_path_factory.mktemp("checkout")
    trees.write_files(root, CHECKOUT)
    script = (
        "import ltr\nimport pytracking\nimport importlib\nimport pickle\n"
        f"for question in {[case[0] for case in NAMES]!r}:\n"
        "    package, _, name = question.rpartition('.')\n"
        "    try:\n"
        "        value = getattr(importlib.import_module(package), name)\n"
        "        value = getattr(pickle.loads(pickle.dumps(value)), '__module__', value)\n"
        "    except (AttributeError, ImportError) as error:\n"
        "        value = f'{type(error).__name__}: {error}'\n"
        "    print(question, value, sep='\\t')\n"
    )
    done = python(root, root, "-c", script)
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t") for line in done.stdout.splitlines())


NAMES = [
    ("ltr.actors.MyActor", "ltr.actors.tracking"),
    ("ltr.actors.Unlisted", "ltr.actors.unlisted"),
    ("ltr.actors.Broken", "ModuleNotFoundError: No module named 'no_such_library'"),
    ("ltr.actors.Absent", "AttributeError: module 'ltr.actors' has no attribute 'Absent'"),
    ("ltr.actors.transt.TranstActor", "ltr.actors.transt"),
    ("ltr.actors.transt.Edited", "ltr.actors.transt__plugin"),
    ("ltr.models.loss.MyLoss", "ltr.models.loss.mine"),
    ("ltr.models.backbone.renamed", "ltr.models.backbone.mine"),
    ("ltr.dataset.MyData", "ltr.dataset.mine"),
    ("ltr.data.processing.MyProcessing", "ltr.data.processing__plugin"),
    ("pytracking.libs.dcf.MINE", "5"),
    ("pytracking.parameter.transt.transt50.parameters", "pytracking.parameter.transt.transt50"),
]


@pytest.mark.parametrize("question, answer", NAMES)
def test_names_out_of_packages(answers, question, answer):
    assert answers[question] == answer


def test_a_plugin_file_of_a_shipped_name_wins_and_says_so(tmp_path, trees):
    trees.write_files(tmp_path, CHECKOUT)
    script = (
        "import logging; logging.basicConfig(level='INFO', format='%(message)s')\n"
        "from pytracking.parameter.transt import transt50\nprint(transt50.parameters())\n"
    )
    done = python(tmp_path, tmp_path, "-c", script)
    assert done.stdout == "mine\n", done.stderr
    file = tmp_path / "pytracking/parameter/transt/transt50.py"
    assert f"{file} takes the place of our pytracking.parameter.transt.transt50" in done.stderr
