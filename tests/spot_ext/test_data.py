"""Videos, draws and batches: only labelled boxes are read, and a seed decides every batch."""

import dataclasses
import logging
import shutil

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.data.seeding import generator
from ltr.dataset import Got10k
from spot_ext.boxes import key_frames
from spot_ext.boxes.labels import LabelSet, VideoLabels, labelled_track
from spot_ext.training.data.crops import CropConfig, jitter
from spot_ext.training.data.loader import Draw, SampleSource, SparseLoader
from spot_ext.training.data.samples import SparseBatch, Windows
from spot_ext.training.data.videos import BURN_IN, SPARSE, LabelledDataset, VideoPool

CROPS = CropConfig(template_size=32, search_size=64)


def batches(pool, workers=0, epochs=2, seed=0, iterations=3) -> list[SparseBatch]:
    loader = SparseLoader(SampleSource(pool, CROPS, seed), iterations, workers)
    return [
        batch for epoch in range(1, epochs + 1) for batch in loader.epoch(SPARSE, epoch, 0, 2, 3)
    ]


def tensors(batch) -> list[torch.Tensor]:
    found = []
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        found += (
            tensors(value)
            if dataclasses.is_dataclass(value)
            else [value]
            if torch.is_tensor(value)
            else []
        )
    return found


def assert_equal(one, other):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert all(
            torch.equal(x.nan_to_num(-1), y.nan_to_num(-1))
            for x, y in zip(tensors(a), tensors(b), strict=True)
        )


def test_first_fifty_batches_do_not_depend_on_the_number_of_workers(pool):
    alone = batches(pool, workers=0, iterations=25)
    assert len(alone) == 50
    assert_equal(alone, batches(pool, workers=2, iterations=25))


def test_seed_and_epoch_change_the_batches(pool):
    first, other = batches(pool)[0], batches(pool, seed=1)[0]
    assert not torch.equal(first.labelled.searches, other.labelled.searches)
    assert not torch.equal(first.labelled.searches, batches(pool)[3].labelled.searches)


@pytest.mark.parametrize(
    "poison",
    ["nan,nan,nan,nan\n", "-900,1e9,3,0\n", "this is not a box\n", "\x00\x01\n"],
    ids=["nan", "absurd numbers", "words", "bytes"],
)
def test_labels_outside_the_key_frames_are_never_read(open_pool, tree, tmp_path, poison):
    """Poison every annotation row that is not a key frame: no batch changes."""
    dataset = Got10k(root=str(tree))
    labels = key_frames.choose(dataset, 3, 0)
    clean = batches(open_pool(tree, tmp_path / "clean", labels=labels))
    poisoned = tmp_path / "poisoned"
    shutil.copytree(tree, poisoned)
    for name, video in labels.videos.items():
        file = poisoned / name / "groundtruth.txt"
        rows = file.read_text().splitlines(keepends=True)
        kept = set(video.tracks[0].frame_ids.tolist())
        file.write_text("".join(row if i in kept else poison for i, row in enumerate(rows)))
        for label in ("absence", "cover"):
            (poisoned / name / f"{label}.label").write_text("garbage\n" * len(rows))
    assert_equal(clean, batches(open_pool(poisoned, tmp_path / "dirty", labels=labels)))


def test_pairs_use_key_frames_and_their_boxes(pool):
    source = SampleSource(pool, CROPS, 0)
    for index in range(20):
        pair = source[Draw(BURN_IN, False, 1, index, 0)]
        box = pair.search.window.to_frame(pair.box_xywh)
        labels = np.concatenate(
            [pool.store(0).track(path).boxes_xywh for path in range(pool.num_paths)]
        )
        assert np.abs(labels - box).max(1).min() < 1e-3
        assert pair.template.window.to_crop(labels)[:, :2].min() > -1e4


def test_triplets_start_next_to_a_label_and_grow_with_the_store(pool):
    source = SampleSource(pool, CROPS, 0)
    store = pool.store(0)
    for index in range(30):
        triplet = source[Draw(SPARSE, True, 1, index, 0)]
        view = store.track(triplet.path)
        assert np.abs(view.key_ids - triplet.frame_id).min() <= 1
        assert (triplet.label_xywh is not None) == view.is_key(triplet.frame_id)
    ids = store.track(0).key_ids
    new = int(ids[0]) + 1
    writer = store.writer()
    writer.record(0, new, [11.0, 12.0, 24.0, 20.0], 0.9)
    writer.commit(5)
    reached = {
        source[Draw(SPARSE, True, 6, index, 5)].frame_id
        for index in range(200)
        if source[Draw(SPARSE, True, 6, index, 5)].path == 0
    }
    assert new + 1 in reached


def test_windows_map_like_crop_windows():
    from ltr.data.crops import context_window

    boxes = np.array([[10.0, 20, 30, 40], [-5, 3, 8, 90]])
    windows = [context_window(box, 4, 64) for box in boxes]
    batch = Windows.stack(windows)
    for mine, theirs in ((batch.to_crop, "to_crop"), (batch.to_frame, "to_frame")):
        expected = np.stack(
            [getattr(window, theirs)(box) for window, box in zip(windows, boxes, strict=True)]
        )
        np.testing.assert_allclose(mine(torch.from_numpy(boxes)).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize(("center", "scale"), [(0.0, 0.0), (3.0, 0.25)], ids=["none", "search"])
def test_jitter(center, scale):
    rng, box = generator(0, "jitter"), np.array([50.0, 60, 20, 10])
    moved = np.stack([jitter(box, center, scale, rng) for _ in range(500)])
    shift = (moved[:, :2] + moved[:, 2:] / 2) - (box[:2] + box[2:] / 2)
    assert np.abs(shift).max() <= moved[:, 2:].sum(1).max() / 4 * center + 1e-9
    assert np.log(moved[:, 2:] / box[2:]).std() == pytest.approx(scale, abs=0.03)


def test_unreadable_frame_is_reported_and_drawn_again(pool, tree, caplog):
    for frame in sorted((tree / "video_00").glob("*.jpg")):
        frame.write_bytes(b"not a picture")
    with caplog.at_level(logging.WARNING):
        assert len(batches(pool, epochs=1)) == 3
    assert "video_00" in caplog.text


def test_nothing_readable_is_an_error_not_a_loop(pool, tree):
    for frame in tree.glob("*/*.jpg"):
        frame.unlink()
    with pytest.raises(BadInput, match="draws in a row failed"):
        batches(pool, epochs=1)


def test_several_targets_in_one_video(open_pool, tree, tmp_path):
    boxes = np.array([[10.0, 15, 24, 20], [20, 20, 10, 10]])
    labels = LabelSet(
        "GOT-10k",
        "train",
        "mot",
        2,
        videos={
            "video_01": VideoLabels(
                "video_01", (labelled_track((0, 3)), labelled_track((5, 9), boxes))
            )
        },
    )
    pool = open_pool(tree, tmp_path, labels=labels)
    assert (pool.num_videos, pool.num_paths, pool.num_labels) == (1, 2, 4)
    np.testing.assert_allclose(pool.store(0).track(1).boxes_xywh, boxes)
    assert {pool.draw_path(SPARSE, generator(0, i)) for i in range(30)} == {0, 1}


def test_stages_choose_the_data_sets(tree, tmp_path):
    dataset = Got10k(root=str(tree))
    labels = key_frames.choose(dataset, 2, 0)
    sources = [
        LabelledDataset(dataset, labels, (BURN_IN,)),
        LabelledDataset(dataset, labels, (SPARSE,)),
    ]
    pool = VideoPool(sources, tmp_path / "store")
    assert {pool.draw_path(BURN_IN, generator(0, i)) // 4 for i in range(40)} == {0}
    assert {pool.draw_path(SPARSE, generator(0, i)) // 4 for i in range(40)} == {1}


def test_other_labels_than_the_run_began_with_are_refused(open_pool, tree, tmp_path):
    open_pool(tree, tmp_path, seed=0)
    with pytest.raises(BadInput, match="other labels"):
        open_pool(tree, tmp_path, seed=1)
