"""Contract checks A05, G01-G04 and J01-J04: recipes, checkpoints, trainers. Ids are those of its
section M.
"""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

from ltr import load_network, model_constructor
from ltr.actors import BaseActor
from ltr.admin.model_constructor import NetConstructor
from ltr.admin.settings import Settings
from ltr.admin.tensordict import TensorDict
from ltr.data import LTRLoader
from ltr.io.checkpoint import read_checkpoint, write_checkpoint
from ltr.run_training import run_training
from ltr.trainers import LTRTrainer
from tests.support.networks import ToyNet


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch) -> Path:
    """The folder that an ltr local.py names."""
    (tmp_path / "local.py").write_text(f"""class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = {str(tmp_path / "ws")!r}
        self.tensorboard_dir = self.workspace_dir + "/tensorboard/"
        self.got10k_dir = {str(tmp_path / "got10k")!r}
""")
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "local.py"))
    return tmp_path / "ws"


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """Writes ltr/train_settings/mymod/myset.py, in a plug-in folder, and runs it."""
    folder = tmp_path / "plugins" / "train_settings" / "mymod"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PYTRACKING_PLUGINS", str(tmp_path / "plugins"))
    threads, benchmark = cv2.getNumThreads(), torch.backends.cudnn.benchmark

    def run(text: str) -> types.ModuleType:
        (folder / "myset.py").write_text(text)
        run_training("mymod", "myset")
        return sys.modules["ltr.train_settings.mymod.myset"]

    def forget():
        for name in [name for name in sys.modules if name.startswith("ltr.train_settings")]:
            del sys.modules[name]  # they know this plug-in folder

    forget()
    yield run
    forget()
    cv2.setNumThreads(threads)
    torch.backends.cudnn.benchmark = benchmark


def test_A05_a_recipe_sees_its_settings(recipe, capsys, workspace):
    seen = recipe("seen = {}\ndef run(settings):\n    seen.update(vars(settings))\n").seen
    assert capsys.readouterr().out == "Training:  mymod  myset\n"
    assert (seen["module_name"], seen["script_name"], seen["project_path"]) == (
        "mymod",
        "myset",
        "ltr/mymod/myset",
    )
    assert seen["use_gpu"] is True and seen["env"].workspace_dir == str(workspace)
    assert seen["seed"] == 0 and seen["overrides"] == {} and torch.backends.cudnn.benchmark is True


# A recipe as people have them for pytracking and TransT (shape L.7), all values small. ResNet-50
# itself is what takes long.
RECIPE = """
import torch
import ltr.models.tracking.transt as networks
from ltr import MultiGPU, actors
from ltr.data import LTRLoader, processing, sampler
import ltr.data.transforms as tfm
from ltr.dataset import Got10k
from ltr.trainers import LTRTrainer


def run(settings):
    settings.device = "cuda"
    settings.description = "A recipe of our own."
    settings.batch_size, settings.num_workers, settings.multi_gpu, settings.print_interval = 2, 1, False, 1
    settings.normalize_mean, settings.normalize_std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    settings.search_area_factor, settings.template_area_factor = 4.0, 2.0
    settings.search_feature_sz, settings.template_feature_sz = 8, 4
    settings.search_sz, settings.temp_sz = settings.search_feature_sz * 8, settings.template_feature_sz * 8
    settings.center_jitter_factor = {"search": 3, "template": 0}
    settings.scale_jitter_factor = {"search": 0.25, "template": 0}
    settings.position_embedding, settings.hidden_dim, settings.dropout, settings.nheads = "sine", 32, 0.1, 2
    settings.dim_feedforward, settings.featurefusion_layers, settings.backbone_pretrained = 64, 1, False

    data = Got10k(settings.env.got10k_dir, split="vottrain")
    joint = tfm.Transform(tfm.ToGrayscale(probability=0.05))
    single = tfm.Transform(tfm.ToTensorAndJitter(0.2),
                           tfm.Normalize(mean=settings.normalize_mean, std=settings.normalize_std))
    crops = processing.TransTProcessing(
        search_area_factor=settings.search_area_factor, template_area_factor=settings.template_area_factor,
        search_sz=settings.search_sz, temp_sz=settings.temp_sz, center_jitter_factor=settings.center_jitter_factor,
        scale_jitter_factor=settings.scale_jitter_factor, mode="sequence", transform=single, joint_transform=joint)
    draws = sampler.TransTSampler([data], [1], samples_per_epoch=2 * settings.batch_size, max_gap=100,
                                  num_search_frames=1, num_template_frames=1, processing=crops,
                                  frame_sample_mode="interval")
    loader = LTRLoader("train", draws, training=True, batch_size=settings.batch_size, num_workers=settings.num_workers,
                       shuffle=True, drop_last=True, stack_dim=0)

    net = networks.transt_resnet50(settings)
    if settings.multi_gpu:
        net = MultiGPU(net, dim=0)
    actor = actors.TranstActor(net=net, objective=networks.transt_loss(settings))
    groups = [{"params": [p for n, p in net.named_parameters() if "backbone" not in n and p.requires_grad]},
              {"params": [p for n, p in net.named_parameters() if "backbone" in n and p.requires_grad], "lr": 1e-5}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, weight_decay=1e-4)
    trainer = LTRTrainer(actor, [loader], optimizer, settings, torch.optim.lr_scheduler.StepLR(optimizer, 500))
    trainer.train(2, load_latest=True, fail_safe=True)
"""


@pytest.fixture
def got10k(tmp_path) -> None:
    """Two videos of 24 frames in GOT-10k's layout."""
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    for name in ("a", "b"):
        folder = tmp_path / "got10k" / name
        folder.mkdir(parents=True)
        for frame in range(24):
            cv2.imwrite(str(folder / f"{frame + 1:08d}.jpg"), np.roll(noise, frame, 1))
        (folder / "groundtruth.txt").write_text(
            "".join(f"{10 + frame},12,20,16\n" for frame in range(24))
        )
        (folder / "absence.label").write_text("0\n" * 24)
        (folder / "cover.label").write_text("8\n" * 24)
    (tmp_path / "got10k" / "list.txt").write_text("a\nb\n")


def test_A05_a_recipe_written_for_pytracking_trains_unchanged(recipe, got10k, workspace, capsys):
    recipe(RECIPE)
    out = capsys.readouterr().out
    assert (
        "[train: 2, 2 / 2] FPS: " in out
        and "Loss/giou: " in out
        and out.endswith("Finished training!\n")
    )
    net, content = load_network(workspace / "checkpoints/ltr/mymod/myset")
    assert (
        content["epoch"] == 2
        and content["actor_type"] == "TranstActor"
        and content["net_type"] == "TransT"
    )
    assert (
        net.class_embed.layers[0].in_features == 32
        and content["settings"]["description"] == "A recipe of our own."
    )


# Trainer and checkpoints, with a network of a few weights


class Points(torch.utils.data.Dataset):
    def __init__(self, count: int):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return TensorDict(x=torch.rand(4), y=torch.rand(1))


class ToyActor(BaseActor):
    fails_at = 0  # number of the call that raises

    def __init__(self, net):
        super().__init__(net, None)
        self.epochs, self.modes = [], []

    def __call__(self, data):
        self.epochs.append(data["epoch"])
        self.modes.append((self.net.training, torch.is_grad_enabled()))
        if len(self.epochs) == self.fails_at:
            raise RuntimeError("boom")
        loss = (self.net(data["x"]) - data["y"]).pow(2).mean()
        return loss, {"Loss/total": loss.item(), "other": 1.0}


@pytest.fixture
def networks(monkeypatch) -> types.ModuleType:
    """An imported module with the factory `toy_net(k)`, at two places."""
    module = types.ModuleType("contract_networks")

    def toy_net(k=3):
        return ToyNet(k)

    toy_net.__module__ = "contract_networks"
    module.toy_net = model_constructor(toy_net)
    monkeypatch.setitem(sys.modules, "contract_networks", module)
    monkeypatch.setitem(sys.modules, "ltr.contract_networks", module)
    return module


@pytest.fixture
def make(networks):
    """A trainer as a recipe builds it; `decay` is the factor of a StepLR of one epoch."""

    def build(decay: float = 1.0, val: bool = False) -> LTRTrainer:
        settings = Settings()
        settings.project_path, settings.module_name, settings.script_name = (
            "ltr/mod/name",
            "mod",
            "name",
        )
        settings.print_interval, settings.device = 1, "cpu"
        torch.manual_seed(0)
        net = networks.toy_net(k=3)
        loaders = [LTRLoader("train", Points(6), batch_size=4)]
        if val:
            loaders.append(LTRLoader("val", Points(4), training=False, epoch_interval=2))
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        return LTRTrainer(ToyActor(net), loaders, optimizer, settings, StepLR(optimizer, 1, decay))

    return build


@pytest.fixture
def folder(workspace) -> Path:
    return workspace / "checkpoints/ltr/mod/name"


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


def test_G01_checkpoints_hold_the_fields_and_load_back(make, folder):
    trainer = make()
    trainer.train(2)
    content = torch.load(folder / "ToyNet_ep0002.pth.tar", weights_only=True)
    assert {
        "epoch",
        "actor_type",
        "net_type",
        "net",
        "net_info",
        "constructor",
        "optimizer",
        "stats",
        "settings",
    } <= set(content)
    assert (content["epoch"], content["actor_type"], content["net_type"]) == (
        2,
        "ToyActor",
        "ToyNet",
    )
    assert content["settings"]["script_name"] == "name"
    file = folder / "ToyNet_ep0002.pth.tar"
    for arguments in ((folder,), (folder, 2), (file,), (None, str(file))):
        net, content = load_network(*arguments)
        assert same_weights(net, trainer.actor.net) and net.constructor.kwds == {"k": 3}
        assert content["constructor"] is net.constructor
    assert not same_weights(load_network(folder, 1)[0], trainer.actor.net)


def test_G02_arguments_reach_the_factory_or_are_warned_about(
    make, folder, networks, monkeypatch, capsys
):
    make().train(1)
    calls = []
    monkeypatch.setattr(
        networks,
        "toy_net",
        model_constructor(lambda k, width=1: calls.append((k, width)) or ToyNet(k)),
    )
    capsys.readouterr()
    load_network(folder, width=7)
    assert calls == [(3, 7)] and capsys.readouterr().out == ""
    load_network(folder, nosuch=1)
    assert calls == [(3, 7), (3, 1)]
    assert (
        capsys.readouterr().out
        == 'WARNING: Keyword argument "nosuch" not found when loading network. It was ignored.\n'
    )


@pytest.mark.parametrize(
    ("stored", "found"), [("dlframework.contract_networks", True), ("dlframework.nosuch", False)]
)
def test_G03_modules_under_their_old_prefix_are_found(make, folder, stored, found):
    trainer = make()
    trainer.train(1)
    content = read_checkpoint(folder / "ToyNet_ep0001.pth.tar")
    write_checkpoint(
        folder / "old.pth.tar",
        {**content, "constructor": NetConstructor("toy_net", stored, (), {"k": 3})},
    )
    if found:
        assert same_weights(load_network(folder / "old.pth.tar")[0], trainer.actor.net)
    else:
        with pytest.raises(RuntimeError, match="nosuch"):
            load_network(folder / "old.pth.tar")


def test_G04_no_constructor(make, folder):
    make().train(1)
    content = read_checkpoint(folder / "ToyNet_ep0001.pth.tar")
    write_checkpoint(folder / "bare.pth.tar", {**content, "constructor": None})
    with pytest.raises(RuntimeError, match=r"No constructor for the given network\."):
        load_network(folder / "bare.pth.tar")


def test_J01_lines_files_and_loaders_in_their_epochs(make, folder, workspace, capsys):
    trainer = make(val=True)
    trainer.train(2)
    out = capsys.readouterr().out.splitlines()
    pattern = r"\[train: 1, 1 / 2\] FPS: \d+\.\d \(\d+\.\d\)  ,  Loss/total: \d\.\d{5}  ,  other: 1\.00000"
    assert re.fullmatch(pattern, out[0]) and out[1].startswith("[train: 1, 2 / 2]")
    assert (
        out[2].startswith("[train: 2, 1")
        and out[4].startswith("[val: 2, 1 / 4]")
        and out[-1] == "Finished training!"
    )
    assert sorted(file.name for file in folder.iterdir()) == [
        "ToyNet_ep0001.pth.tar",
        "ToyNet_ep0002.pth.tar",
    ]
    assert sorted(entry.name for entry in (workspace / "tensorboard/ltr/mod/name").iterdir()) == [
        "info",
        "train",
        "val",
    ]
    assert trainer.actor.modes[0] == (True, True) and trainer.actor.modes[-1] == (False, False)
    assert torch.is_grad_enabled()
    assert [len(trainer.stats[name]["Loss/total"].history) for name in ("train", "val")] == [2, 1]


def test_J02_resuming_runs_what_is_left(make):
    make().train(2)
    resumed = make()
    resumed.train(3, load_latest=True)
    assert (
        set(resumed.actor.epochs) == {3} and len(resumed.stats["train"]["Loss/total"].history) == 3
    )


def test_J03_one_failure_restarts_from_the_last_epoch(make, capsys):
    trainer = make()
    trainer.actor.fails_at = 3
    trainer.train(3, fail_safe=True)
    assert trainer.actor.epochs == [1, 1, 2, 2, 2, 3, 3]
    out = capsys.readouterr().out
    assert "Training crashed at epoch 2\nRestarting training from last epoch ...\n" in out
    assert out.endswith("Finished training!\n")
    assert len(trainer.stats["train"]["Loss/total"].history) == 3
    plain = make()
    plain.train(3)
    assert same_weights(plain.actor.net, trainer.actor.net)


def test_J04_the_learning_rate_is_the_one_used(make):
    trainer = make(decay=0.2)
    trainer.train(2)
    assert trainer.stats["train"]["LearningRate/group0"].history == pytest.approx([1e-3, 2e-4])
