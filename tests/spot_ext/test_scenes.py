"""Rendered videos: the same pixels however they are asked for, and labels that agree with what is
drawn.
"""

import importlib.util
import pickle

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.dataset import Got10k
from spot_ext.__main__ import main
from spot_ext.boxes import key_frames
from spot_ext.rendering.photographed import RenderedVideos, image_bank, pictures
from spot_ext.rendering.photographed.moving_objects import Waves
from spot_ext.rendering.photographed.plan import ABSENT_BELOW, Plan
from spot_ext.training import recipe
from spot_ext.training.config import DatasetConfig
from spot_ext.training.data.crops import CropConfig
from spot_ext.training.data.loader import Draw, SampleSource
from spot_ext.training.data.videos import BURN_IN, LabelledDataset, VideoPool

COUNT, FRAMES = 24, 24


@pytest.fixture(scope="module")
def bank_file(tmp_path_factory) -> str:
    """A bank of few drawn pictures, made in a second."""
    file = tmp_path_factory.mktemp("bank") / "bank.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image_bank, "DRAWN_PHOTOS", 3)
        patch.setattr(image_bank, "DRAWN_CUTOUTS", 8)
        image_bank.write_bank(("drawn",), file)
    return str(file)


@pytest.fixture
def videos(bank_file) -> RenderedVideos:
    return RenderedVideos(COUNT, FRAMES, seed=4, bank=bank_file)


def test_frames_are_the_same_in_any_order_and_from_any_copy(videos, bank_file):
    asked = [(3, 5), (0, 23), (3, 0), (7, 11), (3, 5)]
    in_order = {
        key: RenderedVideos(COUNT, FRAMES, seed=4, bank=bank_file).get_frame(*key)
        for key in sorted(set(asked))
    }
    travelled = pickle.loads(pickle.dumps(videos))
    for key in asked:
        for copy in (videos, travelled):
            assert np.array_equal(copy.get_frame(*key), in_order[key])


def test_a_video_depends_on_seed_and_number_not_on_how_many_there_are(bank_file):
    whole = RenderedVideos(9, (20, 40), seed=1, bank=bank_file)
    part = RenderedVideos(2, (20, 40), seed=1, bank=bank_file, first=7)
    other = RenderedVideos(9, (20, 40), seed=2, bank=bank_file)
    assert part.sequence_list == whole.sequence_list[7:] and part.get_sequence_length(
        1
    ) == whole.get_sequence_length(8)
    assert np.array_equal(part.get_frame(1, 6), whole.get_frame(8, 6))
    assert other.sequence_list[8] != whole.sequence_list[8]
    assert not np.array_equal(other.get_boxes(8, [6]), whole.get_boxes(8, [6]))


def test_boxes_bound_what_is_drawn(videos):
    """Where the whole target is inside the frame and drawn, box and mask agree to about a pixel."""
    compared = 0
    for seq_id in range(COUNT):
        plan, truth = videos._plan(seq_id), videos.truth(seq_id)
        bodies = plan.target.body.outlines
        if (
            not plan.target.shown or np.ptp(bodies[0], axis=0).prod() < 0.8
        ):  # a part of a thing has no mask of its own
            continue
        for t in (0, 9, 20):
            if truth.boxes_xywh[t, 2] < 8:
                continue
            whole, _ = videos.masks(seq_id, t)
            x, y, w, h = cv2.boundingRect((whole > 80).astype(np.uint8))
            drawn, told = np.array([x, y, x + w, y + h]), truth.boxes_xywh[t]
            told = np.array([*told[:2], *(told[:2] + told[2:])])
            assert np.abs(drawn - told).max() <= 1.5 + 0.02 * max(w, h), (seq_id, t, drawn, told)
            compared += 1
    assert compared > 15


def test_visibility_agrees_with_the_masks(videos):
    for seq_id in range(COUNT):
        plan, truth = videos._plan(seq_id), videos.truth(seq_id)
        inside = truth.boxes_xywh[:, :2] + truth.boxes_xywh[:, 2:]
        assert (truth.boxes_xywh >= 0).all() and (inside <= np.array(plan.size) + 1e-3).all()
        assert np.array_equal(
            truth.visible, (truth.seen >= ABSENT_BELOW) & (truth.boxes_xywh[:, 2] > 0)
        )
        if not plan.target.shown or np.ptp(plan.target.body.outlines[0], axis=0).prod() < 0.8:
            continue
        for t in np.flatnonzero(~truth.cut)[::9]:
            whole, seen = (int(mask.sum()) for mask in videos.masks(seq_id, int(t)))
            assert seen / max(whole, 1) == pytest.approx(truth.seen[t], abs=0.15), (seq_id, t)


def test_a_target_is_seen_at_the_start_and_some_are_hidden_later(bank_file):
    videos = RenderedVideos(60, 60, seed=0, bank=bank_file)
    visible = np.stack([videos.get_visible(i) for i in range(60)])
    assert (
        visible[:, 0].mean() > 0.95 and 0.85 < visible.mean() < 1 and (~visible).any(1).sum() >= 5
    )


def test_pixels_do_not_need_labels(videos, monkeypatch):
    """Training on k boxes a video reads no other: frames are drawn without the truth."""
    expected = videos.get_frame(2, 3)
    monkeypatch.setattr(Plan, "truth", property(lambda self: pytest.fail("the truth was read")))
    assert np.array_equal(
        RenderedVideos(COUNT, FRAMES, seed=4, bank=videos._bank_of[1]).get_frame(2, 3), expected
    )


def test_interface_of_a_training_set(videos):
    info = videos.get_sequence_info(1)
    assert (
        set(info) == {"bbox", "valid", "visible", "visible_ratio"} and len(info["bbox"]) == FRAMES
    )
    images, anno, meta = videos.get_frames(1, [0, 4])
    assert [image.dtype for image in images] == [np.uint8] * 2 and images[0].shape[2] == 3
    assert (
        anno["bbox"][1].tolist() == videos.get_boxes(1, [4])[0].tolist()
        and "object_class_name" in meta
    )
    assert videos.get_name() == "scenes" and len(videos) == COUNT and videos.is_video_sequence()


def test_sparse_training_draws_from_it(bank_file, tmp_path):
    part = DatasetConfig("RenderedVideos", {"count": 6, "frames": 30, "bank": bank_file})
    dataset = recipe.open_dataset(part)
    labels = key_frames.choose(dataset, 3, seed=0)
    assert labels.num_labels >= 15 and all(name.startswith("scene_") for name in labels.videos)
    pool = VideoPool([LabelledDataset(dataset, labels)], tmp_path / "store")
    pool.open_store([LabelledDataset(dataset, labels)])
    sample = SampleSource(pool, CropConfig(64, 2.0, 128, 4.0), seed=0)[
        Draw(BURN_IN, False, 1, 0, 0)
    ]
    assert sample.search.image.shape == (128, 128, 3) and sample.box_xywh[2] > 0


def test_bending_never_folds():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.7, 0.7, (200, 2))
    for _ in range(20):
        waves = Waves.draw(rng, 1.0)
        near = points + 1e-4 * rng.normal(size=points.shape)
        moved = waves.shift(near, np.zeros(200)) - waves.shift(points, np.zeros(200))
        assert (np.linalg.norm(moved, axis=1) < 0.7 * np.linalg.norm(near - points, axis=1)).all()


def test_tree_is_got10k(bank_file, tmp_path, monkeypatch):
    main(["scenes", "--out", str(tmp_path), "--count", "2", "--frames", "5", "--bank", bank_file])
    tree = Got10k(str(tmp_path / "train"))
    rendered = RenderedVideos(2, 5, bank=bank_file)
    assert tree.sequence_list == rendered.sequence_list
    assert np.allclose(tree.get_boxes(1, range(5)), rendered.get_boxes(1, range(5)), atol=1e-3)
    assert np.abs(tree.get_frame(0, 2).astype(int) - rendered.get_frame(0, 2)).mean() < 8
    sheet = cv2.imread(str(tmp_path / "contact_sheet.png"))
    assert sheet.shape == (2 * 216, 5 * 384, 3)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"count": 0}, BadValue, "count 0"),
        ({"frames": 1}, BadValue, "frames 1"),
        ({"frames": (9, 5)}, BadValue, "smaller"),
        ({"sources": ("weels",)}, BadValue, "did you mean 'wheels'"),
        ({"bank": "nowhere.safetensors"}, MissingFile, "--bank"),
    ],
    ids=["count", "frames", "range", "source", "bank"],
)
def test_bad_options_are_named(options, error, text):
    with pytest.raises(error, match=text):
        RenderedVideos(**{"count": 2, "sources": ("drawn",), **options})


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(pictures.Source, "folder", lambda self: None)
    with pytest.raises(NotConfigured, match="apt-get download tuxpaint-stamps-default"):
        pictures.checked(("tuxpaint",))


def test_pictures_of_the_wheels_are_all_there():
    if not (importlib.util.find_spec("skimage") and importlib.util.find_spec("sklearn")):
        pytest.skip("scikit-image and scikit-learn, of the extra render, are not installed")
    names = {path.name for _, path in pictures.all_files(pictures.checked(("wheels",)), "photos")}
    assert {"astronaut.png", "chelsea.png", "china.jpg", "grace_hopper.jpg"} <= names and len(
        names
    ) == 15
    assert "CC0" in pictures.licences(("wheels",))["scikit-image"]
