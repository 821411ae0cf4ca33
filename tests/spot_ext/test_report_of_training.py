"""What training writes down for its report, and the examples that the report draws with the
teacher.
"""

import numpy as np
import pytest

from ltr.admin.settings import Settings
from spot_ext.report.page import build
from spot_ext.report.run_folder import open_run
from spot_ext.training import recipe
from spot_ext.training.config import CropConfig, DatasetConfig, SparseConfig, TeacherConfig

NETWORK = {
    "hidden_dim": 16,
    "nheads": 2,
    "dim_feedforward": 32,
    "width": 4,
    "template_sz": 32,
    "search_sz": 64,
}


@pytest.fixture
def trained(tree, tmp_path, monkeypatch):
    """One epoch of burn-in and two with the teacher, stopped after the second epoch and begun
    again.
    """
    (tmp_path / "local.py").write_text(f"""class EnvironmentSettings:
    workspace_dir = {str(tmp_path / "workspace")!r}
    tensorboard_dir = pretrained_networks = {str(tmp_path / "tensorboard")!r}
""")
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "local.py"))
    settings = Settings()
    settings.project_path, settings.seed, settings.overrides = "ltr/spot/run", 0, {}
    config = SparseConfig(
        datasets=(DatasetConfig("Got10k", {"root": str(tree)}),),
        architecture="transt_small",
        network=NETWORK,
        burn_in_epochs=1,
        epochs=3,
        iterations=2,
        batch=2,
        labelled=2,
        unlabelled=4,
        num_workers=0,
        crops=CropConfig(template_size=32, search_size=64),
        teacher=TeacherConfig(iou_threshold=0.45),
    )
    recipe.make_trainer(settings, config).train(2, fail_safe=False)
    return recipe.train(settings, config)


def test_training_writes_its_history_across_a_resume(trained):
    run = open_run(trained.student_file(3).parent)
    assert [(line.number, line.stage) for line in run.epochs] == [
        (1, "burnin"),
        (2, "sparse"),
        (3, "sparse"),
    ]
    assert sum(run.epochs[0].confidences) == 0 and sum(run.epochs[2].confidences) > 0
    for path in range(len(run.store)):
        view = run.store.track(path)
        found = np.concatenate([line.explored.get(path, np.empty(0, int)) for line in run.epochs])
        assert sorted([*found, *view.key_ids]) == view.frame_ids.tolist()
    assert run.curves["Loss/total"] == pytest.approx(
        dict(enumerate(trained.stats["train"]["Loss/total"].history, 1)), abs=1e-5
    )
    assert run.curves["yield"].keys() == {2, 3}


def test_examples_are_what_teacher_and_student_see(trained):
    shown = build(trained.student_file(3).parent).examples
    assert not shown.notes and len(shown.triplets) == 6 and len(shown.pairs) == 4
    assert all(len(example.pictures) == 4 for example in shown.triplets)
    assert all(
        "confidence" in example.verdict or example.verdict == "labelled"
        for example in shown.triplets
    )
