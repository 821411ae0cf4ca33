"""The budget study: what its cells are, which labels they get, and that it goes on where it
stopped.
"""

import argparse
import dataclasses
import json
import re

import numpy as np
import pytest

from benchmarks import budget_study as script
from ltr.admin.errors import BadInput, BadValue
from ltr.dataset import Got10k
from ltr.recipes import run_training
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.rendering import drawn
from spot_ext.studies import budget_study
from spot_ext.studies.budget_study import (
    FEW_DENSE,
    MANY_SPARSE,
    RANDOM,
    SUGGESTED,
    WITH_UNLABELLED,
    Cell,
    Study,
    chosen_labels,
    random_frames,
    run_cell,
    with_frames,
)
from spot_ext.training.config import CropConfig, SparseConfig, TeacherConfig

CONFIG = SparseConfig(
    (),
    architecture="transt_small",
    crops=CropConfig(template_size=64, search_size=128),
    burn_in_epochs=1,
    epochs=2,
    iterations=1,
    batch=2,
    labelled=2,
    unlabelled=4,
    num_workers=0,
    keep_checkpoints=1,
    teacher=TeacherConfig(iou_threshold=0.0),
)


@pytest.mark.parametrize(
    "cell",
    [Cell(FEW_DENSE, 20, 0), Cell(WITH_UNLABELLED, 40, 12), Cell(SUGGESTED, 40, 2, 20)],
    ids=lambda cell: cell.name,
)
def test_a_cell_is_its_name(cell):
    assert script._cell(cell.name) == cell
    assert cell.base == Cell(MANY_SPARSE, cell.boxes, cell.seed)
    with pytest.raises(BadValue, match="is like many-sparse_40_seed_000"):
        script._cell(cell.name[1:-4])


def test_labels_of_the_arms(tree):
    videos = Got10k(root=str(tree))
    few, many, more = (
        chosen_labels(videos, Cell(arm, 8, 1)) for arm in (FEW_DENSE, MANY_SPARSE, WITH_UNLABELLED)
    )
    assert [len(video.tracks[0].frame_ids) for video in few.videos.values()] == [8]
    assert [len(video.tracks[0].frame_ids) for video in many.videos.values()] == [2, 2, 2, 2]
    assert more == many != chosen_labels(videos, Cell(MANY_SPARSE, 8, 2))


def hide(tree, video, frame_ids):
    lines = ["1" if frame in frame_ids else "0" for frame in range(24)]
    (tree / video / "absence.label").write_text("\n".join(lines) + "\n")


def test_random_labels_are_new_frames_of_the_labelled_videos(tree):
    videos = Got10k(root=str(tree))
    base = chosen_labels(videos, Cell(MANY_SPARSE, 4, 0))
    free = [
        (key, frame)
        for key, video in base.videos.items()
        for frame in range(24)
        if frame not in video.tracks[0].frame_ids
    ]
    assert sorted(random_frames(videos, base, 999, 0)) == sorted(free) and len(free) == 44
    first, again, other = (random_frames(videos, base, 6, seed) for seed in (0, 0, 1))
    assert first == again != other and len(set(first)) == 6


def test_a_frame_without_the_target_is_spent_without_a_box(tree):
    hide(tree, "video_01", {5})
    videos = Got10k(root=str(tree))
    base = LabelSet(
        "GOT-10k",
        "train",
        "key_frames",
        2,
        0,
        {"video_01": VideoLabels("video_01", (labelled_track((2, 9)),))},
    )
    grown = with_frames(videos, base, [("video_01", 5), ("video_01", 6)])
    assert grown.videos["video_01"].tracks[0].frame_ids.tolist() == [2, 6, 9]


@pytest.fixture
def study(tree, tmp_path, monkeypatch):
    """On the four tiny videos, tested on one rendered one; targets were found in all videos, two in
    one of them.
    """
    (tmp_path / "ltr_local.py").write_text(
        "class EnvironmentSettings:\n    workspace_dir = tensorboard_dir = "
        f"{str(tmp_path / 'ws')!r}\n"
    )
    (
        tmp_path / "pytracking_local.py"
    ).write_text(f"""from pytracking.evaluation.environment import EnvSettings
def local_env_settings():
    settings = EnvSettings()
    settings.toy_path = {str(tmp_path / "toy")!r}
    settings.network_path = settings.result_plot_path = settings.results_path = {str(tmp_path / "ws")!r}
    return settings
""")
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "pytracking_local.py"))
    drawn.ensure(tmp_path / "toy", splits={"test": 1}, size=(128, 96), frames=(8, 10))
    box = np.array([[10.0, 15, 24, 20]])
    found = LabelSet(
        "folder",
        "train",
        "mot",
        0,
        videos={
            f"video_{i:02d}": VideoLabels(
                f"video_{i:02d}", (labelled_track((3,), box, 0.5), labelled_track((8,), box, 0.5))
            )
            for i in range(4)
        },
        extra={"stage": ["sparse"]},
    )
    return Study(
        tree,
        ("toy",),
        tmp_path / "study",
        CONFIG,
        label_file.write(found, tmp_path / "found.json"),
    )


def test_cells_train_test_and_stay(study, monkeypatch):
    with pytest.raises(
        BadInput, match=r"suggested_4.* needs the finished cell many-sparse_4_seed_000"
    ):
        run_cell(study, Cell(SUGGESTED, 4, 0, 2))
    base, more, grown = (
        run_cell(study, cell)
        for cell in (Cell(MANY_SPARSE, 4, 0), Cell(WITH_UNLABELLED, 4, 0), Cell(SUGGESTED, 4, 0, 3))
    )
    assert [
        (result["videos"], result["labels"], result["unlabelled_videos"])
        for result in (base, more, grown)
    ] == [(2, 4, 0), (2, 4, 2), (2, 7, 0)]  # targets found in the two labelled videos are not used
    assert 0 <= base["auc"] <= 100 and set(base["scores"]) == {"toy"} and base["cpu_seconds"] > 0
    monkeypatch.setattr(budget_study.recipe, "train", None)  # a second start trains nothing
    assert run_cell(study, Cell(WITH_UNLABELLED, 4, 0)) == more
    with pytest.raises(BadInput, match="was made with other settings"):
        run_cell(
            dataclasses.replace(study, config=CONFIG.replace(batch=4)), Cell(WITH_UNLABELLED, 4, 0)
        )


def test_unlabelled_videos_need_found_targets(study):
    with pytest.raises(BadInput, match="needs targets found in videos without labels"):
        run_cell(dataclasses.replace(study, discovered=None), Cell(WITH_UNLABELLED, 4, 0))


@pytest.mark.slow
def test_the_recipe_runs(study, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        budget_study.toy,
        "ensure",
        lambda root: drawn.render(
            root, splits={"train": 3, "test": 1}, size=(240, 180), frames=(16, 18)
        ),
    )
    monkeypatch.setattr(budget_study, "RECIPE_BOXES", 4)
    run_training(
        "spot",
        "budget_study",
        overrides={"iterations": "1", "burn_in_epochs": "1", "epochs": "2", "batch": "2"},
    )
    assert "4 boxes in 2 videos" in capsys.readouterr().out
    assert (tmp_path / "ws/budget_study/cells/many-sparse+unlabelled_4_seed_000.json").is_file()


# The script


def options(**more) -> argparse.Namespace:
    return argparse.Namespace(
        **{"arms": None, "seeds": "0,1", "budgets": "20,40", "grow": "30+10", "workers": 2, **more}
    )


def test_the_base_of_grown_cells_is_among_the_cells():
    cells, grown = script._cells(options())
    assert len(cells) == 2 * 2 * 3 + 2 and {cell.base for cell in grown} < set(cells)
    assert [len(part) for part in script._cells(options(grow="20+10"))] == [12, 4]
    assert [len(part) for part in script._cells(options(arms="few-dense", grow="none"))] == [4, 0]


@pytest.mark.parametrize(
    "wrong",
    [{"arms": "dense"}, {"seeds": "a"}, {"budgets": "10;20"}, {"grow": "10+"}, {"grow": "4,5+6"}],
)
def test_wrong_options_are_sentences(wrong):
    with pytest.raises(BadValue, match=re.escape(next(iter(wrong.values())))):
        script._cells(options(**wrong))


def result(cell: Cell, auc: float) -> dict:
    return {
        **dataclasses.asdict(cell),
        "name": cell.name,
        "auc": auc,
        "videos": 10,
        "labels": cell.boxes + cell.added,
        "unlabelled_videos": 50 * (cell.arm == WITH_UNLABELLED),
        "explored": 0.25,
        "cpu_seconds": 120.0,
    }


def test_table_and_plot(tmp_path, capsys):
    cells, grown = script._cells(options(seeds="0,1,2", grow="40+20"))
    aucs = {FEW_DENSE: 10, MANY_SPARSE: 20, WITH_UNLABELLED: 25, SUGGESTED: 30, RANDOM: 28}
    results = [result(cell, aucs[cell.arm] + cell.seed) for cell in (*cells, *grown)]
    script.write_report(Study(tmp_path, ("toy",), tmp_path, CONFIG), results, options())
    table = (tmp_path / "table.md").read_text()
    assert (
        "| 20 | many-sparse+unlabelled | 10 + 50 | 26.0 ± 0.8 | 25.0, 26.0, 27.0 | 25% | 2.0 |"
        in table
    )
    assert "| 40 + 20 | suggested | 10 | 31.0 ± 0.8 |" in table and "24 runs, 0.80 hours" in table
    assert table in capsys.readouterr().out and (tmp_path / "auc.png").read_bytes().startswith(
        b"\x89PNG"
    )


def test_failed_cells_are_named_after_the_others_ran(tmp_path, monkeypatch):
    def run(command, **_):
        name = command[command.index("--cell") + 1]
        cell = script._cell(name)
        if cell.boxes == 20:
            (tmp_path / "cells").mkdir(exist_ok=True)
            (tmp_path / f"cells/{name}.json").write_text(
                json.dumps({**result(cell, 5.0), "settings": CONFIG.to_plain()})
            )
        return argparse.Namespace(returncode=int(cell.boxes != 20))

    monkeypatch.setattr(script.subprocess, "run", run)
    cells = [Cell(MANY_SPARSE, boxes, 0) for boxes in (40, 20)]
    study = Study(tmp_path, ("toy",), tmp_path, CONFIG)
    with pytest.raises(
        BadInput,
        match=r"1 cells failed, the first is many-sparse_40_seed_000: read .*seed_000\.log",
    ):
        script.run_all(cells, study, options(data=None, smoke=False, set=[]))
    assert study.is_done(cells[1]) and not study.is_done(cells[0])
