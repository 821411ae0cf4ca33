"""`python -m tests.upstream` on a small checkout of our own, in pytracking's shape."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

RECIPE = """
from ltr.dataset import Lasot
from ltr.data import sampler
import ltr.models.tracking.small as networks

def run(settings):
    data = Lasot(settings.env.lasot_dir, split='train')
    sampler.DiMPSampler([data], [1], samples_per_epoch=4, max_gap=10, num_test_frames=1)
    networks.small(width=3, backbone_pretrained=True)
    raise RuntimeError('the network is all that is wanted')
"""
NETWORK = """
from torch import nn
from torchvision.models.resnet import model_urls
from ltr import model_constructor

class Small(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(1, width)

@model_constructor
def small(width=1, backbone_pretrained=True):
    assert not backbone_pretrained and 'resnet50' in model_urls
    return Small(width)
"""
TRACKER = """
import torch
from pytracking import TensorList
from pytracking.tracker.base import BaseTracker

class Still(BaseTracker):
    def initialize(self, image, info):
        self.params.net.initialize()
        assert self.params.net.layer.out_features == 3
        device = self.params.device if self.params.has('device') else 'cuda'
        turned = TensorList([torch.zeros(2, 3, device=device).t()])
        assert turned.view(-1)[0].shape == (6,)
        self.box = info['init_bbox']

    def track(self, image, info=None):
        return {'target_bbox': self.box if self.params.works else None}

def get_tracker_class():
    return Still
"""
PARAMETERS = """
from pytracking.utils import TrackerParams
from pytracking.features.net_wrappers import NetWithBackbone

def parameters():
    params = TrackerParams()
    params.use_gpu = True
    params.works = {works}
    params.net = NetWithBackbone(net_path='small.pth.tar', use_gpu=params.use_gpu)
    return params
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory, trees):
    root = tmp_path_factory.mktemp("checkout")
    files = {
        "ltr/train_settings/mine/small.py": RECIPE,
        "ltr/train_settings/mine/broken.py": "import no_such_library\ndef run(settings): pass\n",
        "ltr/models/tracking/small.py": NETWORK,
        "pytracking/tracker/still/__init__.py": TRACKER,
        "pytracking/parameter/still/works.py": PARAMETERS.format(works=True),
        "pytracking/parameter/still/fails.py": PARAMETERS.format(works=False),
    }
    trees.write_files(root, files)
    done = subprocess.run(
        [sys.executable, "-m", "tests.upstream", str(root)],
        cwd=REPO,
        # Without a GPU wherever it runs: use_gpu = True must do.
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "row, says",
    [
        ("recipe mine small", "passed"),
        ("recipe mine broken", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("tracker still works", "passed"),
        ("tracker still fails", "Error"),
    ],
)
def test_a_row_a_recipe_and_tracker(table, row, says):
    lines = [line for line in table.splitlines() if line.startswith(f"{row} ")]
    assert len(lines) == 1 and says in lines[0], table


def test_the_last_line_counts(table):
    assert table.splitlines()[-1] == "2 passed, 2 failed"


def test_a_folder_without_ltr_is_refused(tmp_path):
    command = [sys.executable, "-m", "tests.upstream", str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2 and "is no checkout" in done.stderr
