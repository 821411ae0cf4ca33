"""Training on a rehearsed GPU gives the CPU's weights, and the host rarely waits for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from unittest import mock

import pytest
import torch

from ltr import actors
from ltr.data import LTRLoader
from ltr.dataset import Got10k
from ltr.io.checkpoint import read_checkpoint
from ltr.models.tracking.transt import transt_loss, transt_small
from ltr.train_settings.transt import transt
from ltr.trainers import LTRTrainer
from spot_ext.training import recipe
from spot_ext.training.trainer import SparseTrainer
from tests.support.cuda_rehearsal import WaitLog, rehearsal
from tests.support.small_recipes import RECIPES, small_recipe, steady_iterations

# The host may wait this often in an iteration of a stage.
WAITS = {"burnin": 2, "sparse": 4}
SUPERVISED_WAITS = 4

# One recipe of each network runs by default.
QUICK = ("transt_sparse", "ocean_sparse", "transt_light")
BUDGETED = [
    pytest.param(name, marks=() if name == "transt_sparse" else pytest.mark.slow) for name in QUICK
]
ALL_RECIPES = [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in RECIPES
]


def logged(load_batches: Callable, log: WaitLog, iterations: list[WaitLog]) -> Callable:
    """Return `load_batches` that adds a log to `iterations` from each batch to the next."""

    def load_and_log(*arguments) -> Iterator:
        for batch in load_batches(*arguments):
            with log.counting() as iteration:
                yield batch
            iterations.append(iteration)

    return load_and_log


def train_on_gpu(settings, config) -> tuple[SparseTrainer, WaitLog, dict[str, list[WaitLog]]]:
    """Train; returns the trainer, the whole log, and the logs of iterations by stage."""
    iterations: dict[str, list[WaitLog]] = {}
    with rehearsal() as log:
        trainer = recipe.make_trainer(settings, config)
        load_epoch = trainer.loader.epoch

        def epoch(stage: str, *arguments) -> Iterator:
            return logged(load_epoch, log, iterations.setdefault(stage, []))(stage, *arguments)

        trainer.loader.epoch = epoch
        trainer.train(config.epochs, load_latest=True, fail_safe=False)
    return trainer, log, iterations


def networks(trainer: SparseTrainer) -> dict[str, torch.Tensor]:
    """Return the weights of the student and the teacher after the last epoch."""
    epoch = trainer.config.epochs
    student = read_checkpoint(trainer.student_file(epoch))["net"]
    teacher = read_checkpoint(trainer.teacher_file(epoch))["net"]
    named = {f"student {name}": value for name, value in student.items()}
    return named | {f"teacher {name}": value for name, value in teacher.items()}


def assert_same_run(gpu: SparseTrainer, cpu: SparseTrainer) -> None:
    """Weights are equal within rounding, explored frames and boxes too."""
    gpu_values, cpu_values = networks(gpu), networks(cpu)
    assert gpu_values.keys() == cpu_values.keys()
    for name, value in cpu_values.items():
        torch.testing.assert_close(gpu_values[name], value, rtol=1e-4, atol=1e-6, msg=name)
    epoch = cpu.config.epochs
    for index in range(cpu.pool.num_paths):
        gpu_track = gpu.pool.store(gpu.store_epoch(epoch)).track(index)
        cpu_track = cpu.pool.store(cpu.store_epoch(epoch)).track(index)
        assert gpu_track.frame_ids.tolist() == cpu_track.frame_ids.tolist()
        # The store keeps tenths of a pixel.
        assert gpu_track.boxes_xywh == pytest.approx(cpu_track.boxes_xywh, abs=0.11)


@pytest.mark.parametrize("name", ALL_RECIPES)
def test_recipe_on_a_gpu_equals_the_one_on_the_cpu(name, make_settings, tree):
    config = small_recipe(name, tree)
    cpu = recipe.train(make_settings("cpu", device="cpu"), config)
    gpu, log, iterations = train_on_gpu(make_settings("gpu", device="cuda"), config)
    assert_same_run(gpu, cpu)
    assert sorted(iterations) == ["burnin", "sparse"]
    assert log.count("pageable") == 0, log.text()


@pytest.mark.parametrize("name", BUDGETED)
@pytest.mark.parametrize("stage", WAITS)
def test_the_host_rarely_waits_in_an_iteration(name, stage, make_settings, tree):
    config = small_recipe(name, tree)
    _, _, iterations = train_on_gpu(make_settings("gpu", device="cuda"), config)
    for log in steady_iterations(iterations[stage]):
        assert log.waits() <= WAITS[stage], log.text()


@pytest.mark.parametrize(
    "name", ["transt_sparse", pytest.param("ocean_sparse", marks=pytest.mark.slow)]
)
def test_bf16_on_a_gpu_is_near_fp32(name, make_settings, tree):
    config = small_recipe(name, tree)
    losses = {}
    for precision in ("fp32", "bf16"):
        settings = make_settings(precision, device="cuda")
        trainer, _, _ = train_on_gpu(settings, config.replace(precision=precision))
        losses[precision] = trainer.stats["train"]["Loss/total"].history
        weights = networks(trainer)
        assert all(value.dtype != torch.bfloat16 for value in weights.values())
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.03)


@pytest.mark.parametrize(
    ("first_device", "second_device"),
    [("cuda", "cuda"), ("cpu", "cuda"), pytest.param("cuda", "cpu", marks=pytest.mark.slow)],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    first_device, second_device, make_settings, tree
):
    config = small_recipe("transt_sparse", tree)
    whole = recipe.train(make_settings("whole", device="cpu"), config)
    with rehearsal():
        first = recipe.make_trainer(make_settings("parts", device=first_device), config)
        first.train(1, load_latest=True, fail_safe=False)
        resumed = recipe.train(make_settings("parts", device=second_device), config)
        for state in resumed.optimizer.state.values():
            assert state["exp_avg"].device.type == second_device
    assert_same_run(resumed, whole)


def supervised_trainer(settings, tree) -> LTRTrainer:
    """Return the trainer of `transt transt` with a small network."""
    settings.batch_size = 4
    settings.num_workers = 0
    settings.search_sz = 64
    settings.template_sz = 32
    torch.manual_seed(0)
    loader = transt.make_loader(settings, [Got10k(root=str(tree))], batches=6)
    net = transt_small(
        hidden_dim=16, nheads=2, dim_feedforward=32, width=4, template_sz=32, search_sz=64
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, fused=True)
    actor = actors.TranstActor(net, transt_loss(settings))
    return LTRTrainer(actor, [loader], optimizer, settings)


@pytest.fixture
def supervised(make_settings, tree) -> SimpleNamespace:
    """Two epochs of `transt transt` on the CPU and on a GPU, with the logs of GPU iterations."""
    cpu = supervised_trainer(make_settings("cpu", device="cpu"), tree)
    cpu.train(2, load_latest=True)
    iterations: list[WaitLog] = []
    with rehearsal() as log:
        gpu = supervised_trainer(make_settings("gpu", device="cuda"), tree)
        load_and_log = logged(LTRLoader.__iter__, log, iterations)
        with mock.patch.object(LTRLoader, "__iter__", load_and_log):
            gpu.train(2, load_latest=True)
    return SimpleNamespace(cpu=cpu, gpu=gpu, iterations=iterations)


def test_supervised_training_on_a_gpu_equals_the_one_on_the_cpu(supervised):
    gpu_weights = supervised.gpu.actor.net.state_dict()
    for name, value in supervised.cpu.actor.net.state_dict().items():
        torch.testing.assert_close(gpu_weights[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_the_host_rarely_waits_in_a_supervised_iteration(supervised):
    assert len(supervised.iterations) == 12
    for log in steady_iterations(supervised.iterations):
        assert log.waits() <= SUPERVISED_WAITS, log.text()
