"""Videos without labels: targets a machine found serve the sparse stage only; several targets of a
video side by side.
"""

import json
import shutil

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue
from ltr.admin.settings import Settings
from ltr.data.seeding import generator
from ltr.dataset import Got10k, VideoFolder
from ltr.io.checkpoint import read_checkpoint
from ltr.train_settings.spot import transt_sparse, transt_sparse_unlabelled
from spot_ext.__main__ import main
from spot_ext.boxes import key_frames
from spot_ext.boxes.formats import label_file
from spot_ext.boxes.labels import LabelSet, SequenceTrack, VideoLabels, labelled_track
from spot_ext.propagate.suggest import SuggestConfig, suggest
from spot_ext.propagate.trained_run import TrainedRun
from spot_ext.training import recipe
from spot_ext.training.config import CropConfig, DatasetConfig, SparseConfig, TeacherConfig
from spot_ext.training.data.loader import Draw, SampleSource
from spot_ext.training.data.videos import BURN_IN, SPARSE, LabelledDataset, VideoPool, stages_of
from spot_ext.training.pseudo_labels import PseudoLabelStore

CROPS = CropConfig(template_size=64, search_size=128)
FOUND = {
    "video_02": [
        ((3, 9), [[10.0, 20, 24, 20], [22, 30, 24, 20]], 0.6),
        ((5,), [[60.0, 20, 10, 10]], 0.4),
    ],
    "video_03": [((4,), [[18.0, 30, 24, 20]], 1.0)],
}


def found_labels(found=None, **extra) -> LabelSet:
    videos = {
        key: VideoLabels(
            key, tuple(labelled_track(ids, boxes, quality) for ids, boxes, quality in paths)
        )
        for key, paths in (found or FOUND).items()
    }
    return LabelSet(
        "folder", "train", "mot", 0, videos=videos, extra={"stage": ["sparse"], **extra}
    )


def poison(tree, names):
    for name in names:
        for file in (tree / name).glob("*.label"):
            file.write_text("garbage\n")
        (tree / name / "groundtruth.txt").write_bytes(b"\x00 no boxes here\n")


@pytest.fixture
def both(tree, tmp_path):
    """Videos 0 and 1 with labels; 2 and 3 with found targets, and nothing else that could be
    read.
    """
    poison(tree, FOUND)
    dataset = Got10k(root=str(tree), seq_ids=[0, 1])
    sources = [
        LabelledDataset(dataset, key_frames.choose(dataset, 3, 0)),
        LabelledDataset(VideoFolder(tree), found_labels()),
    ]
    pool = VideoPool(sources, tmp_path / "store")
    pool.open_store(sources)
    return pool


def drawn(pool, stage, labelled) -> set[int]:
    return {pool.draw_path(stage, generator(0, i), labelled) for i in range(80)}


def test_found_targets_serve_triplets_of_the_sparse_stage_only(both):
    assert (both.num_videos, both.num_paths) == (4, 5)
    assert (
        drawn(both, BURN_IN, True)
        == drawn(both, BURN_IN, False)
        == drawn(both, SPARSE, True)
        == {0, 1}
    )
    assert drawn(both, SPARSE, False) == {0, 1, 2, 3, 4}


def test_pairs_and_triplets_are_drawn_so(both):
    source = SampleSource(both, CROPS, 0)
    assert {source[Draw(SPARSE, False, 1, i, 0)].path for i in range(30)} == {0, 1}
    triplets = [source[Draw(SPARSE, True, 1, i, 0)] for i in range(120)]
    assert {triplet.path for triplet in triplets} == {0, 1, 2, 3, 4}
    on_keys = [t for t in triplets if both.store(0).track(t.path).is_key(t.frame_id)]
    assert {t.label_xywh is not None for t in on_keys if t.path < 2} == {True}
    assert {t.label_xywh is not None for t in on_keys if t.path >= 2} == {
        False
    }  # the teacher says how large they are


def test_quality_is_the_confidence_of_found_boxes_and_they_stay(both):
    store = both.store(0)
    assert [store.track(path).confidences.tolist() for path in range(2, 5)] == [
        [0.6, 0.6],
        [0.4],
        [1.0],
    ]
    writer = store.writer()
    writer.record(2, 3, [0.0, 0, 5, 5], 0.9)
    assert writer.commit(1).refused == 1


@pytest.mark.parametrize(
    ("mode", "extra", "stages"),
    [
        ("key_frames", {}, (BURN_IN, SPARSE)),
        ("det", {}, (SPARSE,)),
        ("mot", {"stage": ["sparse"]}, (SPARSE,)),
        ("key_frames", {"stage": ["burnin"]}, (BURN_IN,)),
        ("mot", {"stage": ["burnin", "sparse"]}, (BURN_IN, SPARSE)),
    ],
)
def test_a_label_file_says_what_it_is_fit_for(mode, extra, stages):
    assert stages_of(LabelSet("a", "b", mode, 0, extra=extra)) == stages


@pytest.mark.parametrize("stage", ["sparse", ["dense"]])
def test_an_unknown_stage_is_an_error(stage):
    with pytest.raises(BadValue, match="label file's stage is"):
        stages_of(LabelSet("a", "b", "mot", 0, extra={"stage": stage}))


def test_without_labels_in_the_sparse_stage_it_does_not_start(tree, tmp_path):
    dataset = Got10k(root=str(tree), seq_ids=[0, 1])
    pool = VideoPool(
        [
            LabelledDataset(dataset, key_frames.choose(dataset, 3, 0), (BURN_IN,)),
            LabelledDataset(VideoFolder(tree), found_labels()),
        ],
        tmp_path / "store",
    )
    with pytest.raises(BadInput, match="no labelled data set serves the stage 'sparse'"):
        SampleSource(pool, CROPS, 0)


def test_found_labels_survive_their_file(tmp_path):
    file = label_file.write(found_labels(), tmp_path / "found.json")
    assert label_file.read(file) == found_labels()
    assert json.loads(file.read_text())["fs_settings"]["stage"] == ["sparse"]


@pytest.mark.parametrize("quality", ['"high"', "1.5", "true"])
def test_a_wrong_quality_names_the_file_and_the_path(tmp_path, quality):
    file = label_file.write(found_labels(), tmp_path / "found.json")
    file.write_text(file.read_text().replace('"quality": 0.4', f'"quality": {quality}'))
    with pytest.raises(
        BadValue, match=r"found.json: 'video_02', track 1: quality .* is not a number from 0 to 1"
    ):
        label_file.read(file)


# A video with labels in which further targets were found


def shared_video(tree, tmp_path, found) -> tuple[VideoPool, list[LabelledDataset]]:
    dataset = Got10k(root=str(tree))
    sources = [
        LabelledDataset(dataset, key_frames.choose(dataset, 3, 0)),
        LabelledDataset(VideoFolder(tree), found),
    ]
    return VideoPool(sources, tmp_path / "store"), sources


def test_paths_of_a_video_in_two_data_sets_are_numbered_through(tree, tmp_path):
    pool, sources = shared_video(tree, tmp_path, found_labels())
    store = pool.open_store(sources)
    assert [store.key_of(path) for path in range(7)] == [
        ("video_00", 0),
        ("video_01", 0),
        ("video_02", 0),
        ("video_03", 0),
        ("video_02", 1),
        ("video_02", 2),
        ("video_03", 1),
    ]
    assert (
        pool.open_store(sources).index_of("video_02", 2) == 5
    )  # the same labels: accepted when a run goes on
    store.export_json(tmp_path / "state.json")
    states = {
        (state.sequence, state.number): state
        for state in label_file.read_state(tmp_path / "state.json")
    }
    assert len(states) == 7 and states["video_02", 1].key_ids.tolist() == [3, 9]
    assert states["video_02", 2].track.confidences.tolist() == [0.4]
    again = PseudoLabelStore.import_json(
        tmp_path / "copy", tmp_path / "state.json", {f"video_{i:02d}": 24 for i in range(4)}
    )
    assert again.track(again.index_of("video_03", 1)).boxes_xywh.tolist() == FOUND["video_03"][0][1]


def test_the_same_labels_twice_are_refused(tree, tmp_path):
    dataset = Got10k(root=str(tree))
    source = LabelledDataset(dataset, key_frames.choose(dataset, 3, 0))
    with pytest.raises(BadInput, match="'video_00' are given twice; use each data set once"):
        VideoPool([source, source], tmp_path / "store").open_store([source, source])


def test_two_videos_of_one_name_are_refused(tmp_path):
    entries = [
        SequenceTrack.labelled("a", number, labelled_track([1]), np.array([[0, 0, 5, 5]]), length)
        for number, length in enumerate((9, 12))
    ]
    with pytest.raises(BadValue, match="'a' is the name of a video of 9 frames and of one of 12"):
        PseudoLabelStore.create(tmp_path, entries)


def test_targets_of_a_video_share_its_decoded_frames(both):
    frames = SampleSource(both, CROPS, 0).frames
    assert frames.read(2, 7) is frames.read(3, 7) and frames.read(2, 7) is not frames.read(4, 7)


# Training


def trained(tree, folder, parts) -> list[dict]:
    """Student after burn-in and at the end, of a tiny run on these data sets."""
    settings = Settings.__new__(Settings)
    settings.env = type(
        "Env", (), {"workspace_dir": str(folder), "tensorboard_dir": str(folder / "tb")}
    )()
    settings.use_gpu, settings.seed, settings.project_path, settings.print_interval = (
        False,
        0,
        "run",
        100,
    )
    config = SparseConfig(
        datasets=parts,
        architecture="transt_small",
        crops=CROPS,
        burn_in_epochs=1,
        epochs=2,
        iterations=2,
        batch=2,
        labelled=2,
        unlabelled=6,
        num_workers=0,
        teacher=TeacherConfig(iou_threshold=0.0),
    )
    trainer = recipe.train(settings, config)
    return [read_checkpoint(trainer.student_file(epoch))["net"] for epoch in (1, 2)]


def test_burn_in_is_the_same_with_and_without_unlabelled_videos(tree, tmp_path):
    """Bit for bit; their annotation is poisoned throughout, and training explores them all the
    same.
    """
    labelled = DatasetConfig("Got10k", {"root": str(tree), "seq_ids": [0, 1]})
    alone = trained(tree, tmp_path / "alone", (labelled,))
    shutil.copytree(tree, tmp_path / "poisoned")
    poison(tmp_path / "poisoned", FOUND)
    file = label_file.write(found_labels(), tmp_path / "found.json")
    found = DatasetConfig("VideoFolder", {"root": str(tmp_path / "poisoned")}, labels=str(file))
    both = trained(tree, tmp_path / "both", (labelled, found))
    assert all(torch.equal(alone[0][name], both[0][name]) for name in alone[0])
    assert not all(torch.equal(alone[1][name], both[1][name]) for name in alone[1])
    store = PseudoLabelStore.open(tmp_path / "both/checkpoints/run/store", 2)
    assert (
        sum(
            len(store.track(path).frame_ids) - len(store.track(path).key_ids)
            for path in range(2, 5)
        )
        > 0
    )


def test_the_recipe_adds_one_data_set_to_the_published_ones():
    config = transt_sparse_unlabelled.config("found.json")
    *labelled, unlabelled = config.datasets
    assert config.replace(datasets=tuple(labelled), publish="spot_transt") == transt_sparse.config()
    assert (unlabelled.stages, unlabelled.labels) == ((SPARSE,), "found.json")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no targets of unlabelled videos in .*discover"),
        (["a_b_mot_000.json", "a_b_det_000.json"], "in 2 files"),
    ],
)
def test_the_recipe_wants_one_file_of_found_targets(tmp_path, files, message):
    for name in files:
        (tmp_path / name).touch()
    with pytest.raises(BadInput, match=message):
        transt_sparse_unlabelled.found_targets(tmp_path)


def test_two_labelled_targets_of_a_video_from_the_file_to_every_output(tree, tmp_path, monkeypatch):
    """Trained on, kept in the store, exported, shown in the report, suggested, converted: each
    target for itself.
    """
    two = VideoLabels(
        "video_02",
        (
            labelled_track((2, 11, 20), [[14.0, 21, 24, 20], [32, 48, 24, 20], [50, 35, 24, 20]]),
            labelled_track((4, 18), [[60.0, 60, 20, 20], [62, 60, 20, 20]]),
        ),
    )
    file = label_file.write(
        LabelSet("got10k", "train", "key_frames", 3, videos={"video_02": two}),
        tmp_path / "two.json",
    )
    poison(tree, ["video_02"])
    trained(
        tree,
        tmp_path / "ws",
        (DatasetConfig("VideoFolder", {"root": str(tree)}, labels=str(file)),),
    )
    run = TrainedRun.open(tmp_path / "ws/checkpoints/run")
    assert [run.store.key_of(path) for path in range(len(run.store))] == [
        ("video_02", 0),
        ("video_02", 1),
    ]
    assert [run.store.track(path).key_ids.tolist() for path in (0, 1)] == [[2, 11, 20], [4, 18]]
    run.store.export_json(tmp_path / "state.json")
    states = {state.number: state for state in label_file.read_state(tmp_path / "state.json")}
    for number, labels in enumerate(two.tracks):
        assert states[number].key_ids.tolist() == list(labels.frame_ids)
        boxes = [run.store.track(number).box_xywh(frame_id) for frame_id in labels.frame_ids]
        np.testing.assert_allclose(boxes, labels.boxes_xywh, atol=0.1)
    picked = suggest(run, SuggestConfig(6, per_video=6))
    assert {item.object_id for item in picked} == {"1", "2"}
    assert {item.video for item in picked} == {"video_02"}
    labelled = {str(number): labels.frame_ids for number, labels in enumerate(two.tracks, 1)}
    assert all(item.frame_id not in labelled[item.object_id] for item in picked)
    main(["report", str(run.folder), "--out", str(tmp_path / "report.html")])
    assert "video_02 · object 2" in (tmp_path / "report.html").read_text(encoding="utf-8")
    main(
        [
            "export",
            str(file),
            "--format",
            "mot",
            "--out",
            str(tmp_path / "mot"),
            "--videos",
            str(tree),
        ]
    )
    rows = [
        line.split(",") for line in (tmp_path / "mot/video_02/gt/gt.txt").read_text().splitlines()
    ]
    assert sorted((int(row[1]), int(row[0]) - 1) for row in rows) == [
        (1, 2),
        (1, 11),
        (1, 20),
        (2, 4),
        (2, 18),
    ]
