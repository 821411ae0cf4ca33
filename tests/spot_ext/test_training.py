"""Training with SPOT on a small real tree: both stages, resuming, and what decides the result."""

import dataclasses
from pathlib import Path

import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, NotConfigured
from ltr.admin.settings import Settings
from ltr.data.seeding import torch_generator
from ltr.io.checkpoint import read_checkpoint
from spot_ext.training import recipe
from spot_ext.training.actor import draw_absent
from spot_ext.training.config import (
    CropConfig,
    DatasetConfig,
    OptimConfig,
    SparseConfig,
    TeacherConfig,
)

NETWORK = {
    "hidden_dim": 16,
    "nheads": 2,
    "dim_feedforward": 32,
    "width": 4,
    "template_sz": 32,
    "search_sz": 64,
}
ARCHITECTURES = {
    "transt_small": {},
    "ocean_small": {
        "architecture": "ocean_small",
        "network": {"width": 4, "channels": 8, "depth": 1},
        "crops": {
            "template_size": 63,
            "search_size": 127,
            "center_jitter": 2.0,
            "scale_jitter": 0.2,
        },
    },
    "ostrack_small": {
        "architecture": "ostrack_small",
        "network": {
            "width": 16,
            "depth": 2,
            "nheads": 2,
            "head_width": 16,
            "template_sz": 32,
            "search_sz": 64,
        },
    },
}
LATE_BACKBONE = {
    "method": "sgd",
    "lr": 5e-3,
    "lr_backbone": 5e-3,
    "schedule": "log",
    "unfreeze_epoch": 3,
    "max_grad_norm": 25.0,
}


def tiny(tree: Path, **changes) -> SparseConfig:
    """Two epochs of burn-in, two with the teacher, three iterations each; the threshold lets some
    pseudo-labels pass.
    """
    config = SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": str(tree)}),),
        architecture="transt_small",
        network=NETWORK,
        burn_in_epochs=2,
        epochs=4,
        iterations=3,
        batch=4,
        labelled=2,
        unlabelled=4,
        num_workers=0,
        crops=CropConfig(template_size=32, search_size=64),
        teacher=TeacherConfig(interval=2, iou_threshold=0.45),
        optim=OptimConfig(lr=1e-3, lr_backbone=1e-3),
    )
    return config.replace(**changes)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    local = tmp_path / "local.py"
    local.write_text(f"""class EnvironmentSettings:
    def __init__(self):
        self.workspace_dir = {str(tmp_path / "workspace")!r}
        self.tensorboard_dir = self.workspace_dir + '/tensorboard'
        self.pretrained_networks = self.workspace_dir + '/pretrained_networks'
        self.lasot_dir = self.got10k_dir = self.trackingnet_dir = ''
""")
    monkeypatch.setenv("LTR_LOCAL", str(local))

    def made(name="run", seed=0, **overrides):
        settings = Settings()
        settings.project_path, settings.seed, settings.overrides = (
            f"ltr/spot/{name}",
            seed,
            overrides,
        )
        return settings

    return made


def weights(file: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(file)["net"]


def assert_same_end(one, other):
    """Student, teacher and store are equal bit for bit."""
    epoch = one.config.epochs
    for file in ("student_file", "teacher_file"):
        a, b = weights(getattr(one, file)(epoch)), weights(getattr(other, file)(epoch))
        assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    for path in range(one.pool.num_paths):
        a, b = (
            trainer.pool.store(trainer.store_epoch(epoch)).track(path) for trainer in (one, other)
        )
        assert (
            a.frame_ids.tolist() == b.frame_ids.tolist()
            and a.boxes_xywh.tolist() == b.boxes_xywh.tolist()
        )


@pytest.mark.parametrize(
    ("name", "net_type"),
    [("transt_small", "TransT"), ("ocean_small", "Ocean"), ("ostrack_small", "OSTrack")],
)
def test_both_stages_run_and_leave_their_files(settings, tree, capsys, name, net_type):
    trainer = recipe.train(settings(), tiny(tree, **ARCHITECTURES[name]))
    student = read_checkpoint(trainer.student_file(4))
    assert student["epoch"] == 4 and student["recipe"]["k"] == 3 and student["net_type"] == net_type
    assert set(read_checkpoint(trainer.teacher_file(4))) == {
        "net",
        "net_type",
        "net_info",
        "constructor",
    }
    assert (
        "iou_sup" in trainer.stats["train"]
        and len(trainer.stats["train"]["Loss/total"].history) == 4
    )
    out = capsys.readouterr().out
    assert "[burnin: 1 / 4, 3 / 3] FPS:" in out and "[sparse: 4 / 4, 3 / 3]" in out
    assert (
        "time data" in out and "teacher" in out and "yield" in out and "Finished training!" in out
    )
    assert list(
        (Path(trainer.settings.env.workspace_dir) / "tensorboard/ltr/spot/run/train").iterdir()
    )


def test_teacher_equals_student_in_burn_in_and_differs_after(settings, tree):
    trainer = recipe.train(settings(), tiny(tree))
    for epoch, same in ((2, True), (4, False)):
        student, teacher = (
            weights(trainer.student_file(epoch)),
            weights(trainer.teacher_file(epoch)),
        )
        assert all(torch.equal(student[name], teacher[name]) for name in student) is same


def test_pseudo_labels_fill_the_store_and_labels_stay(settings, tree):
    trainer = recipe.train(settings(), tiny(tree, teacher={"iou_threshold": 0.0}))
    before, after = trainer.pool.store(0), None
    labels = [
        before.track(i).box_xywh(frame).tolist()
        for i in range(len(before))
        for frame in before.track(i).key_ids
    ]
    explored = before.explored_share().total
    after = trainer.pool.store(4)
    assert after.explored_share().total > explored
    assert labels == [
        after.track(i).box_xywh(frame).tolist()
        for i in range(len(after))
        for frame in after.track(i).key_ids
    ]


def test_nothing_accepted_still_learns_from_labels(settings, tree):
    trainer = recipe.train(settings(), tiny(tree, teacher={"iou_threshold": 1.0}))
    assert (
        trainer.pool.store(4).explored_share().total == trainer.pool.store(0).explored_share().total
    )
    assert not torch.equal(
        weights(trainer.student_file(4))["input_proj.weight"],
        weights(trainer.student_file(2))["input_proj.weight"],
    )


def test_reference_drops_iterations_in_which_nothing_is_accepted(settings, tree):
    trainer = recipe.train(
        settings(),
        tiny(
            tree,
            teacher={"iou_threshold": 1.0},
            reference={"drop_empty": True, "review_guess": True},
        ),
    )
    burnt_in, end = weights(trainer.student_file(2)), weights(trainer.student_file(4))
    assert all(torch.equal(burnt_in[name], end[name]) for name in end)


def test_reference_may_guess_labelled_frames(settings, tree):
    batch = next(
        recipe.make_trainer(settings(), tiny(tree)).loader.epoch("sparse", 3, 0, 2, 4)
    ).unlabelled
    batch = dataclasses.replace(
        batch, labels_xywh=torch.tensor([[5.0, 5, 20, 20]] + [[float("nan")] * 4] * 3).double()
    )
    first = {}
    for guess in (False, True):
        trainer = recipe.make_trainer(settings(), tiny(tree, reference={"review_guess": guess}))
        pseudo = trainer.actor.pseudo_label(batch, torch_generator(0, "test"))
        first[guess] = pseudo.boxes_xywh[0].tolist(), bool(pseudo.labelled[0])
    assert first[False] == ([5, 5, 20, 20], True)
    assert first[True][0] != [5, 5, 20, 20] and not first[True][1]


def test_result_does_not_depend_on_workers_but_on_the_seed(settings, tree):
    config = tiny(tree, network={**NETWORK, "dropout": 0.1})
    alone = recipe.train(settings("alone"), config)
    helped = recipe.train(settings("helped"), config.replace(num_workers=2))
    assert_same_end(alone, helped)
    assert alone.stats["train"]["Loss/total"].history == helped.stats["train"]["Loss/total"].history
    other = recipe.train(settings("other", seed=1), tiny(tree), Path(tree).parent / "other_labels")
    assert not torch.equal(
        weights(other.student_file(4))["input_proj.weight"],
        weights(alone.student_file(4))["input_proj.weight"],
    )


@pytest.mark.parametrize(
    "last", [1, 2, 3], ids=["in burn-in", "at the end of burn-in", "in the sparse stage"]
)
def test_resumed_run_equals_an_uninterrupted_one(settings, tree, last):
    whole = recipe.train(settings("whole"), tiny(tree))
    first = recipe.make_trainer(settings("parts"), tiny(tree))
    first.train(last, load_latest=True)
    assert_same_end(whole, recipe.train(settings("parts"), tiny(tree)))


# OSTrack's published weights have these names of the plain ViT; no output depends on them.
WITHOUT_USE = {"cls_token", "pos_embed"}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_backbone_joins_in_its_epoch_also_when_the_run_is_resumed_there(settings, tree, name):
    """Weights and statistics stand still until epoch 3; a run resumed exactly there or after it
    equals an uninterrupted one.
    """
    config = tiny(tree, **ARCHITECTURES[name], optim=LATE_BACKBONE, keep_every=1)
    start = recipe.make_trainer(settings("start"), config).actor
    started = {
        key: value.clone()
        for key, value in start.architecture.backbone(start.net).state_dict().items()
    }
    prefix = next(
        key
        for key, _ in start.net.named_modules()
        if start.net.get_submodule(key) is start.architecture.backbone(start.net)
    )
    whole = recipe.train(settings("whole"), config)
    learned = {epoch: weights(whole.student_file(epoch)) for epoch in (1, 2, 3, 4)}
    for epoch, net in learned.items():
        same = [
            torch.equal(value, net[f"{prefix}.{key}"])
            for key, value in started.items()
            if value.is_floating_point() and key not in WITHOUT_USE
        ]
        assert all(same) if epoch < 3 else not any(same), f"epoch {epoch}"
    last_rates = whole.stats["train"]["LearningRate/group1"].history
    assert last_rates == pytest.approx(
        [1e-3, 5e-3 * 500 ** (-7 / 44), 5e-3 * 500 ** (-20 / 44), 5e-3 * 500 ** (-32 / 44)]
    )
    for last in (2, 3):
        recipe.make_trainer(settings(f"parts{last}"), config).train(last, load_latest=True)
        resumed = recipe.train(settings(f"parts{last}"), config)
        assert_same_end(whole, resumed)
        assert resumed.stats["train"]["LearningRate/group1"].history == last_rates


def test_reference_lets_the_norms_of_a_frozen_backbone_move(settings, tree):
    config = tiny(
        tree, optim=LATE_BACKBONE, epochs=2, iterations=1, reference={"moving_norms": True}
    )
    body = recipe.make_trainer(settings("start"), config).actor.net.backbone[0].body.state_dict()
    trained = recipe.train(settings(), config).actor.net.backbone[0].body.state_dict()
    moved = {
        key.rpartition(".")[2]
        for key, value in body.items()
        if not torch.equal(value, trained[key])
    }
    assert moved == {"running_mean", "running_var", "num_batches_tracked"}


def test_iterations_that_are_not_finite_are_skipped_and_counted_and_too_many_end_the_run(
    settings, tree
):
    def broken(run, every, **changes):
        trainer = recipe.make_trainer(settings(run), tiny(tree, epochs=2, **changes))
        divide, calls = trainer.actor.criterion.losses, []

        def spoiled(*arguments):
            losses = divide(*arguments)
            calls.append(None)
            return {
                **losses,
                "total": losses["total"] * (float("nan") if len(calls) % every == 0 else 1),
            }

        trainer.actor.criterion.losses = spoiled
        trainer.train(2, fail_safe=False)
        return trainer

    trainer = broken("some", 3)
    assert trainer.stats["train"]["skipped"].history == pytest.approx([1 / 3, 1 / 3])
    assert all(torch.isfinite(value).all() for value in weights(trainer.student_file(2)).values())
    assert all(
        value == value for value in trainer.stats["train"]["Loss/total"].history
    )  # NaN is in no average
    with pytest.raises(BadInput, match="not finite in 2 iterations in a row"):
        broken("all", 1, optim={"max_nonfinite": 1})


def test_labels_only_goes_on_without_a_teacher_forward(settings, tree):
    trainer = recipe.train(settings(), tiny(tree, unlabelled=0))
    assert "yield" not in trainer.stats["train"] and trainer.pool.store(0).epochs() == [0]


def test_all_labels_are_all_frames_that_show_the_target(settings, tree):
    (tree / "video_00/absence.label").write_text("1\n" * 10 + "0\n" * 14)
    trainer = recipe.train(settings(), tiny(tree, k=None, unlabelled=0))
    labels = [trainer.pool.store(0).track(i).key_ids.tolist() for i in range(4)]
    assert labels == [list(range(10, 24)), *[list(range(24))] * 3] and trainer.pool.num_labels == 86
    assert not (Path(trainer.settings.env.workspace_dir) / "labels").exists()
    for file in tree.glob("*/absence.label"):
        file.write_text("1\n" * 24)
    with pytest.raises(BadInput, match="none of its 4 videos has a frame that shows the target"):
        recipe.train(settings("other"), tiny(tree, k=None, unlabelled=0))


def test_unusable_frames_are_drawn_again_counted_and_too_many_end_the_run(
    settings, tree, capsys, caplog
):
    bad = tree / "video_02" / "00000011.jpg"
    bad.write_bytes(bad.read_bytes()[:-100])
    config = tiny(tree, k=None, max_fault_share=0.3, frame_cache_mb=0)
    alone = recipe.train(settings("alone"), config)
    counts = alone.stats["train"]["Data/redrawn"].history
    assert sum(counts) > 0 and f"redrawn: {int(counts[-1])}  ,  time" in capsys.readouterr().out
    assert caplog.text.count(f"drawing another sample: image {bad} is truncated") == 1
    assert f"of {12 + int(counts[0])} draws" in caplog.text
    helped = recipe.train(settings("helped"), config.replace(num_workers=2))
    assert helped.stats["train"]["Data/redrawn"].history == counts
    assert_same_end(alone, helped)
    with pytest.raises(BadInput, match="more than the 0 % that max_fault_share allows"):
        recipe.train(settings("strict"), config.replace(max_fault_share=0.0))


def test_old_checkpoints_go_and_marked_ones_stay(settings, tree):
    trainer = recipe.train(
        settings(), tiny(tree, epochs=7, iterations=1, keep_checkpoints=1, keep_every=5)
    )
    kept = sorted(
        int(file.name[9:13]) for file in trainer.student_file(1).parent.glob("*_s.pth.tar")
    )
    assert kept == [2, 5, 7]
    assert (
        sorted(int(file.name[9:13]) for file in trainer.student_file(1).parent.glob("*_t.pth.tar"))
        == kept
    )
    assert trainer.pool.store(0).epochs() == [0, 5, 7]


def test_teacher_is_published_for_pytracking(settings, tree, tmp_path, monkeypatch):
    local = tmp_path / "pytracking_local.py"
    local.write_text(f"""from pytracking.evaluation.environment import EnvSettings
def local_env_settings():
    settings = EnvSettings()
    settings.network_path = {str(tmp_path / "networks")!r}
    return settings
""")
    monkeypatch.setenv("PYTRACKING_LOCAL", str(local))
    trainer = recipe.train(settings(), tiny(tree, publish="spot_tiny"))
    from pytracking.utils.loading import load_network

    net = load_network("spot_tiny.pth.tar")
    assert (net.search_sz, net.template_sz) == (64, 32)
    state, teacher = net.state_dict(), weights(trainer.teacher_file(4))
    assert all(torch.equal(state[name], teacher[name]) for name in teacher)


def test_checkpoint_of_another_seed_is_refused(settings, tree):
    recipe.train(settings(), tiny(tree))
    with pytest.raises(BadInput, match="seed 0, this run has seed 1"):
        recipe.train(settings(seed=1), tiny(tree))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"iterasions": "3"}, "did you mean 'iterations'"),
        ({"teacher.iou_treshold": "0.5"}, "did you mean 'teacher.iou_threshold'"),
        ({"iterations": "many"}, "expected a value of type int"),
        ({"k": "0"}, "k is 0: give a number from 1"),
        ({"network.widht": "3"}, "did you mean 'width'"),
        ({"network.iou_head": "false"}, "no option 'iou_head'"),
        ({"architecture": "transt_smal"}, "did you mean 'transt_small'"),
        (
            {"network.search_sz": "72"},
            "crops.search_size is 64 px, but the network transt_small is made for 72 px: set "
            "crops.search_size=72, or network.search_sz=64",
        ),
        ({"optim.method": "adam"}, "did you mean 'adamw'"),
    ],
    ids=[
        "name",
        "part",
        "type",
        "range",
        "network option",
        "IoU head",
        "network",
        "crop size",
        "optimiser",
    ],
)
def test_wrong_settings_are_sentences(settings, tree, overrides, message):
    with pytest.raises(BadValue, match=message):
        recipe.train(settings(**overrides), tiny(tree))


@pytest.mark.parametrize(
    "switch",
    [
        "reference.targets",
        "reference.key_guard",
        "reference.same_relay",
        "reference.review_guess",
        "reference.drop_empty",
        "teacher.reference_mode",
        "augment.reference_grey",
        "augment.reference_clamp",
    ],
)
def test_reference_switches_reach_what_they_change(settings, tree, switch):
    trainer = recipe.make_trainer(
        settings(**{switch: "true"}), tiny(tree).override({switch: "true"})
    )
    found = {
        "reference.targets": lambda: trainer.actor.architecture.criterion.reference_edges,
        "reference.key_guard": lambda: trainer.config.reference.key_guard,
        "reference.same_relay": lambda: not trainer.loader.loader.dataset.distinct_relay,
        "reference.review_guess": lambda: trainer.actor.config.reference.review_guess,
        "reference.drop_empty": lambda: trainer.actor.config.reference.drop_empty,
        "teacher.reference_mode": lambda: trainer.teacher.net.training,
        "augment.reference_grey": lambda: trainer.actor.config.augment.reference_grey,
        "augment.reference_clamp": lambda: trainer.actor.config.augment.reference_clamp,
    }
    assert found[switch]() is True


@pytest.mark.parametrize(
    "name", ["transt_sparse", "transt_sparse_k2", "transt_sparse_k5", "transt_sparse_got10k"]
)
def test_recipe_without_data_names_what_is_missing(settings, name):
    from ltr.recipes import find_recipe

    with pytest.raises((NotConfigured, BadInput)) as raised:
        find_recipe("spot", name).run(settings())
    message = str(raised.value)
    assert (
        "_dir" in message
        and "local.py" in message
        and "quickstart" in message
        and "\n" not in message
    )


def test_missing_imagenet_weights_are_a_sentence(settings, tree):
    config = tiny(tree, architecture="transt", network={"backbone_pretrained": True})
    with pytest.raises(
        NotConfigured, match=r"resnet50\*\.pth.*pretrained_networks.*network\.backbone_pretrained"
    ):
        recipe.train(settings(), config)


@pytest.mark.parametrize(
    ("paths", "share", "possible"),
    [
        ([0, 1, 2, 3], 0.999999, [1, 1, 1, 1]),
        ([5, 5, 5, 5], 0.999999, [0, 0, 0, 0]),
        ([0, 0, 1, 1], 0.999999, [1, 0, 1, 0]),
        ([0, 1, 2, 3], 0.0, [0, 0, 0, 0]),
        ([7], 0.999999, [0]),
    ],
    ids=["all differ", "one path", "in pairs", "share 0", "one pair"],
)
def test_only_another_paths_template_makes_a_target_absent(paths, share, possible):
    assert (
        draw_absent(torch.tensor(paths), share, torch_generator(0, "absent")).int().tolist()
        == possible
    )


def test_absent_targets_are_learned_as_absent(tree, settings):
    """Labelled pairs whose template is another video's get a box of zeros; without the share
    nothing is drawn.
    """
    trainer = recipe.make_trainer(settings(), tiny(tree, absent_share=0.999999))
    batch = next(iter(trainer.loader.epoch("burnin", 1, 0, 8, 0))).labelled
    plain = dataclasses.replace(trainer.actor.config, absent_share=0.0)
    taken = trainer.actor.labelled_input(batch, torch_generator(0, "draws"))
    trainer.actor.config = plain
    usual = trainer.actor.labelled_input(batch, torch_generator(0, "draws"))
    absent = batch.paths != batch.paths.roll(1)
    assert absent.any() and torch.equal(taken.searches, usual.searches)
    assert torch.equal(taken.boxes_cxcywh[absent], torch.zeros(int(absent.sum()), 4))
    assert torch.equal(taken.templates[absent], usual.templates.roll(1, 0)[absent])
    assert torch.equal(taken.boxes_cxcywh[~absent], usual.boxes_cxcywh[~absent])


def test_a_network_that_cannot_learn_absence_says_so(tree, settings):
    with pytest.raises(BadValue, match=r"absent_share is 0\.1, but ocean_small cannot learn"):
        recipe.make_trainer(
            settings(), tiny(tree, **ARCHITECTURES["ocean_small"], absent_share=0.1)
        )


@pytest.mark.parametrize("by", ["settings", "config"])
def test_training_starts_from_given_weights(tree, settings, tmp_path, by):
    first = recipe.train(settings("first"), tiny(tree, epochs=2))
    file = next(Path(first.settings.env.workspace_dir).rglob("*ep0002_s.pth.tar"))
    chosen, config = settings("second"), tiny(tree, init_from=str(file) if by == "config" else None)
    if by == "settings":
        chosen.init_from = str(file)
    trainer = recipe.make_trainer(chosen, config)
    for net in (trainer.actor.net, trainer.actor.teacher.net):
        assert all(
            torch.equal(value, weights(file)[name]) for name, value in net.state_dict().items()
        )


@pytest.mark.parametrize(
    ("file", "error"),
    [
        (
            "nowhere.pth.tar",
            "init_from: no file 'nowhere.pth.tar': give a checkpoint of transt_small",
        ),
        ("shipped", "init_from: no weights of transt_small come with the package"),
    ],
)
def test_weights_that_are_not_there(tree, settings, file, error):
    with pytest.raises((BadInput, BadValue), match=error):
        recipe.make_trainer(settings(), tiny(tree, init_from=file))
