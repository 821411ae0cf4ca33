"""ltr.trainers and ltr.actors: epochs, statistics, checkpoints, resuming, failures."""

import os
import random
import re
import signal

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ltr.actors import BaseActor, TranstActor
from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.admin.settings import Settings
from ltr.admin.tensordict import TensorDict
from ltr.data import LTRLoader
from ltr.io.checkpoint import checkpoint_files, read_checkpoint, write_checkpoint
from ltr.trainers import BaseTrainer, LTRTrainer


class Points(torch.utils.data.Dataset):
    """Random points, from all three global generators."""

    def __init__(self, count=6):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return TensorDict(x=torch.rand(4), y=random.random() + np.random.rand())


class Actor(BaseActor):
    fail_at: tuple = ()  # calls that raise
    error: BaseException = RuntimeError("boom")

    def __init__(self, net):
        super().__init__(net, None)
        self.calls, self.epochs, self.modes = 0, [], []

    def __call__(self, data):
        self.calls += 1
        self.epochs.append(data["epoch"])
        self.modes.append((self.net.training, torch.is_grad_enabled()))
        if self.calls in self.fail_at:
            raise self.error
        loss = (self.net(data["x"]).squeeze(1) - data["y"]).pow(2).mean()
        return loss, {"Loss/total": loss.item(), "other": 1.0}


SCHEDULERS = {
    "none": lambda o: None,
    "step": lambda o: lr_scheduler.StepLR(o, 2, 0.2),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 7),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda e: 0.9**e),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "sequence": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o), lr_scheduler.StepLR(o, 1)], [2]
    ),
}


@pytest.fixture
def make(local_py, toy_networks):
    """A trainer of a toy network; as a recipe would build it."""

    def build(
        scheduler="step", trainer=LTRTrainer, actor=Actor, workers=0, loaders=None, **attributes
    ):
        settings = Settings()
        settings.project_path, settings.module_name, settings.script_name = (
            "ltr/mod/name",
            "mod",
            "name",
        )
        settings.print_interval = 1
        settings.device = "cpu"
        vars(settings).update(attributes)
        torch.manual_seed(0)
        net = toy_networks.toy_net(k=3)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        if loaders is None:
            loaders = [
                LTRLoader("train", Points(), batch_size=4, shuffle=True, num_workers=workers)
            ]
        return trainer(actor(net), loaders, optimizer, settings, SCHEDULERS[scheduler](optimizer))

    return build


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "ws" / "checkpoints" / "ltr" / "mod" / "name"


def names(folder):
    return sorted(path.name for path in folder.glob("*.tar"))


def test_print_stats_and_interval(make, capsys):
    make(print_stats=["other"], print_interval=2, loaders=[LTRLoader("train", Points(5))]).train(1)
    out = capsys.readouterr().out
    assert "Loss/total" not in out and "other" in out
    assert re.findall(r", (\d) / 5\]", out) == ["2", "4", "5"]


def test_averages_weigh_the_smaller_last_batch(make):
    class Means(Actor):
        def __call__(self, data):
            loss, _ = super().__call__(data)
            return loss, {"size": float(len(data["x"]))}

    trainer = make(actor=Means, loaders=[LTRLoader("train", Points(6), batch_size=4)])
    trainer.train(1)
    assert trainer.stats["train"]["size"].history == [pytest.approx((4 * 4 + 2 * 2) / 6)]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_resumed_run_equals_an_uninterrupted_one(make, folder, tmp_path, scheduler):
    straight = make(scheduler, workers=0)
    straight.train(5)
    final = read_checkpoint(folder / "ToyNet_ep0005.pth.tar")
    for path in folder.iterdir():
        path.unlink()
    make(scheduler).train(2)
    torch.manual_seed(77)
    random.seed(77)
    resumed = make(scheduler)
    resumed.train(5, load_latest=True)
    assert resumed.actor.epochs == [3, 3, 4, 4, 5, 5]
    again = read_checkpoint(folder / "ToyNet_ep0005.pth.tar")
    assert all(torch.equal(final["net"][k], again["net"][k]) for k in final["net"])
    for part in ("optimizer", "lr_scheduler", "stats"):
        assert repr(final[part]) == repr(again[part])
    assert len(resumed.stats["train"]["Loss/total"].history) == 5


def test_workers_do_not_change_the_training(make):
    plain, with_workers = make(), make(workers=2)
    plain.train(1)
    with_workers.train(1)
    assert torch.equal(plain.actor.net.fc[0].weight, with_workers.actor.net.fc[0].weight)
    other = make(seed=5)
    other.train(1)
    assert not torch.equal(plain.actor.net.fc[0].weight, other.actor.net.fc[0].weight)


def test_checkpoints_without_scheduler_state(make, folder):
    make().train(3)
    path = folder / "ToyNet_ep0003.pth.tar"
    content = read_checkpoint(path)
    del content["lr_scheduler"]
    write_checkpoint(path, content)
    trainer = make()
    trainer.load_checkpoint()
    assert trainer.lr_scheduler.last_epoch == 3 and trainer.optimizer.param_groups[0][
        "lr"
    ] == pytest.approx(2e-4)


def test_statistics_forget_the_attempt_that_failed(make):
    class Numbers(Actor):
        def __call__(self, data):
            loss, _ = super().__call__(data)
            return loss, {"call": float(self.calls)}

    trainer = make(actor=Numbers)
    trainer.actor.fail_at = (2,)
    trainer.train(1)
    assert trainer.stats["train"]["call"].history == [pytest.approx((3 * 4 + 4 * 2) / 6)]


def test_each_epoch_has_draws_of_its_own(make):
    class Inputs(Actor):
        def __init__(self, net):
            super().__init__(net)
            self.seen = []

        def __call__(self, data):
            self.seen.append(data["x"].sum().item())
            return super().__call__(data)

    trainer = make(actor=Inputs, loaders=[LTRLoader("train", Points(4), batch_size=4)])
    trainer.train(3)
    assert len(set(trainer.actor.seen)) == 3


FAILURES = {
    "too often": (range(1, 99), RuntimeError("boom"), True, 10),
    "not safe": ((1,), RuntimeError("boom"), False, 1),
    "bad input": ((1,), BadValue("correct it"), True, 1),
}


@pytest.mark.parametrize(("fail_at", "error", "safe", "calls"), FAILURES.values(), ids=FAILURES)
def test_failures_are_raised_in_the_end(make, capsys, fail_at, error, safe, calls):
    trainer = make()
    trainer.actor.fail_at, trainer.actor.error = fail_at, error
    with pytest.raises(type(error), match=str(error)):
        trainer.train(2, fail_safe=safe)
    assert trainer.actor.calls == calls and "Finished" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (1, "There is no checkpoint yet."),
        (3, r"The last checkpoint is .*ToyNet_ep0001.pth.tar; start the same command"),
    ],
)
def test_ctrl_c_says_where_to_go_on(make, capsys, at, message):
    trainer = make()
    trainer.actor.fail_at, trainer.actor.error = (at,), KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        trainer.train(3, load_latest=True, fail_safe=True)
    out = capsys.readouterr().out
    assert re.search(message, out) and "crashed" not in out and "Finished" not in out


class AskedToStop(Actor):
    """Sends SIGTERM to its own process in the first batch of epoch 2, or in the last."""

    at = 3

    def __call__(self, data):
        result = super().__call__(data)
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGTERM)
        return result


@pytest.mark.parametrize(
    ("at", "said", "left"),
    [
        (
            3,
            r"in epoch 2, which is lost: it had 1 of 2 batches of train\. The last checkpoint is .*ep0001\.pth\.tar",
            [1],
        ),
        (4, r"after epoch 2\. The last checkpoint is .*ep0002.pth.tar", [1, 2]),
    ],
    ids=["within an epoch", "at its end"],
)
def test_sigterm_stops_with_status_143_and_says_what_is_lost(make, folder, capsys, at, said, left):
    trainer = make(actor=AskedToStop)
    trainer.actor.at = at
    with pytest.raises(SystemExit) as ended:
        trainer.train(3)
    assert ended.value.code == 143 and re.search(
        f"Stopped by SIGTERM {said}", capsys.readouterr().out
    )
    assert [file.epoch for file in checkpoint_files(folder)] == left


def test_a_run_without_checkpoints_needs_no_folder_and_no_lock(make, tmp_path, local_py):
    local_py.write_text(
        local_py.read_text()
        .replace(repr(str(tmp_path / "ws")), "None")
        .replace("self.workspace_dir + ", "")
    )
    make(loaders=[]).train(1)
    assert not list(tmp_path.rglob("run.lock"))


def test_damaged_newest_checkpoint_falls_back(make, folder, capsys):
    make().train(3)
    newest = folder / "ToyNet_ep0003.pth.tar"
    newest.write_bytes(newest.read_bytes()[:700])
    trainer = make()
    trainer.train(3, load_latest=True)
    assert trainer.actor.epochs == [3, 3]
    assert "Going back one checkpoint: " in capsys.readouterr().out
    for path in folder.glob("*.tar"):
        path.write_bytes(b"x")
    with pytest.raises(BadInput, match=r"no checkpoint in .* can be read"):
        make().train(4, load_latest=True)


def test_epochs_are_numbers_not_text(make, folder):
    make().train(1)
    content = read_checkpoint(folder / "ToyNet_ep0001.pth.tar")
    for epoch in (9999, 10000):
        write_checkpoint(folder / f"ToyNet_ep{epoch}.pth.tar", {**content, "epoch": epoch})
    trainer = make()
    trainer.load_checkpoint()
    assert trainer.epoch == 10000


def test_pruning(make, folder):
    make(keep_checkpoints=2).train(4)
    assert [f.epoch for f in checkpoint_files(folder)] == [3, 4]
    with pytest.raises(BadValue, match="keep_checkpoints"):
        make(keep_checkpoints=0)


def test_load_checkpoint_arguments(make, folder):
    make().train(2)
    trainer = make()
    assert trainer.load_checkpoint(1) and trainer.epoch == 1
    assert trainer.load_checkpoint(str(folder)) and trainer.epoch == 2
    assert trainer.load_checkpoint(folder / "ToyNet_ep0001.pth.tar") and trainer.epoch == 1
    before = trainer.actor.net.fc[0].weight.clone()
    trainer.load_checkpoint(2, fields=["epoch"])
    assert trainer.epoch == 2 and torch.equal(trainer.actor.net.fc[0].weight, before)
    trainer.epoch = 0
    trainer.load_checkpoint(2, ignore_fields=["epoch", "settings"])
    assert trainer.epoch == 0 and not torch.equal(trainer.actor.net.fc[0].weight, before)
    with pytest.raises(TypeError):
        trainer.load_checkpoint(1.5)
    with pytest.raises(MissingFile, match="ToyNet_ep0009"):
        trainer.load_checkpoint(9)


def test_load_checkpoint_refuses_other_networks(make, folder, tmp_path):
    make().train(1)
    path = folder / "ToyNet_ep0001.pth.tar"
    write_checkpoint(tmp_path / "a.pth.tar", {**read_checkpoint(path), "net_type": "Other"})
    with pytest.raises(BadValue, match="holds the network Other, this run trains ToyNet"):
        make().load_checkpoint(tmp_path / "a.pth.tar")
    content = read_checkpoint(path)
    content["optimizer"]["param_groups"] *= 2
    write_checkpoint(path, content)
    with pytest.raises(BadValue, match="optimizer state"):
        make().load_checkpoint()


def test_no_checkpoint_is_no_error(make, capsys):
    assert make().load_checkpoint() is None
    assert capsys.readouterr().out == "No matching checkpoint file found\n"


def test_checkpoints_can_be_switched_off(make, local_py, tmp_path):
    local_py.write_text("class EnvironmentSettings:\n    workspace_dir = None\n")
    make().train(1)
    assert not (tmp_path / "ws").exists()
    local_py.write_text("class EnvironmentSettings:\n    pass\n")
    with pytest.raises(BadInput, match="workspace_dir is not set"):
        make()


class Counting(BaseTrainer):
    """A trainer with state and files of its own, and no loaders."""

    checkpoint_suffix = "_s"
    total = 0
    secret = 0

    def train_epoch(self):
        self.secret += random.randint(0, 10**6)

    def state_dict_for_checkpoint(self):
        return {**super().state_dict_for_checkpoint(), "hidden": self.secret}

    def load_state(self, state, path):
        self.secret = state.pop("hidden")
        super().load_state(state, path)

    def companions(self, path):
        return [path.with_name(path.name.replace("_s.", "_t."))]

    def write_companions(self, path):
        write_checkpoint(
            self.companions(path)[0], {"net": self.actor.net.state_dict(), "net_type": "ToyNet"}
        )


def test_hooks_of_the_base_trainer(make, folder, capsys):
    make("none", trainer=Counting, loaders=[], keep_checkpoints=3).train(4)
    assert names(folder) == [f"ToyNet_ep{e:04d}_{s}.pth.tar" for e in (2, 3, 4) for s in "st"]
    straight = read_checkpoint(folder / "ToyNet_ep0004_s.pth.tar")["hidden"]
    (
        folder / "ToyNet_ep0004_t.pth.tar"
    ).unlink()  # a crash between the two files cannot leave this; a user can
    trainer = make("none", trainer=Counting, loaders=[])
    trainer.load_checkpoint()
    assert trainer.epoch == 3
    trainer.train(4)
    assert trainer.secret == straight  # epochs are seeded


def test_gradient_clipping(make):
    trainer = make(grad_clip_max_norm=1e-6, loaders=[LTRLoader("train", Points())])
    trainer.train(1)
    norm = sum(p.grad.norm() ** 2 for p in trainer.actor.net.parameters()) ** 0.5
    assert norm <= 1.1e-6


def test_frozen_batch_norms(make):
    class WithNorm(Actor):
        def __init__(self, net):
            super().__init__(net)
            net.feature_extractor = nn.Sequential(nn.BatchNorm2d(2))

    trainer = make(actor=WithNorm)
    trainer.freeze_backbone_bn_layers = True
    trainer.train(1)
    assert not trainer.actor.net.feature_extractor[0].training and trainer.actor.net.fc[1].training


def test_device_falls_back_to_the_cpu(make, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert make(device="cuda").device.type == "cpu" and make(device=None).device.type == "cpu"
    assert caplog.text.count("computing on the CPU") == 2
    make(device=None, use_gpu=False)
    assert caplog.text.count("computing on the CPU") == 2


# Actors


class FakeCriterion(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight_dict = {"loss_ce": 2.0, "loss_bbox": 3.0, "loss_giou": 5.0}

    def forward(self, outputs, targets):
        self.targets = targets
        return {
            "loss_ce": outputs,
            "loss_bbox": outputs * 10,
            "loss_giou": outputs * 100,
            "iou": outputs * 0 + 0.5,
        }


class FakeNet(nn.Module):
    def forward(self, search, template):
        assert search.shape[-1] == 20 and template.shape[-1] == 10
        return search.mean()


def test_transt_actor():
    actor = TranstActor(FakeNet(), FakeCriterion())
    boxes = torch.tensor([[2.0, 4.0, 6.0, 8.0], [0.0, 0.0, 20.0, 40.0]])
    kept = boxes.clone()
    data = TensorDict(
        search_images=torch.ones(2, 3, 40, 20),
        template_images=torch.zeros(2, 3, 10, 10),
        search_anno=boxes,
    )
    loss, stats = actor(data)
    assert loss.item() == 2 + 30 + 500
    assert stats == {"Loss/total": 532, "Loss/ce": 1, "Loss/bbox": 10, "Loss/giou": 100, "iou": 0.5}
    targets = actor.objective.targets
    assert targets[0]["boxes"].tolist() == [
        [0.25, pytest.approx(0.2), pytest.approx(0.3), pytest.approx(0.2)]
    ]
    assert targets[1]["boxes"].tolist() == [[0.5, 0.5, 1, 1]] and targets[1]["labels"].tolist() == [
        0
    ]
    assert torch.equal(boxes, kept)
    actor.eval()
    assert not actor.net.training and not actor.objective.training
    actor.train()
    assert actor.net.training and actor.objective.training


def test_transt_actor_with_the_real_network():
    transt = pytest.importorskip("ltr.models.tracking.transt")
    net = transt.transt_small(hidden_dim=32, width=8)
    actor = TranstActor(net, transt.transt_loss(None))
    data = TensorDict(
        search_images=torch.rand(2, 3, 128, 128),
        template_images=torch.rand(2, 3, 64, 64),
        search_anno=torch.tensor([[30.0, 40, 40, 30], [50.0, 50, 20, 20]]),
    )
    loss, stats = actor(data)
    loss.backward()
    weights = {"Loss/ce": 8.334, "Loss/bbox": 5, "Loss/giou": 2}
    assert stats["Loss/total"] == pytest.approx(
        sum(stats[n] * w for n, w in weights.items()), rel=1e-5
    )
    assert net.input_proj.weight.grad.abs().sum() > 0
