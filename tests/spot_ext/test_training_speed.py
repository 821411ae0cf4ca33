"""What makes training fast changes nothing that is learned: parts of a batch, fused steps,
compilation, uploads; and the log says where time and memory go.
"""

import copy
import dataclasses
import itertools
import json
import logging
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from ltr.admin.errors import BadValue
from ltr.admin.settings import Settings
from ltr.models.layers.dropout import Dropout
from spot_ext.training import compiling, epoch_run, recipe
from spot_ext.training.actor import PseudoLabels, SparseActor
from spot_ext.training.architectures import get_architecture
from spot_ext.training.compiling import compile_networks
from spot_ext.training.config import (
    CropConfig,
    DatasetConfig,
    OptimConfig,
    SparseConfig,
    TeacherConfig,
)
from spot_ext.training.data.prefetch import prefetch_to_device
from spot_ext.training.data.samples import PairBatch, SparseBatch, TripletBatch, Windows
from spot_ext.training.iteration import train_iteration
from spot_ext.training.optimization import StudentStep, make_optimizer
from spot_ext.training.progress import Stopwatch, peak_gb
from spot_ext.training.teacher import Teacher

CPU = torch.device("cpu")
SMALL = {
    "transt_small": (
        {
            "hidden_dim": 16,
            "nheads": 2,
            "dim_feedforward": 32,
            "width": 4,
            "template_sz": 32,
            "search_sz": 64,
        },
        32,
        64,
    ),
    "ocean_small": ({"width": 4, "channels": 8, "depth": 1}, 63, 127),
}


@pytest.fixture
def train(tree, tmp_path, monkeypatch):
    """Trains an epoch of each stage on a small tree; changes of the recipe are its arguments."""
    local = tmp_path / "local.py"
    local.write_text(f"""class EnvironmentSettings:
    workspace_dir = {str(tmp_path / "workspace")!r}
    tensorboard_dir = workspace_dir + '/tensorboard'
    pretrained_networks = lasot_dir = got10k_dir = trackingnet_dir = ''
""")
    monkeypatch.setenv("LTR_LOCAL", str(local))
    options, template, search = SMALL["transt_small"]
    config = SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": str(tree)}),),
        architecture="transt_small",
        network=options,
        burn_in_epochs=1,
        epochs=2,
        iterations=2,
        batch=4,
        labelled=2,
        unlabelled=4,
        num_workers=0,
        crops=CropConfig(template_size=template, search_size=search),
        teacher=TeacherConfig(iou_threshold=0.45),
    )

    def trained(**changes):
        settings = Settings()
        settings.project_path, settings.seed = "ltr/spot/speed", 0
        return recipe.train(settings, config.replace(**changes))

    return trained


def batch_of(template: int, search: int, pairs: int, triplets: int) -> SparseBatch:
    """Noise with a target somewhere in each search crop."""
    draw = torch.Generator().manual_seed(0)

    def crops(count: int, size: int) -> torch.Tensor:
        return torch.randint(0, 256, (count, 3, size, size), generator=draw, dtype=torch.uint8)

    def boxes(count: int) -> torch.Tensor:
        corners, sizes = torch.rand(2, count, 2, generator=draw)
        return torch.cat([corners * search / 2, search / 8 * (1 + sizes)], 1)

    windows = Windows(
        torch.full((triplets, 2), 100.0).double(), torch.ones(triplets, 1).double(), search
    )
    unlabelled = (
        TripletBatch(
            torch.arange(triplets),
            torch.arange(triplets),
            torch.full((triplets, 2), 200.0).double(),
            crops(triplets, template),
            crops(triplets, search),
            windows,
            crops(triplets, template),
            crops(triplets, search),
            torch.full((triplets, 3), 90.0),
            windows,
            torch.full((triplets, 4), float("nan")).double(),
        )
        if triplets
        else None
    )
    return SparseBatch(
        PairBatch(torch.arange(pairs), crops(pairs, template), crops(pairs, search), boxes(pairs)),
        unlabelled,
    )


def learned(
    name: str, accumulate: int, accepted: list[bool], pairs: int = 4, **changes
) -> tuple[dict, dict]:
    """Statistics and gradients of one iteration; batch norms are held, as their means over a part
    are its own.
    """
    options, template, search = SMALL[name]
    architecture = get_architecture(name)
    torch.manual_seed(0)
    net = architecture.build(options)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval().train = lambda mode=True: None
    config = SparseConfig(
        datasets=(), labelled=4, unlabelled=len(accepted), accumulate=accumulate, **changes
    )
    actor = SparseActor(net, Teacher(net, architecture, 0.4), architecture, config)
    count = len(accepted)
    batch = batch_of(template, search, pairs, count)
    boxes = torch.tensor([80.0, 90, 30, 20]).double() + 3 * torch.arange(count)[:, None]
    found = PseudoLabels(
        boxes,
        torch.full((count,), 0.9),
        torch.tensor(accepted, dtype=torch.bool),
        torch.zeros(count, dtype=torch.bool),
        torch.zeros(count, dtype=torch.long),
        torch.arange(count),
    )
    actor.pseudo_label = lambda batch, generator: found
    step = StudentStep(net, torch.optim.SGD(net.parameters(), lr=0.0), config.optim)
    generator = torch.Generator().manual_seed(1)
    result = train_iteration(actor, step, batch, generator, Stopwatch())
    return result.statistics, {key: p.grad for key, p in net.named_parameters()}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("accumulate", "accepted", "changes"),
    [
        (2, [True] * 4, {}),
        (4, [True, False, True, True, False], {}),
        (3, [], {}),
        (3, [True, False, False, False], {"teacher": {"max_repeats": 0}}),
        (2, [False, False], {}),
        (2, [True] * 3, {"reference": {"targets": True}}),
    ],
    ids=[
        "even",
        "uneven with refill",
        "burn-in",
        "fewer unlabelled than parts",
        "none accepted",
        "reference targets",
    ],
)
def test_parts_of_a_batch_learn_what_the_whole_does(name, accumulate, accepted, changes):
    changes = {
        key: dataclasses.replace(getattr(SparseConfig(datasets=()), key), **value)
        for key, value in changes.items()
    }
    (whole, grads), (stats, sums) = (
        learned(name, parts, accepted, **changes) for parts in (1, accumulate)
    )
    assert stats == pytest.approx(whole, rel=1e-4) and ("Loss/unsup" in stats) == any(accepted)
    assert grads.keys() == sums.keys() and any(grad is not None for grad in grads.values())
    for key, grad in grads.items():
        if grad is not None:
            torch.testing.assert_close(
                sums[key], grad, rtol=1e-3, atol=1e-5, msg=lambda text, key=key: f"{key}: {text}"
            )


@pytest.mark.parametrize(
    ("accumulate", "message"),
    [
        (0, "accumulate is 0: give a number from 1"),
        (9, "accumulate is 9, but every part .* labelled pair: give at most 8"),
    ],
)
def test_too_many_parts_are_a_sentence(accumulate, message):
    with pytest.raises(BadValue, match=message):
        SparseConfig(datasets=(), accumulate=accumulate)


@pytest.mark.parametrize("method", ["adamw", "sgd"])
def test_fused_steps_are_the_same_within_rounding(method):
    architecture = get_architecture("transt_small")
    torch.manual_seed(0)
    nets = [architecture.build(SMALL["transt_small"][0])]
    nets.append(copy.deepcopy(nets[0]))
    for net, fused in zip(nets, (False, True), strict=True):
        optimizer = make_optimizer(net, architecture, OptimConfig(method=method, lr=1e-2), fused)
        assert optimizer.defaults["fused"] is fused
        for step in range(3):
            for number, parameter in enumerate(net.parameters()):
                parameter.grad = torch.full_like(parameter, (step - 0.5) * (1 + number % 3))
            optimizer.step()
    for plain, fused in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-5, atol=1e-7)
    assert (
        make_optimizer(
            nets[0], architecture, OptimConfig(method=method, fused=False), True
        ).defaults["fused"]
        is False
    )


def test_a_compiler_that_fails_is_a_sentence_and_training_goes_on(monkeypatch, caplog):
    def broken(function):
        raise RuntimeError("no C++ compiler\nsecond line")

    net = nn.Linear(2, 2)
    before = net(torch.ones(2))
    monkeypatch.setattr(torch, "compile", broken)
    with caplog.at_level(logging.WARNING):
        assert not compile_networks([net], CPU)
    assert caplog.messages == [
        "compile=true has no effect: torch.compile does not work on cpu here (no C++ compiler); "
        "going on without"
    ]
    assert torch.equal(net(torch.ones(2)), before)


def test_compiled_networks_keep_their_parameters_and_results(monkeypatch):
    """With the compiler that comes with Python: what matters here is what becomes of the
    modules.
    """
    compiled = []
    monkeypatch.setattr(
        torch, "compile", lambda function, **options: compiled.append(function) or function
    )
    monkeypatch.setattr(compiling, "_probe", lambda x: x.sum())
    net = nn.Sequential(nn.Linear(2, 2), Dropout(0.1)).eval()
    names, before = list(net.state_dict()), net(torch.ones(2))
    assert compile_networks([net], CPU)
    assert (
        list(net.state_dict()) == names
        and torch.equal(net(torch.ones(2)), before)
        and len(compiled) == 2
    )


def test_time_split_adds_up_and_names_every_part(train, capsys):
    began = time.perf_counter()
    done = train()
    whole = time.perf_counter() - began
    stats = done.stats["train"]
    parts = [name for name in stats if name.startswith("Time/")]
    assert sorted(parts) == [
        "Time/data",
        "Time/optimiser",
        "Time/student",
        "Time/teacher",
        "Time/upload",
    ]
    assert 0 < sum(sum(stats[name].history) for name in parts) < whole
    out = capsys.readouterr().out
    assert (
        all(f"{part.removeprefix('Time/')} " in out.split("  time ")[-1] for part in parts)
        and "GPU" not in out
    )


def test_gpu_memory_is_in_log_and_history(train, capsys, monkeypatch):
    assert peak_gb(CPU) is None
    monkeypatch.setattr(epoch_run, "peak_gb", lambda device: 12.3456)
    done = train()
    assert "GPU GB: 12.346" in capsys.readouterr().out
    lines = [
        json.loads(line)
        for line in (Path(done.pool.store_folder).parent / "history.jsonl").read_text().splitlines()
    ]
    assert [line["stats"]["Memory/gpu_gb"] for line in lines] == [12.3456] * len(lines)


def test_batches_arrive_whole_and_in_order():
    batches = [batch_of(8, 16, 2, count) for count in (0, 3)]
    watch = Stopwatch()
    for sent, got in itertools.zip_longest(batches, prefetch_to_device(iter(batches), CPU, watch)):
        assert type(got) is SparseBatch and (got.unlabelled is None) == (sent.unlabelled is None)
        assert all(
            torch.equal(a.nan_to_num(), b.nan_to_num())
            for a, b in zip(sent.tensors(), got.tensors(), strict=True)
        )
    assert len(list(batches[1].tensors())) == 4 + 13 and watch.seconds["upload"] >= 0


@pytest.mark.gpu
def test_a_gpu_gets_one_batch_ahead_on_its_own_stream():
    taken = []
    batches = (taken.append(count) or batch_of(8, 16, 2, count) for count in (1, 2, 3))
    for count, batch in enumerate(
        prefetch_to_device(batches, torch.device("cuda"), Stopwatch()), 1
    ):
        assert (
            len(taken) == min(count + 1, 3)
            and len(batch.unlabelled) == count
            and batch.labelled.searches.is_cuda
        )
        assert torch.equal(
            batch.labelled.searches.cpu(), batch_of(8, 16, 2, count).labelled.searches
        )


def test_the_teacher_leaves_tensors_that_can_be_learned_from():
    architecture = get_architecture("transt_small")
    net = architecture.build(SMALL["transt_small"][0])
    found = Teacher(net, architecture, 0.4).find(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 64, 64))
    assert not any(value.is_inference() for value in vars(found).values())
    (torch.ones(4, requires_grad=True) * found.boxes_xywh).sum().backward()
