"""Contract check N01: every module of the interface imports by itself, in any order, without
optional packages.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
OPTIONAL = (
    "visdom",
    "jpeg4py",
    "pycocotools",
    "lvis",
    "timm",
    "tikzplotlib",
    "gdown",
    "trax",
    "vot",
    "av",
    "webdataset",
    "optuna",
    "skimage",
    "spatial_correlation_sampler",
    "yacs",
    "got10k",
)

NAMES = {
    "pytracking": "run_tracker run_experiment run_video run_webcam run_vot analysis evaluation "
    "features libs utils tracker "
    "parameter experiments util_scripts",
    "pytracking.evaluation": "environment data datasets tracker running multi_object_wrapper vot "
    "vot2020 otbdataset nfsdataset "
    "uavdataset tpldataset votdataset trackingnetdataset got10kdataset lasotdataset "
    "lasotextensionsubsetdataset oxuvadataset avistdataset lagotdataset",
    "pytracking.tracker": "base transt",
    "pytracking.parameter": "transt.transt50",
    "pytracking.utils": "params loading load_text convert_vot_anno_to_rect plotting visdom",
    "pytracking.features": "net_wrappers preprocessing extractor featurebase color util deep "
    "augmentation",
    "pytracking.libs": "tensorlist tensordict operation dcf fourier complex optimization",
    "pytracking.analysis": "plot_results extract_results playback_results evaluate_vos vos_utils",
    "pytracking.util_scripts": "pack_got10k_results pack_trackingnet_results download_results",
    "ltr": "run_training actors admin data dataset models trainers train_settings",
    "ltr.admin": "environment settings loading model_constructor multigpu stats tensorboard "
    "tensorlist tensordict",
    "ltr.data": "image_loader loader sampler transforms bounding_box_utils processing_utils "
    "processing",
    "ltr.dataset": "base_video_dataset base_image_dataset lasot got10k tracking_net coco_seq "
    "davis youtubevos",
    "ltr.trainers": "base_trainer ltr_trainer",
    "ltr.actors": "base_actor",
    "ltr.models": "backbone.base backbone.resnet backbone.resnet18_vggm backbone.mobilenetv3 "
    "backbone.transt_backbone "
    "tracking.transt neck.featurefusion_network neck.position_encoding loss.matcher layers.filter "
    "layers.normalization layers.activation layers.blocks layers.distance layers.transform",
    "ltr.train_settings": "transt.transt",
    "util": "box_ops misc",
}
MODULES = sorted(
    [
        "pytracking",
        *(f"{package}.{name}" for package, names in NAMES.items() for name in names.split()),
    ]
)

PREPARE = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r})); modules = {MODULES!r}\n"

ALL_IN_ONE = """
import importlib
for name in reversed(modules):
    importlib.import_module(name)
local = {"pytracking.evaluation.local", "ltr.admin.local"} & set(sys.modules)
assert not local, f"importing read {local}"
import pytracking
assert callable(pytracking.run_tracker) and callable(pytracking.run_webcam)
for name in ("TensorList", "TensorDict", "complex", "operation", "fourier", "dcf", "optimization"):
    getattr(pytracking, name)
"""

EACH_FIRST = """
import importlib, os, traceback
import cv2, matplotlib.pyplot, pandas, scipy, tensorboard, torch, torchvision  # once: what takes long is not ours
for name in modules:
    child = os.fork()
    if child == 0:
        try:
            importlib.import_module(name)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


def run(code: str, tmp_path: Path) -> subprocess.CompletedProcess:
    nowhere = {"PYTRACKING_LOCAL": str(tmp_path / "none.py"), "LTR_LOCAL": str(tmp_path / "no.py")}
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + code],
        cwd=REPO,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **nowhere},
    )
    assert not any(tmp_path.iterdir()), "importing wrote a file"
    return done


def test_N01_all_modules_in_one_interpreter(tmp_path):
    done = run(ALL_IN_ONE, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system lacks")
def test_N01_each_module_before_all_others(tmp_path):
    done = run(EACH_FIRST, tmp_path)
    assert done.returncode == 0 and done.stdout == "", done.stderr


def test_N01_own_package_named_util_is_not_hidden(tmp_path):
    """TransT's top-level name `util` yields to a user's own package of that name, wherever it is on
    the path.
    """
    (tmp_path / "util").mkdir()
    (tmp_path / "util" / "__init__.py").write_text("mine = 1\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import util; assert util.mine == 1"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
