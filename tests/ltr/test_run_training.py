"""ltr/run_training.py, recipes, imports."""

import logging
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

import ltr
from ltr import recipes as recipes_library
from ltr import run_training as script
from ltr.admin.errors import BadValue

REPO = Path(ltr.__file__).resolve().parents[1]
RECIPE = (
    "seen = {}\ndef run(settings):\n    import random\n    seen.update(vars(settings), "
    "drawn=random.random())\n"
)


@pytest.fixture
def recipes(tmp_path, monkeypatch, local_py):
    """A plug-in folder with recipes mymod/myset, mymod/with_config, mymod/empty; returns a loader
    of what a run saw.
    """
    folder = tmp_path / "plugins" / "train_settings" / "mymod"
    folder.mkdir(parents=True)
    (folder / "myset.py").write_text(RECIPE)
    (folder / "with_config.py").write_text(RECIPE + "def config():\n    return {}\n")
    (folder / "empty.py").write_text("")
    monkeypatch.setenv("PYTRACKING_PLUGINS", str(tmp_path / "plugins"))
    for name in [name for name in sys.modules if name.startswith("ltr.train_settings")]:
        monkeypatch.delitem(sys.modules, name)
    threads, benchmark = cv2.getNumThreads(), torch.backends.cudnn.benchmark
    yield lambda name="myset": sys.modules[f"ltr.train_settings.mymod.{name}"].seen
    for name in [name for name in sys.modules if name.startswith("ltr.train_settings")]:
        del sys.modules[name]  # they know this plug-in folder
    cv2.setNumThreads(threads)
    torch.backends.cudnn.benchmark = benchmark


def test_command_line(recipes, capsys):
    script.main(
        [
            "mymod",
            "with_config",
            "--cudnn_benchmark",
            "False",
            "--seed",
            "7",
            "--set",
            "epochs=3",
            "--set",
            "teacher.keep = a=b",
        ]
    )
    seen = recipes("with_config")
    assert seen["seed"] == 7 and seen["overrides"] == {"epochs": "3", "teacher.keep": "a=b"}
    assert torch.backends.cudnn.benchmark is False
    first = seen["drawn"]
    script.main(["mymod", "with_config", "--seed", "7"])
    assert (
        recipes("with_config")["drawn"] == first
    )  # the seed covers what a recipe draws, such as initial weights
    script.main(["mymod", "with_config"])
    assert recipes("with_config")["drawn"] != first


WRONG = {
    "module": (
        ["mymd", "myset"],
        r"no recipe module 'mymd', did you mean 'mymod'\?.*spot.*recipes are files",
    ),
    "name": (
        ["mymod", "myst"],
        r"no recipe 'myst' in the module 'mymod', did you mean 'myset'\? .*with_config",
    ),
    "far name": (["mymod", "qqq"], r"no recipe 'qqq' in the module 'mymod'\. Known are"),
    "path": (["mymod", "../myset"], "no recipe '../myset'"),
    "no run": (["mymod", "empty"], "empty.py defines no function run"),
    "set without config": (["mymod", "myset", "--set", "a=1"], "takes no --set.*myset.py"),
    "set without value": (["mymod", "with_config", "--set", "a"], "expected NAME=VALUE"),
}


@pytest.mark.parametrize(("arguments", "text"), WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_one_sentence(recipes, arguments, text):
    with pytest.raises(BadValue, match=text) as caught:
        script.main(arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["mymod"],
        ["mymod", "myset", "--cudnn_benchmark", "maybe"],
        ["mymod", "myset", "--seed", "x"],
    ],
)
def test_argparse_errors(recipes, arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(arguments)
    assert caught.value.code == 2


def test_recipe_errors_keep_their_traceback(recipes, tmp_path):
    (tmp_path / "plugins" / "train_settings" / "mymod" / "myset.py").write_text(
        "import nosuch_package\n"
    )
    with pytest.raises(ModuleNotFoundError, match="nosuch_package"):
        script.run_training("mymod", "myset")


def test_plugins_may_add_to_a_shipped_module(recipes, tmp_path):
    folder = tmp_path / "plugins" / "train_settings" / "transt"
    folder.mkdir()
    (folder / "mine.py").write_text("from ltr.train_settings.transt.start import *\n")
    (folder / "start.py").write_text(RECIPE)
    script.run_training("transt", "mine")
    assert sys.modules["ltr.train_settings.transt.mine"].seen["project_path"] == "ltr/transt/mine"
    with pytest.raises(BadValue, match=r"did you mean 'mine'\?.*small, start, transt"):
        recipes_library.find_recipe("transt", "mime")
    with pytest.raises(BadValue, match=r"run_training.py spot ocean_sparse_k5"):
        recipes_library.find_recipe("spot", "spot_ocean_005")
    assert recipes_library.find_recipe("transt", "transt").run


def test_a_run_may_have_a_name_of_its_own(recipes):
    script.main(["mymod", "myset", "--name", "second.try-2"])
    seen = sys.modules["ltr.train_settings.mymod.myset"].seen
    assert seen["project_path"] == "ltr/mymod/second.try-2"
    for name, complaint in (("../up", "letters, digits"), ("small", "that is a recipe")):
        with pytest.raises(BadValue, match=complaint):
            script.run_training("transt", "transt", run_name=name)


def test_transt_recipe_asks_for_data_first(recipes):
    with pytest.raises(
        RuntimeError, match=r"LaSOT: lasot_dir is not set in .*local.py.*spot quickstart"
    ):
        script.run_training("transt", "transt")


def test_transt_recipe_on_small_data(
    recipes, lasot_root, got10k_root, trackingnet_root, local_py, tmp_path, monkeypatch, caplog
):
    """The recipe as it is, with a small network and one batch."""
    monkeypatch.setenv("LTR_LOCAL", str(local_py))
    from ltr.models.tracking import transt
    from ltr.trainers import LTRTrainer

    for set_id in (1, 3):
        (trackingnet_root / f"TRAIN_{set_id}" / "anno").mkdir(parents=True)
    for video in "ab":  # long enough to be drawn
        boxes = trackingnet_root / "TRAIN_0" / "anno" / f"{video}.txt"
        boxes.write_text(boxes.read_text() * 2)
    (trackingnet_root / "TRAIN_2" / "anno" / "c.txt").unlink()
    local_py.write_text(
        "class EnvironmentSettings:\n"
        f"    workspace_dir = {str(tmp_path / 'ws')!r}\n    lasot_dir = {str(lasot_root)!r}\n"
        f"    got10k_dir = {str(got10k_root)!r}\n    trackingnet_dir = {str(trackingnet_root)!r}\n"
    )
    recipe = recipes_library.find_recipe("transt", "transt")
    monkeypatch.setattr(
        recipe, "transt_resnet50", lambda settings: transt.transt_small(hidden_dim=32, width=8)
    )
    seen = []

    def one_batch(trainer, epochs, load_latest, fail_safe):
        loader = trainer.loaders[0]
        trainer.settings.print_interval = 1
        trainer._tell_epoch(loader)
        data = trainer._prepare(
            loader.collate_fn([loader.dataset[loader._keys.key(i)] for i in range(2)])
        )
        loss, stats = trainer.actor(data)
        trainer._step(loss)
        shapes = {
            name: tuple(value.shape) for name, value in data.items() if torch.is_tensor(value)
        }
        seen.append((epochs, load_latest, fail_safe, shapes))
        seen.append([(g["lr"], g["weight_decay"]) for g in trainer.optimizer.param_groups])
        assert (
            len(loader) == 1000
            and stats["Loss/total"] > 0
            and trainer.lr_scheduler.step_size == 500
        )

    monkeypatch.setattr(LTRTrainer, "train", one_batch)
    caplog.set_level(logging.INFO)
    script.run_training("transt", "transt")
    assert seen[0] == (
        1000,
        True,
        True,
        {
            "template_images": (2, 3, 128, 128),
            "template_anno": (2, 4),
            "search_images": (2, 3, 256, 256),
            "search_anno": (2, 4),
        },
    )
    assert seen[1] == [(1e-4, 1e-4), (1e-5, 1e-4)]


def test_as_a_user_from_another_folder(recipes, tmp_path):
    """By path, from elsewhere, with a local.py that does not exist yet."""
    env = {**os.environ, "LTR_LOCAL": str(tmp_path / "new" / "local.py")}

    def run(*arguments, how=(str(REPO / "ltr" / "run_training.py"),)):
        return subprocess.run(
            [sys.executable, *how, *arguments],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    first = run("mymod", "myset")
    assert first.returncode == 0 and first.stderr == ""
    assert first.stdout == (
        f"Wrote {tmp_path / 'new' / 'local.py'} with default settings; edit it to add data sets.\n"
        "Training:  mymod  myset\n"
    )
    (tmp_path / "new" / "local.py").write_text("broken(")
    second = run("mymod", "myset")
    assert second.returncode == 1
    assert second.stderr.startswith(f"error: {tmp_path / 'new' / 'local.py'} line 1: SyntaxError")
    assert len(second.stderr.splitlines()) == 1


IMPORTS = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'visdom', 'jpeg4py', 'pycocotools', 'lvis', 'timm', 'pytracking', 'spot_ext'}:
            raise ImportError(name + ' is blocked')
sys.meta_path.insert(0, Blocker())
import importlib
from ltr import MultiGPU, load_network, model_constructor, actors
from ltr.dataset import Lasot, Got10k, TrackingNet
from ltr.data import processing, sampler, LTRLoader
import ltr.data.transforms as tfm
for name in sys.argv[1:]:
    importlib.import_module(name)
import ltr.admin.environment
assert not ltr.admin.environment.LOCAL.loaded, 'an import read local.py'
"""


def test_imports_need_no_optional_package_and_no_local_file(tmp_path):
    modules = [
        info.name
        for info in pkgutil.walk_packages(ltr.__path__, "ltr.")
        if not info.name.startswith(
            ("ltr.train_settings.spot", "ltr.train_settings.ocean")
        )  # recipes of the method
        and info.name != "ltr.admin.local"
    ]
    env = {**os.environ, "LTR_LOCAL": str(tmp_path / "local.py")}
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, *modules], env=env, cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "local.py").exists()


@pytest.mark.parametrize(
    ("name", "value", "then"),
    [("", "", "10000"), ("GOMP_SPINCOUNT", "7", "7"), ("OMP_WAIT_POLICY", "ACTIVE", "None")],
)
def test_scripts_let_waiting_threads_sleep_before_torch_is_loaded(name, value, then):
    script = (
        "import os, sys\nfrom ltr.admin.errors import run_script\n"
        "run_script(lambda: print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules))"
    )
    environment = {
        key: text
        for key, text in os.environ.items()
        if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=environment | ({name: value} if name else {}),
    )
    assert done.stdout == f"{then} False\n"


@pytest.mark.parametrize("name", ["ostrack", "ostrack_ce", "ostrack384_ce", "ostrack_got10k"])
def test_ostrack_recipes_on_small_data(
    name, recipes, lasot_root, got10k_root, trackingnet_root, local_py, tmp_path, monkeypatch
):
    """The recipes as they are, with a tiny transformer, without COCO, and one batch."""
    monkeypatch.setenv("LTR_LOCAL", str(local_py))
    from ltr.dataset import Got10k
    from ltr.models.tracking import ostrack
    from ltr.train_settings.ostrack import ostrack as recipe
    from ltr.trainers import LTRTrainer

    weights = tmp_path / "ws" / "pretrained_networks"
    local_py.write_text(
        "class EnvironmentSettings:\n"
        f"    workspace_dir = {str(tmp_path / 'ws')!r}\n    got10k_dir = {str(got10k_root)!r}\n"
        f"    pretrained_networks = {str(weights)!r}\n"
    )
    asked = []

    def tiny(template_sz, search_sz, elimination, drop_path, backbone_weights):
        asked.append(backbone_weights)
        elimination = None if elimination is None else {1: 0.7}
        sizes = {"width": 16, "depth": 2, "nheads": 2, "head_width": 16}
        return ostrack.ostrack(
            template_sz, search_sz, elimination=elimination, drop_path=drop_path, **sizes
        )

    monkeypatch.setattr(recipe, "ostrack", tiny)
    monkeypatch.setattr(recipe, "published_datasets", lambda: [Got10k(split="all")])
    seen = []

    def one_batch(trainer, epochs, load_latest, fail_safe):
        loader = trainer.loaders[0]
        trainer.epoch = 60
        trainer._tell_epoch(loader)
        samples = [loader.dataset[loader._keys.key(index)] for index in range(2)]
        data = trainer._prepare(loader.collate_fn(samples))
        loss, _ = trainer.actor(data)
        trainer._step(loss)
        seen.append((epochs, tuple(data["search_images"].shape)))
        seen.append(trainer.actor.net.backbone.keep_rate)
        seen.append([group["lr"] for group in trainer.optimizer.param_groups])

    monkeypatch.setattr(LTRTrainer, "train", one_batch)
    script.run_training("ostrack", name)
    size = 384 if "384" in name else 256
    epochs = 100 if "got10k" in name else 300
    rates = {"ostrack": None, "ostrack_got10k": pytest.approx(0.7287, abs=1e-3)}
    assert seen[0] == (epochs, (2, 3, size, size))
    assert seen[1] == rates.get(name, pytest.approx(0.85))
    assert seen[2] == [4e-4, 4e-5]
    assert asked == [str(weights / "mae_pretrain_vit_base.pth")]
