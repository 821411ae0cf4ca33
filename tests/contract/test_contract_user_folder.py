"""A folder written for pytracking runs without an edit (contract A02-A04 and section L), as its
owner starts it.

Twice: its files put inside the packages of a checkout, as pytracking's users do, and the same files
in a folder that PYTRACKING_PLUGINS names.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

REPO = Path(__file__).resolve().parents[2]
SEQUENCES = ("GOT-10k_Val_000001", "GOT-10k_Val_000002")
FRAMES = 24

EVALUATION_LOCAL = """
from pytracking.evaluation.environment import EnvSettings

def local_env_settings():
    settings = EnvSettings()
    settings.results_path = '{root}/results'
    settings.network_path = ['{root}/nowhere', '{root}/ws/checkpoints/ltr/mymod']
    settings.got10k_path = '{root}/got10k'
    settings.my_own_path = '{root}/got10k/val'
    return settings
"""

TRAINING_LOCAL = """
class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = '{root}/ws'
        self.tensorboard_dir = self.workspace_dir + '/tensorboard/'
        self.my_own_dir = '{root}/got10k/val'
"""

# What a user of pytracking has, by the place inside the packages.
FILES = {
    "pytracking/tracker/mytrk/__init__.py": """
from .mytrk import MyTrk

def get_tracker_class():
    return MyTrk
""",
    "pytracking/tracker/mytrk/mytrk.py": """
from pytracking.tracker.base import BaseTracker

class MyTrk(BaseTracker):
    multiobj_mode = 'parallel'

    def initialize(self, image, info: dict) -> dict:
        self.state = list(info['init_bbox'])
        if self.params.has('net'):
            self.params.net.initialize()

    def track(self, image, info: dict = None) -> dict:
        self.state[0] += self.params.net.step() if self.params.has('net') else 1.6
        x, y, w, h = self.state
        return {'target_bbox': [x, y, w, h]}
""",
    "pytracking/parameter/mytrk/myparam.py": """
from pytracking.utils import TrackerParams

def parameters():
    params = TrackerParams()
    params.debug = 0
    params.visualization = False
    return params
""",
    "pytracking/parameter/mytrk/trained.py": """
from pytracking.utils import TrackerParams
from pytracking.features.net_wrappers import NetWrapper

def parameters():
    params = TrackerParams()
    params.net = NetWrapper(net_path='myset', use_gpu=False)
    return params
""",
    "pytracking/experiments/myexp.py": """
from pytracking.evaluation import Tracker, get_dataset, trackerlist
from pytracking.evaluation.datasets import DatasetInfo, dataset_dict

dataset_dict['mydata'] = DatasetInfo(module='pytracking.evaluation.mydataset', class_name='MyDataset', kwargs=dict())

def my_experiment():
    trackers = trackerlist('mytrk', 'myparam', range(3))
    return trackers, get_dataset('MyData')
""",
    "pytracking/evaluation/mydataset.py": """
import os
import numpy as np
from pytracking.evaluation.data import Sequence, BaseDataset, SequenceList
from pytracking.utils.load_text import load_text

class MyDataset(BaseDataset):
    def __init__(self, **kw):
        super().__init__()
        self.base_path = self.env_settings.my_own_path
        self.sequence_list = sorted(n for n in os.listdir(self.base_path) if os.path.isdir(os.path.join(self.base_path, n)))

    def get_sequence_list(self):
        return SequenceList([self._construct_sequence(s) for s in self.sequence_list[:1]])

    def _construct_sequence(self, sequence_name):
        folder = os.path.join(self.base_path, sequence_name)
        gt = load_text(folder + '/groundtruth.txt', delimiter=',', dtype=np.float64)
        frames = sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith('.jpg'))
        return Sequence(sequence_name, frames, 'mytag', gt.reshape(-1, 4))

    def __len__(self):
        return 1
""",
    "ltr/train_settings/mymod/myset.py": """
import torch
import torch.nn as nn
import torch.optim as optim
from ltr import model_constructor
from ltr.actors import BaseActor
from ltr.data import processing, sampler, LTRLoader
from ltr.dataset.base_video_dataset import BaseVideoDataset
from ltr.trainers import LTRTrainer
import ltr.data.transforms as tfm
import cv2 as cv
import numpy as np
import os
from collections import OrderedDict


class MyData(BaseVideoDataset):
    def __init__(self, root):
        super().__init__('mydata', root)
        self.sequence_list = sorted(n for n in os.listdir(root) if os.path.isdir(os.path.join(root, n)))

    def get_name(self):
        return 'mydata'

    def get_sequence_info(self, seq_id):
        bbox = torch.tensor(np.loadtxt(os.path.join(self.root, self.sequence_list[seq_id], 'groundtruth.txt'), delimiter=','),
                            dtype=torch.float32)
        valid = (bbox[:, 2] > 0) & (bbox[:, 3] > 0)
        return {'bbox': bbox, 'valid': valid, 'visible': valid.byte()}

    def get_frames(self, seq_id, frame_ids, anno=None):
        folder = os.path.join(self.root, self.sequence_list[seq_id])
        frames = [self.image_loader(os.path.join(folder, '%08d.jpg' % (f + 1))) for f in frame_ids]
        anno = self.get_sequence_info(seq_id) if anno is None else anno
        return frames, {k: [v[f, ...].clone() for f in frame_ids] for k, v in anno.items()}, \\
            OrderedDict({'object_class_name': None, 'motion_class': None, 'major_class': None, 'root_class': None,
                         'motion_adverb': None})


class MyProcessing(processing.BaseProcessing):
    def __call__(self, data):
        for s in ('train', 'test'):
            images = [cv.resize(im, (16, 16)) for im in data[s + '_images']]
            data[s + '_images'], data[s + '_anno'] = self.transform[s](image=images, bbox=data[s + '_anno'], joint=False)
        return data.apply(processing.stack_tensors)


class MyNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(3, width)

    def forward(self, images):
        return self.layer(images.mean((-2, -1))).mean(-1)

    def step(self):
        return 2


@model_constructor
def mynet(width=4):
    return MyNet(width)


class MyActor(BaseActor):
    def __call__(self, data):
        loss = self.objective(self.net(data['test_images']), self.net(data['train_images'])) + 1
        return loss, {'Loss/total': loss.item()}


def run(settings):
    settings.description = 'mine'
    settings.batch_size = 2
    settings.num_workers = 0
    settings.print_interval = 1
    assert settings.module_name == 'mymod' and settings.script_name == 'myset'
    data = MyData(settings.env.my_own_dir)
    joint = tfm.Transform(tfm.ToGrayscale(probability=0.05))
    transform = tfm.Transform(tfm.ToTensorAndJitter(0.2), tfm.Normalize(mean=[0.5] * 3, std=[0.2] * 3))
    proc = MyProcessing(transform=transform, joint_transform=joint)
    dataset = sampler.DiMPSampler([data], [1], samples_per_epoch=4, max_gap=10, num_test_frames=1, num_train_frames=1,
                                  processing=proc)
    loader = LTRLoader('train', dataset, training=True, batch_size=settings.batch_size, num_workers=settings.num_workers,
                       shuffle=True, drop_last=True, stack_dim=1)
    net = mynet(width=8)
    actor = MyActor(net=net, objective=nn.MSELoss())
    optimizer = optim.Adam(actor.net.parameters(), lr=2e-4)
    lr_scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=15, gamma=0.2)
    trainer = LTRTrainer(actor, [loader], optimizer, settings, lr_scheduler)
    trainer.train(2, load_latest=True, fail_safe=True)
""",
}


@pytest.fixture(scope="module")
def owner(tmp_path_factory, trees):
    """Makes the machine of one user: `run(script, *arguments)` and the folder `root` it works
    in.
    """

    def make(as_plugins: bool) -> SimpleNamespace:
        root = tmp_path_factory.mktemp("user")
        trees.write_got10k(root / "got10k" / "val", SEQUENCES, FRAMES)
        evaluation, training = (
            text.format(root=root) for text in (EVALUATION_LOCAL, TRAINING_LOCAL)
        )
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PYTRACKING_LOCAL", "LTR_LOCAL", "PYTRACKING_PLUGINS")
        }
        environment |= {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
        if as_plugins:
            checkout = REPO
            trees.write_files(root, {"eval_local.py": evaluation, "train_local.py": training})
            trees.write_files(
                root / "mine", {name.split("/", 1)[1]: text for name, text in FILES.items()}
            )
            environment |= {
                "PYTRACKING_LOCAL": str(root / "eval_local.py"),
                "LTR_LOCAL": str(root / "train_local.py"),
                "PYTRACKING_PLUGINS": str(root / "mine"),
            }
        else:
            checkout = root / "checkout"
            for package in ("ltr", "pytracking"):
                ignored = shutil.ignore_patterns(
                    "__pycache__", "local.py", "networks", "*_results", "result_plots"
                )
                shutil.copytree(REPO / package, checkout / package, ignore=ignored)
            trees.write_files(
                checkout,
                {
                    **FILES,
                    "pytracking/evaluation/local.py": evaluation,
                    "ltr/admin/local.py": training,
                },
            )

        def run(script: str, *arguments: str) -> subprocess.CompletedProcess:
            path = checkout / script
            return subprocess.run(
                [sys.executable, path.name, *arguments],
                cwd=path.parent,
                env=environment,
                text=True,
                capture_output=True,
                timeout=200,
            )

        return SimpleNamespace(root=root, run=run, results=root / "results" / "mytrk")

    return make


@pytest.fixture(scope="module")
def in_checkout(owner):
    return owner(as_plugins=False)


@pytest.fixture(scope="module")
def in_plugins(owner):
    return owner(as_plugins=True)


PLACES = {"in_checkout": "files in the checkout", "in_plugins": "files in a plug-in folder"}


@pytest.mark.parametrize(
    "sequence, run_id", [("1", "7"), (SEQUENCES[1], "8")], ids=["by number", "by name"]
)
def test_A02_one_sequence(in_checkout, sequence, run_id):
    done = in_checkout.run(
        "pytracking/run_tracker.py",
        "mytrk",
        "myparam",
        "--dataset_name",
        "got10k_val",
        "--sequence",
        sequence,
        "--runid",
        run_id,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Evaluating    1 trackers on     1 sequences" and lines[-1] == "Done"
    folder = in_checkout.results / f"myparam_00{run_id}"
    assert sorted(os.listdir(folder)) == [f"{SEQUENCES[1]}.txt", f"{SEQUENCES[1]}_time.txt"]
    rows = (folder / f"{SEQUENCES[1]}.txt").read_text().splitlines()
    assert rows[:3] == ["10\t10\t20\t20", "12\t10\t20\t20", "13\t10\t20\t20"]


def test_A03_unknown_dataset(in_checkout):
    done = in_checkout.run(
        "pytracking/run_tracker.py", "mytrk", "myparam", "--dataset_name", "nope"
    )
    assert (
        done.returncode == 1
        and "Unknown dataset 'nope'" in done.stderr
        and "Traceback" not in done.stderr
    )


@pytest.mark.parametrize("place", PLACES, ids=PLACES.get)
def test_A04_experiment_on_an_own_data_set(place, request):
    user = request.getfixturevalue(place)
    done = user.run("pytracking/run_experiment.py", "myexp", "my_experiment")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "Running:  myexp  my_experiment\nEvaluating    3 trackers on     1 sequences\n"
    )
    for run_id in range(3):
        assert (user.results / f"myparam_00{run_id}" / f"{SEQUENCES[0]}.txt").is_file()


@pytest.mark.parametrize(
    "place",
    [
        pytest.param("in_checkout", id=PLACES["in_checkout"]),
        pytest.param("in_plugins", id=PLACES["in_plugins"], marks=pytest.mark.slow),
    ],
)
def test_own_train_setting_trains_and_its_network_tracks(place, request):
    user = request.getfixturevalue(place)
    done = user.run("ltr/run_training.py", "mymod", "myset")
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.startswith("Training:  mymod  myset\n")
        and "[train: 2, 2 / 2] FPS: " in done.stdout
    )
    checkpoints = user.root / "ws" / "checkpoints" / "ltr" / "mymod" / "myset"
    assert sorted(file.name for file in checkpoints.iterdir()) == [
        "MyNet_ep0001.pth.tar",
        "MyNet_ep0002.pth.tar",
    ]

    done = user.run(
        "pytracking/run_tracker.py",
        "mytrk",
        "trained",
        "--dataset_name",
        "got10k_val",
        "--sequence",
        "0",
    )
    assert done.returncode == 0, done.stderr + done.stdout
    boxes = np.loadtxt(user.results / "trained" / f"{SEQUENCES[0]}.txt")
    assert boxes.shape == (FRAMES, 4) and boxes[-1, 0] - boxes[1, 0] == 2 * (FRAMES - 2)
