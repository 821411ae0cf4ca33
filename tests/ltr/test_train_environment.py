"""ltr.admin.environment, settings, statistics."""

import pickle

import pytest
import torch

from ltr.admin.environment import (
    create_default_local_file,
    ensure_local_file,
    env_settings,
    find_env_settings,
)
from ltr.admin.errors import NotConfigured
from ltr.admin.settings import Settings
from ltr.admin.stats import AverageMeter, StatValue, topk_accuracy


def test_missing_local_file_is_written_then_works(no_local_py):
    assert find_env_settings() is None and not no_local_py.exists()
    with pytest.raises(RuntimeError, match=r"^YOU HAVE NOT SETUP YOUR local\.py!!!") as caught:
        env_settings()
    assert str(no_local_py) in str(caught.value)
    env = env_settings()
    assert (
        env.workspace_dir.endswith("workspace")
        and env.tensorboard_dir == env.workspace_dir + "/tensorboard/"
    )
    names = [
        "workspace_dir",
        "tensorboard_dir",
        "pretrained_networks",
        "pregenerated_masks",
        "lasot_dir",
        "got10k_dir",
        "trackingnet_dir",
        "coco_dir",
        "lvis_dir",
        "sbd_dir",
        "imagenet_dir",
        "imagenetdet_dir",
        "ecssd_dir",
        "hkuis_dir",
        "msra10k_dir",
        "davis_dir",
        "youtubevos_dir",
        "lasot_candidate_matching_dataset_path",
    ]
    assert list(vars(env))[: len(names)] == names
    assert env.got10k_dir == ""


def test_default_file_is_never_written_over_another(local_py):
    text = local_py.read_text()
    assert create_default_local_file() == local_py and local_py.read_text() == text


def test_ensure_local_file_says_so_once(no_local_py, capsys):
    ensure_local_file()
    assert capsys.readouterr().out.startswith(f"Wrote {no_local_py}")
    ensure_local_file()
    assert capsys.readouterr().out == ""


BROKEN = {
    "syntax": (
        "class EnvironmentSettings:\n    def __init__(self)\n        pass\n",
        "line 2: SyntaxError",
    ),
    "name": (
        "class EnvironmentSettings:\n    def __init__(self):\n        self.a = nosuch\n",
        "line 3: NameError",
    ),
    "import": (
        "import nosuch_package\nclass EnvironmentSettings:\n    pass\n",
        "line 1: ModuleNotFoundError",
    ),
    "no class": ("x = 1\n", "defines no class EnvironmentSettings"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_local_file_is_shown_and_kept(local_py, text, message):
    local_py.write_text(text)
    with pytest.raises(NotConfigured) as caught:
        env_settings()
    assert message in str(caught.value) and str(local_py) in str(caught.value)
    assert local_py.read_text() == text


def test_edit_is_seen_at_once(local_py):
    env_settings()
    local_py.write_text("class EnvironmentSettings:\n    other = 5\n")
    assert env_settings().other == 5


def test_settings_defaults_and_pickle(local_py):
    settings = Settings()
    settings.batch_size = 3
    settings.env.extra = "set by hand"
    assert settings.use_gpu is True and settings.seed == 0
    with pytest.raises(AttributeError, match="nosuch"):
        settings.nosuch  # noqa: B018
    copy = pickle.loads(pickle.dumps(settings))  # as to loader workers
    assert copy.batch_size == 3 and copy.env.extra == "set by hand"
    assert copy.env.workspace_dir == settings.env.workspace_dir


def test_average_meter():
    meter = AverageMeter()
    meter.update(1.0, 3)
    meter.update(5.0, 1)
    assert (meter.avg, meter.val, meter.count) == (2.0, 5.0, 4)
    meter.new_epoch()
    assert meter.history == [2.0] and meter.has_new_data and meter.count == 0
    meter.new_epoch()
    assert meter.history == [2.0] and not meter.has_new_data


def test_stat_value_and_topk():
    value = StatValue()
    value.update(2)
    value.update(3)
    assert (value.val, value.history) == (3, [2, 3])
    scores = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    assert [round(v.item()) for v in topk_accuracy(scores, torch.tensor([2, 1]), (1, 2))] == [
        50,
        100,
    ]
