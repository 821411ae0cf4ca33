"""A machine set up for evaluation under tmp_path: local.py, a plug-in folder with toy trackers,
tiny data sets.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

PLUGIN_FILES = {
    "tracker/moving/__init__.py": """
from pytracking.tracker.moving.moving import Moving

def get_tracker_class():
    return Moving
""",
    "tracker/moving/moving.py": """
from pytracking.tracker.base import BaseTracker

CALLS = []  # what happened in this process

class Moving(BaseTracker):
    '''Moves the box by 1.6 px in x per frame; `params.extra(frame)` adds to the output.'''

    def __init__(self, params):
        super().__init__(params)
        CALLS.append(("create", params, None))

    def initialize(self, image, info):
        CALLS.append(("initialize", image, info))
        self.box, self.frame = list(info["init_bbox"]), 0
        return self.params.get("start_output", None)

    def track(self, image, info=None):
        CALLS.append(("track", image, info))
        self.frame += 1
        if self.frame == self.params.get("fail_on", -1) or image[0, 0].tolist() == [255, 255, 255]:
            raise ZeroDivisionError("toy failure")
        self.box[0] += 1.6
        return {"target_bbox": list(self.box), **self.params.get("extra", lambda frame: {})(self.frame)}
""",
    "parameter/moving/default.py": """
from pytracking.utils import TrackerParams

VALUES = {}  # more parameters, for a test to set

def parameters():
    params = TrackerParams()
    params.set_default_values({"debug": 0, "visualization": False, **VALUES})
    return params
""",
    "parameter/moving/failing.py": """
from pytracking.parameter.moving import default

def parameters():
    params = default.parameters()
    params.fail_on = 2
    return params
""",
    "parameter/moving/sleeping.py": """
import time
from pytracking.parameter.moving import default

def parameters():
    params = default.parameters()
    params.extra = lambda frame: time.sleep(5) or {}
    return params
""",
    "parameter/moving/__init__.py": "",
    "experiments/myexp.py": """
from pytracking.evaluation import get_dataset, trackerlist

def my_experiment():
    return trackerlist('moving', 'default', range(3)), get_dataset('got10k_val')

def not_a_pair():
    return 1
""",
    "evaluation/plugindataset.py": """
from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
import numpy as np

class PluginDataset(BaseDataset):
    def get_sequence_list(self):
        return SequenceList([Sequence('one', ['f'] * 3, 'mytag', np.ones((3, 4)))])

    def __len__(self):
        return 1
""",
    "datasets.py": """
from pytracking.evaluation.datasets import DatasetInfo, dataset_dict

dataset_dict['plugindata'] = DatasetInfo('pytracking.evaluation.plugindataset', 'PluginDataset', {})
""",
}


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory) -> Path:
    """A folder with the tracker `moving` and other plug-ins."""
    return write_files(tmp_path_factory.mktemp("plugins"), PLUGIN_FILES)


@pytest.fixture
def machine(tmp_path, monkeypatch, plugin_folder) -> SimpleNamespace:
    """`root`, `local` (its local.py) and the folders that local.py names; environment variables
    point there.
    """
    attributes = {
        name: str(tmp_path / name)
        for name in (
            "results_path",
            "segmentation_path",
            "network_path",
            "result_plot_path",
            "got10k_path",
            "lasot_path",
            "otb_path",
            "trackingnet_path",
            "toy_path",
            "folder_path",
            "vot_path",
            "oxuva_path",
            "lagot_path",
        )
    }
    local = tmp_path / "local.py"
    lines = [f"    settings.{name} = {value!r}\n" for name, value in attributes.items()]
    local.write_text(
        "from pytracking.evaluation.environment import EnvSettings\ndef local_env_settings():\n"
        "    settings = EnvSettings()\n" + "".join(lines) + "    return settings\n"
    )
    monkeypatch.setenv("PYTRACKING_LOCAL", str(local))
    monkeypatch.setenv("PYTRACKING_PLUGINS", str(plugin_folder))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return SimpleNamespace(
        root=tmp_path, local=local, **{name: Path(path) for name, path in attributes.items()}
    )


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write texts by their paths below `folder`, and return it."""
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def write_frames(folder: Path, names) -> None:
    """Grey 80x60 images, the first one encoded and then copied."""
    folder.mkdir(parents=True, exist_ok=True)
    image = np.full((60, 80, 3), 90, np.uint8)
    image[20:40, 10:30] = (30, 60, 200)
    for name in names:
        encoded = folder / name
        cv2.imwrite(str(encoded), image)


def write_got10k(
    base: Path,
    names=("GOT-10k_Val_000001", "GOT-10k_Val_000002"),
    frames: int = 5,
    box="10.5,10,20,20",
) -> Path:
    """A split of GOT-10k at `base`: `names` with `frames` images each and the same box in every
    frame.
    """
    base.mkdir(parents=True, exist_ok=True)
    (base / "list.txt").write_text("".join(f"{name}\n" for name in names))
    write_frames(base / names[0], [f"{number:08d}.jpg" for number in range(1, frames + 1)])
    (base / names[0] / "groundtruth.txt").write_text(f"{box}\n" * frames)
    for name in names[1:]:
        shutil.copytree(base / names[0], base / name)
    return base


@pytest.fixture
def got10k(machine) -> Path:
    """The GOT-10k val split with two sequences of 5 frames."""
    return write_got10k(machine.got10k_path / "val")


@pytest.fixture(scope="session")
def trees() -> SimpleNamespace:
    """The functions that write files and data sets."""
    return SimpleNamespace(
        write_files=write_files, write_frames=write_frames, write_got10k=write_got10k
    )


@pytest.fixture
def calls(machine) -> list:
    """What the toy tracker `moving` was asked in this process, emptied before the test."""
    from pytracking.evaluation.environment import env_settings

    env_settings()
    from pytracking.tracker.moving.moving import CALLS

    CALLS.clear()
    return CALLS
