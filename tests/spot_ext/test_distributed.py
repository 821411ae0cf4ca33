"""Training with SPOT in several processes: the same run as in one, and one end for all."""

import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from ltr import run_training
from ltr.admin.errors import run_script
from ltr.io.checkpoint import read_checkpoint
from ltr.parallel import distributed, distributed_run
from spot_ext.training.data.loader import EpochDraws
from spot_ext.training.pseudo_labels import PseudoLabelStore

FORK = multiprocessing.get_context("fork")
REPO = Path(__file__).resolve().parents[2]
RECIPE = """
import itertools
import os
import signal
import time
from ltr.admin.errors import BadInput
from spot_ext.training import recipe
from spot_ext.training.config import CropConfig, DatasetConfig, OptimConfig, SparseConfig, TeacherConfig

NETWORKS = {"transt_small": ({"hidden_dim": 16, "nheads": 2, "dim_feedforward": 32, "width": 4, "template_sz": 32,
                              "search_sz": 64}, CropConfig(template_size=32, search_size=64)),
            "ocean_small": ({"width": 4, "channels": 8, "depth": 1},
                            CropConfig(template_size=63, search_size=127, center_jitter=2.0, scale_jitter=0.2))}

def config():
    name = os.environ.get("NETWORK", "transt_small")
    network, crops = NETWORKS[name]
    return SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": os.environ["TREE"]}),), architecture=name, network=network, crops=crops,
        burn_in_epochs=1, epochs=3, iterations=2, batch=4, labelled=4, unlabelled=4, num_workers=0,
        absent_share=0.4 if name == "transt_small" else 0, teacher=TeacherConfig(interval=2, iou_threshold=0.595),
        optim=OptimConfig(method="sgd", lr=1e-3, lr_backbone=1e-3, unfreeze_epoch=2, max_grad_norm=5.0))

def run(settings):
    trainer = recipe.make_trainer(settings, config().override(settings.overrides))
    if os.environ.get("FAILS") == os.environ.get("RANK", "0"):
        trainer.loader.epoch = failing(trainer.loader.epoch)
    elif "STUCK" in os.environ:
        trainer.loader.epoch = lambda *arguments: time.sleep(300)
    trainer.train(int(os.environ.get("STOP_AFTER", trainer.config.epochs)), load_latest=True, fail_safe=False)

def failing(epoch):
    def batches(*arguments):
        yield from itertools.islice(epoch(*arguments), "STUCK" not in os.environ)
        if os.environ["HOW"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise BadInput("this file cannot be used") if os.environ["HOW"] == "input" else KeyError("a defect")
    return batches
"""


SUPERVISED = """
import os
import torch
from ltr import actors
from ltr.dataset import Got10k
from ltr.models.tracking.transt import transt_loss, transt_small
from ltr.train_settings.transt import transt
from ltr.trainers import LTRTrainer

def run(settings):
    settings.batch_size, settings.num_workers, settings.search_sz, settings.template_sz = 4, 0, 64, 32
    loader = transt.make_loader(settings, [Got10k(root=os.environ["TREE"])], batches=3)
    net = transt_small(16, 2, 32, width=4, template_sz=32, search_sz=64)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    LTRTrainer(actors.TranstActor(net, transt_loss(settings)), [loader], optimizer, settings).train(2, load_latest=True)
"""


@dataclass
class Ended:
    """How one process ended."""

    status: int
    out: str
    err: str


def _late(function):
    return lambda *arguments, **named: time.sleep(0.5) or function(*arguments, **named)


def _train(values: dict[str, str], out: Path, err: Path, arguments: list[str]) -> None:
    """The command in a forked process: importing torch in each would take longer than the
    training.
    """
    # OpenMP's threads do not survive a fork: a child waits for ever for those its parent had.
    torch.set_num_threads(1)
    os.environ.clear()
    os.environ.update(values)
    sys.stdout, sys.stderr = out.open("w", buffering=1), err.open("w", buffering=1)
    logging.getLogger().handlers.clear()
    for name in [name for name in sys.modules if name.startswith("ltr.train_settings")]:
        del sys.modules[name]  # they may know another plug-in folder
    if values.get("LATE") == values.get("RANK", "0"):
        distributed.barrier = _late(distributed.barrier)
        distributed.require_even_shares = _late(distributed.require_even_shares)
        torch.distributed.TCPStore = _late(torch.distributed.TCPStore)
    distributed_run._GRACE = float(values.get("STUCK", distributed_run._GRACE))
    run_script(lambda: run_training.main(arguments))


@pytest.fixture
def launch(tmp_path, tree):
    """Runs the recipe in some processes and in a workspace of the given name; their ends, and the
    folder of the run.
    """
    plugins = tmp_path / "plugins" / "train_settings" / "mymod"
    plugins.mkdir(parents=True)
    (plugins / "tiny.py").write_text(RECIPE)
    (plugins / "supervised.py").write_text(SUPERVISED)

    def environment(workspace: Path, **more: str) -> dict[str, str]:
        local = tmp_path / f"{workspace.name}.py"
        local.write_text(
            f"class EnvironmentSettings:\n    workspace_dir = {str(workspace)!r}\n"
            f"    tensorboard_dir = {str(workspace / 'tensorboard')!r}\n"
            f"    lasot_dir = got10k_dir = trackingnet_dir = pretrained_networks = ''\n"
        )
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        }
        return kept | {
            "PYTRACKING_PLUGINS": str(tmp_path / "plugins"),
            "TREE": str(tree),
            "LTR_LOCAL": str(local),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **more,
        }

    def launched(name: str, processes: int = 1, *arguments: str, recipe: str = "tiny", **more: str):
        workspace = tmp_path / name
        ends = [environment(workspace, **more)]
        if processes > 1:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                meeting = {
                    "MASTER_ADDR": "127.0.0.1",
                    "MASTER_PORT": str(free.getsockname()[1]),
                    "WORLD_SIZE": str(processes),
                }
            ends = [
                ends[0] | meeting | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                for rank in range(processes)
            ]
        files = [
            (tmp_path / f"{name}_{rank}.out", tmp_path / f"{name}_{rank}.err")
            for rank in range(processes)
        ]
        started = [
            FORK.Process(target=_train, args=(values, *pair, ["mymod", recipe, *arguments]))
            for values, pair in zip(ends, files, strict=True)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(120)
            process.kill()
        ended = [
            Ended(process.exitcode, out.read_text(), err.read_text())
            for process, (out, err) in zip(started, files, strict=True)
        ]
        return ended, workspace / "checkpoints" / "ltr" / "mymod" / recipe

    launched.environment = environment
    return launched


def assert_same_run(one: Path, other: Path, epoch: int = 3) -> None:
    """Student, teacher, losses and store are equal within rounding; the explored frames exactly."""
    (student,) = one.glob(f"*_ep{epoch:04d}_s.pth.tar")
    for file in (student.name, student.name.replace("_s.", "_t.")):
        a, b = (read_checkpoint(folder / file) for folder in (one, other))
        for name, value in a["net"].items():
            assert torch.allclose(b["net"][name], value, rtol=1e-4, atol=1e-5), f"{file}: {name}"
    losses, others = (
        read_checkpoint(folder / student.name)["stats"]["train"] for folder in (one, other)
    )
    # Times and the memory of a GPU belong to the machine.
    of_machine = ("Time/", "Memory/")
    names = {name for name in losses if not name.startswith(of_machine)}
    assert names == {name for name in others if not name.startswith(of_machine)}
    for name in sorted(names):
        assert others[name]["history"] == pytest.approx(
            losses[name]["history"], rel=1e-4, abs=1e-5
        ), name
    for version in (0, epoch):
        stores = [PseudoLabelStore.open(folder / "store", version) for folder in (one, other)]
        for a, b in zip(
            *([store.track(path) for path in range(len(store))] for store in stores), strict=True
        ):
            assert a.frame_ids.tolist() == b.frame_ids.tolist()
            assert a.boxes_xywh == pytest.approx(b.boxes_xywh, abs=0.11)
            assert a.confidence_units.astype(int) == pytest.approx(
                b.confidence_units.astype(int), abs=2
            )


def statuses(ended: list[Ended]) -> list[int]:
    return [process.status for process in ended]


def test_two_processes_train_as_one(launch):
    (alone,), one = launch("one")
    ended, two = launch("two", 2)
    assert (alone.status, statuses(ended)) == (0, [0, 0]), [
        alone.err,
        *(process.err for process in ended),
    ]
    assert_same_run(one, two)
    yielded = read_checkpoint(next(one.glob("*_ep0003_s.pth.tar")))["stats"]["train"]["yield"][
        "history"
    ]
    assert any(
        0 < share < 1 for share in yielded
    )  # accepted labels took the places of rejected ones, over both processes
    assert ended[0].out.count("Finished training!") == 1 and ended[1].out == ""
    assert "videos" in ended[0].err and "videos" not in ended[1].err


@pytest.mark.parametrize("late", ["0", "1"])
def test_a_batch_that_cannot_be_shared_is_refused_in_one_sentence(launch, late):
    ended, _ = launch("two", 2, "--set", "labelled=3", LATE=late)
    assert statuses(ended) == [1, 1]
    said = "".join(process.err for process in ended)
    assert (
        "error: labelled is 3, which 2 processes cannot share evenly" in said
        and said.count("\n") == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("network", ["transt_small", "ocean_small"])
def test_four_processes_train_as_one(launch, network):
    _, one = launch("one", NETWORK=network)
    ended, four = launch("four", 4, NETWORK=network)
    assert statuses(ended) == [0] * 4, [process.err for process in ended]
    assert_same_run(one, four)


@pytest.mark.slow
def test_recipes_with_loaders_train_as_one(launch):
    _, one = launch("one", recipe="supervised")
    ended, two = launch("two", 2, recipe="supervised")
    assert statuses(ended) == [0, 0], [process.err for process in ended]
    a, b = (read_checkpoint(folder / "TransT_ep0002.pth.tar") for folder in (one, two))
    assert all(
        torch.allclose(a["net"][name], b["net"][name], rtol=1e-4, atol=1e-5) for name in a["net"]
    )
    assert a["stats"]["train"]["Loss/total"]["history"] == pytest.approx(
        b["stats"]["train"]["Loss/total"]["history"], rel=1e-4
    )


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(launch):
    _, whole = launch("whole")
    for processes, epochs in ((2, 1), (1, 2), (4, 3)):
        ended, parts = launch("parts", processes, STOP_AFTER=str(epochs))
        assert statuses(ended) == [0] * processes, [process.err for process in ended]
    assert_same_run(whole, parts)


FAILURES = {
    "input": "error: this file cannot be used",
    "defect": "KeyError: 'a defect'",
    "killed": "lost another one, which has ended without a word",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", FAILURES)
def test_a_failure_of_one_ends_all_and_is_said_once(launch, how):
    ended, _ = launch("two", 2, FAILS="1", HOW=how)
    assert statuses(ended) == [1, -9 if how == "killed" else 1]
    said = "".join(process.err for process in ended)
    assert said.count(FAILURES[how]) == 1 and said.count("error: ") == (how != "defect")
    assert said.count("Traceback") == (how == "defect")


@pytest.mark.slow
def test_who_waits_for_something_else_ends_soon_after_a_failure(launch):
    ended, _ = launch("two", 2, FAILS="0", HOW="input", STUCK="0.5")
    assert (
        statuses(ended) == [1, 1]
        and "".join(process.err for process in ended).count("error: ") == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", [None, *FAILURES])
def test_torchrun_starts_and_ends_it(launch, tmp_path, how):
    failing = {} if how is None else {"FAILS": "1", "HOW": how}
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "ltr.run_training",
    ]
    done = subprocess.run(
        [*command, "mymod", "tiny"],
        cwd=REPO,
        env=launch.environment(tmp_path / "two", **failing),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == (how is not None), done.stderr
    assert done.stdout.count("Finished training!") == (how is None)
    if how in ("input", "defect"):
        assert done.stderr.count(FAILURES[how]) == 1


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_draws_of_all_processes_are_those_of_one(monkeypatch, processes):
    def batches(rank, world):
        monkeypatch.setattr(distributed, "get_rank", lambda: rank)
        monkeypatch.setattr(distributed, "get_world_size", lambda: world)
        draws = EpochDraws(2)
        draws.start("sparse", 3, 2, 6, 12)
        return list(draws)

    alone = batches(0, 1)
    shares = [batches(rank, processes) for rank in range(processes)]
    for number, batch in enumerate(alone):
        for unlabelled in (False, True):
            together = [
                draw for share in shares for draw in share[number] if draw.unlabelled is unlabelled
            ]
            assert together == [draw for draw in batch if draw.unlabelled is unlabelled]
        assert len({len(share[number]) for share in shares}) == 1
