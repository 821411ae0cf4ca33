"""Learning rates of the recipes, and the layout of checkpoints."""

from __future__ import annotations

import contextlib
import copy
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from ltr.actors.base_actor import BaseActor
from ltr.admin.loading import load_network
from ltr.admin.model_constructor import model_constructor
from ltr.io.checkpoint import TYPE
from ltr.models.tracking import transt_model
from ltr.train_settings.spot import (
    ocean_sparse,
    ocean_sparse_got10k,
    transt_sparse,
    transt_sparse_got10k,
)
from ltr.trainers.base_trainer import BaseTrainer
from spot_ext.training import recipe
from spot_ext.training.actor import SparseActor
from spot_ext.training.architectures import get_architecture
from spot_ext.training.config import DatasetConfig, SparseConfig
from spot_ext.training.optimization import hold_backbone
from spot_ext.training.teacher import Teacher
from spot_ext.training.trainer import SparseTrainer
from tests.golden.checks.places import temporary_settings, write_annotations
from tests.golden.comparison import Comparison, check
from tests.golden.folder import Golden
from tests.golden.tolerances import RELATIVE

RECIPES = {
    "spot_transt_003": transt_sparse,
    "spot_transt_003_got10k": transt_sparse_got10k,
    "spot_ocean_003": ocean_sparse,
    "spot_ocean_003_got10k": ocean_sparse_got10k,
}
SMALL = {
    "hidden_dim": 16,
    "nheads": 2,
    "dim_feedforward": 16,
    "width": 4,
}  # of a network that only carries parameters


@check("lr_schedule_{}", common=["lr_schedules.json"], variants=list(RECIPES))
def learning_rates(golden: Golden, compare: Comparison, name: str) -> None:
    """Rates of both parameter groups in every epoch of a recipe, in the trainer's own loop; when a
    backbone joins.
    """
    stored = golden.common_json("lr_schedules.json")[name]
    theirs = next(rates for key, rates in stored.items() if key.startswith("lr_used"))
    if (
        "n_trainable_backbone_tensors" in stored
    ):  # four groups, of which the head's three have one rate
        compare.equal(
            "rates of the head", [len({*rates[1:]}) for rates in theirs], [1] * len(theirs)
        )
        theirs = [[rates[1], rates[0]] for rates in theirs]
        compare.equal(
            "trainable tensors of the backbone",
            _trainable(RECIPES[name].config()),
            stored["n_trainable_backbone_tensors"],
        )
    config, used = RECIPES[name].config(), []
    with temporary_settings("ltr/spot/rates") as settings:
        root = write_annotations(Path(settings.env.workspace_dir) / "videos")
        config = config.replace(
            datasets=(DatasetConfig("Got10k", {"root": str(root)}),),
            architecture="transt_small",
            network=SMALL,
            publish=None,
            num_workers=0,
            crops={"template_size": 64, "search_size": 128},
        )
        trainer = recipe.make_trainer(settings, config)

        def train_epoch() -> None:
            used.append([group["lr"] for group in trainer.optimizer.param_groups])
            trainer.optimizer.step()

        trainer.train_epoch, trainer.save_checkpoint = train_epoch, lambda: None
        with contextlib.redirect_stdout(io.StringIO()):
            trainer.train(config.epochs, fail_safe=False)
    compare.close("rates", used, theirs, kind=RELATIVE, float64=True)


def _trainable(config: SparseConfig) -> list[int]:
    """Tensors of the full-size backbone that learn, in every epoch."""
    architecture = get_architecture(config.architecture)
    net, counts = architecture.build({}).train(), []
    for epoch in range(1, config.epochs + 1):
        hold_backbone(net, architecture, config.optim, epoch)
        counts.append(sum(p.requires_grad for p in architecture.backbone(net).parameters()))
    return counts


@check("checkpoint_layout_spot", common=["checkpoints"])
def spot_checkpoints(golden: Golden, compare: Comparison) -> None:
    """Student and teacher files: names, entries, parameter groups; and which one a folder gives for
    tracking.
    """
    layouts = golden.common_json("checkpoints/spot_checkpoint_layout.json")
    student, teacher = (layouts[f"spot_transt_003/TransT_ep0025_{which}.pth.tar"] for which in "st")
    architecture = get_architecture("transt")
    with temporary_settings("ltr/spot/spot_transt_003") as settings:
        net = transt_model.transt_resnet50(network="student")
        optimizer = torch.optim.AdamW(
            architecture.parameter_groups(net, 1e-4, 1e-5), lr=1e-4, weight_decay=1e-4
        )
        actor = SparseActor(
            net, Teacher(net, architecture, 0.4), architecture, SparseConfig(datasets=())
        )
        trainer = SparseTrainer(
            actor,
            SimpleNamespace(pool=SimpleNamespace(store_folder=Path("store"))),
            optimizer,
            settings,
        )
        trainer.epoch = student["keys"]["epoch"] = 25
        BaseTrainer.save_checkpoint(trainer)  # without the store, which needs data
        folder = trainer.student_file(25).parent
        compare.equal(
            "file names",
            sorted(path.name for path in folder.iterdir()),
            sorted(Path(layout["path"]).name for layout in (student, teacher)),
        )
        contents = {
            which: torch.load(folder / f"TransT_ep0025_{which}.pth.tar", weights_only=True)
            for which in "st"
        }
        found = {
            "load_network(dir)": load_network(folder)[1].keys(),
            "load_network(file _t)": load_network(trainer.teacher_file(25))[1].keys(),
        }
    extra = {"lr_scheduler", "recipe", "seed"}  # ours: a resumed run equals an uninterrupted one
    compare.equal(
        "entries of the student's file",
        sorted(contents["s"].keys() - extra),
        sorted(student["keys"]),
    )
    compare.equal("entries of the teacher's file", sorted(contents["t"]), sorted(teacher["keys"]))
    for which, layout in (("s", student), ("t", teacher)):
        weights, keys = contents[which]["net"], layout["keys"]
        first = next(iter(weights.values()))
        compare.equal(
            "weights",
            [
                type(weights).__name__,
                len(weights),
                list(weights)[:4],
                f"tensor({', '.join(map(str, first.shape))}) {first.dtype}",
            ],
            [keys["net"][name] for name in ("type", "len", "first_keys", "first_value")],
        )
        compare.equal("network class", repr(contents[which]["net_type"]), keys["net_type"]["repr"])
        compare.equal(
            "constructor",
            sorted(contents[which]["constructor"]),
            ["args", "fun_module", "fun_name", "kwds"],
        )
        compare.equal(
            "constructor",
            contents[which]["constructor"]["fun_module"],
            layout["constructor_detail"]["fun_module"],
        )
    groups, detail = contents["s"]["optimizer"]["param_groups"], student["optimizer_detail"]
    compare.equal(
        "optimiser groups", [len(group["params"]) for group in groups], detail["n_params"]
    )
    compare.equal(
        "optimiser groups",
        {"lr", "betas", "eps", "weight_decay", "params"} <= groups[0].keys(),
        True,
    )
    for how, keys in found.items():
        theirs = layouts["spot_transt_003/loading"][how]
        compare.equal(
            "loading for tracking",
            str(sorted(keys)),
            theirs[theirs.index("[") : theirs.index("]") + 1],
        )


class Net(nn.Module):
    """What the reference's layout was recorded with; its argument shapes nothing."""

    def __init__(self, width: int):
        super().__init__()
        self.fc = nn.Linear(2, 2)


class Actor(BaseActor):
    """Holds the network."""


class _Trainer(BaseTrainer):
    def train_epoch(self) -> None:
        self.optimizer.step()


@model_constructor
def make_net(width: int = 2) -> Net:
    """The network's factory."""
    return Net(width)


@check("checkpoint_layout_pytracking", common=["checkpoints"])
def pytracking_checkpoints(golden: Golden, compare: Comparison) -> None:
    """One file an epoch, its entries, finding it again, and resuming."""
    layout = golden.common_json("checkpoints/pytracking_checkpoint_layout.json")
    with temporary_settings("ltr/a/b") as settings, contextlib.redirect_stdout(io.StringIO()):
        trainer = _trainer(settings)
        trainer.train(3)
        folder = Path(settings.env.workspace_dir) / "checkpoints" / "ltr/a/b"
        compare.equal("file names", sorted(path.name for path in folder.iterdir()), layout["files"])
        content = torch.load(folder / layout["files"][-1], weights_only=True)
        compare.equal("entries", sorted(content.keys() - {"lr_scheduler"}), sorted(layout["keys"]))
        compare.equal("values", _as_described(content, layout["keys"]), _values(layout["keys"]))
        calls = {
            "dir": {"network_dir": folder},
            "dir+int": {"network_dir": folder, "checkpoint": 2},
            "file": {"network_dir": folder / layout["files"][0]},
            "dir+kwargs": {"network_dir": folder, "width": 5},
            "dir+unknown kwarg": {"network_dir": folder, "nosuch": 1},
        }
        for how, arguments in calls.items():
            _, loaded = load_network(**arguments)
            compare.equal(
                "load_network",
                f"ok epoch {loaded['epoch']} constructor.kwds {loaded['constructor'].kwds}",
                layout["load_network"][how],
            )
        resumed = _trainer(settings)
        resumed.load_checkpoint()
        compare.equal(
            "resuming",
            {"epoch": resumed.epoch, "last_epoch": resumed.lr_scheduler.last_epoch},
            layout["resume"],
        )


def _trainer(settings: Any) -> BaseTrainer:
    net = make_net(width=3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    return _Trainer(
        Actor(net, None),
        [],
        optimizer,
        copy.copy(settings),
        torch.optim.lr_scheduler.StepLR(optimizer, 2),
    )


def _values(described: dict[str, Any]) -> dict[str, Any]:
    """Of the described entries what plain files can equal: numbers, text, keys; objects are `_type`
    here.
    """
    return {
        name: entry.get("repr")
        if entry["type"].startswith("builtins")
        else entry.get("keys", entry["type"].split(".")[-1])
        for name, entry in described.items()
    }


def _as_described(content: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for name, entry in described.items():
        value = content[name]
        if entry["type"].startswith("builtins"):
            values[name] = repr(value)
        elif "keys" in entry:
            values[name] = list(value)
        else:
            values[name] = "NetConstructor" if name == "constructor" else value[TYPE]
    return values
