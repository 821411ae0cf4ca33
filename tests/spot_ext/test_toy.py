"""The embedded videos: what is in a frame, what is on disk, and that both are a function of the
settings alone.
"""

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput, BadValue
from spot_ext.rendering import drawn
from spot_ext.rendering.drawn import tree as toy_tree
from spot_ext.rendering.drawn.backdrops import BACKDROPS, backdrop
from spot_ext.rendering.drawn.obstacles import Obstacle
from spot_ext.rendering.drawn.paint import FINE, Pose, outlines, paint
from spot_ext.rendering.drawn.textures import PATTERNS, noise, palette, pattern
from spot_ext.rendering.drawn.things import FAMILIES, thing, wardrobe
from spot_ext.rendering.motion_blur import line_kernel
from spot_ext.rendering.processes import render_in_processes

LABELS_OF_VERSION_0_1 = "8b9c588f16d654d3bd77205c528c7e6f43d1330eb161b3d5fa5207404a1ea2ce"
TINY = {"splits": {"train": 2, "test": 1}, "size": (128, 96), "frames": (4, 6)}


def digest(root: Path) -> dict[str, str]:
    """Checksum of every file below `root`."""
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> drawn.ToyTree:
    return drawn.render(tmp_path_factory.mktemp("toy") / "set", **TINY, workers=1)


def a_thing(family: str, seed: int = 0):
    draw = np.random.default_rng(seed)
    return thing(draw, family, wardrobe(draw, side=32))


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_wrapped_pattern_has_no_seam(kind):
    draw = np.random.default_rng(3)
    image = pattern(draw, kind, palette(draw, 0.3), 64, 64, wrap=True)
    steps = np.abs(np.diff(image, axis=1)).mean((0, 2))  # between neighbouring columns
    seam = np.abs(image[:, 0] - image[:, -1]).mean()
    assert image.shape == (64, 64, 3) and image.std() > 3
    assert seam <= steps.max() * 1.5


def test_noise_fills_its_range_and_is_smooth():
    field = noise(np.random.default_rng(0), 40, 60, 20)
    assert field.min() == 0 and field.max() == pytest.approx(1)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.1


@pytest.mark.parametrize("kind", sorted(BACKDROPS))
def test_every_backdrop_can_be_drawn_in_odd_sizes(kind):
    for height, width, ground in ((97, 131, 10), (260, 330, 500)):
        image = backdrop(np.random.default_rng(1), kind, height, width, ground)
        assert image.shape == (height, width, 3) and image.dtype == np.uint8 and image.std() > 5


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_thing_spans_its_unit_square_and_is_solid(family):
    made = a_thing(family)
    assert made.extent().max() == pytest.approx(2)
    layer = paint(made, Pose(50, 40, 60))
    inside = layer.alpha > 0.99
    assert inside.sum() > 150
    assert (layer.colour[inside].sum(1) > 0).mean() > 0.99  # no hole without colour
    assert layer.colour[layer.alpha == 0].max() == 0


@given(
    family=st.sampled_from(sorted(FAMILIES)),
    x=st.floats(-20, 148),
    y=st.floats(-20, 116),
    size=st.floats(8, 90),
    roll=st.floats(-3, 3),
    squeeze=st.floats(0.4, 1),
    gait=st.floats(0, 30),
)
@settings(max_examples=60, deadline=None)
def test_the_hull_is_exact(family, x, y, size, roll, squeeze, gait):
    """Against the outlines (to the width of a mask sample) and against the drawn mask, clipped to
    the frame.
    """
    pose = Pose(x, y, size, roll, squeeze, gait=gait)
    layer = paint(a_thing(family), pose)
    points = np.concatenate(outlines(a_thing(family), pose))
    free = layer.hull(10**6, 10**6) if min(points.min(0)) > 1 else None
    if free is not None:
        np.testing.assert_allclose(free[:2], points.min(0), atol=1.5 / FINE)
        np.testing.assert_allclose(free[:2] + free[2:], points.max(0), atol=1.5 / FINE)
    width, height = 128, 96
    canvas = np.zeros((height, width), np.float32)
    if meet := layer.overlap(canvas):
        canvas[meet[0]] = layer.alpha[meet[1]]
    hull = layer.hull(width, height)
    assert (hull is None) == (canvas.max() == 0)
    if hull is not None:
        rows, columns = np.flatnonzero(canvas.max(1)), np.flatnonzero(canvas.max(0))
        assert np.floor(hull[:2]).tolist() == [columns[0], rows[0]]
        assert np.ceil(hull[:2] + hull[2:]).tolist() == [columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize("motion", [(6.0, 0.0), (0.0, -7.5), (-4.0, 9.0)])
def test_motion_blur_keeps_the_centre_and_the_light(motion):
    layer = paint(a_thing("ball"), Pose(30, 30, 20))
    smeared = layer.blurred(*motion)
    assert line_kernel(*motion).sum() == pytest.approx(1)
    assert smeared.alpha.sum() == pytest.approx(layer.alpha.sum(), rel=1e-3)

    def middle(drawn):
        rows, columns = np.indices(drawn.alpha.shape)
        return np.average(columns, weights=drawn.alpha) + drawn.x, np.average(
            rows, weights=drawn.alpha
        ) + drawn.y

    np.testing.assert_allclose(middle(smeared), middle(layer), atol=0.05)


@pytest.mark.parametrize("index", range(6))
def test_the_truth_of_a_video(index):
    video = drawn.Scene(7, "train", index, (160, 120), 24, difficulty=index / 5)
    frames = list(video.frames())
    assert (
        len(frames) == 24 and frames[0].truth.visible > 0.6
    )  # a tracker starts on a target that it can see
    for frame in frames:
        x, y, w, h = frame.truth.box_xywh
        assert frame.image.shape == (120, 160, 3) and frame.image.dtype == np.uint8
        assert x >= 0 and y >= 0 and x + w <= 160 and y + h <= 120 and min(w, h) > 2
        rows, columns = np.flatnonzero(frame.mask.max(1)), np.flatnonzero(frame.mask.max(0))
        assert [np.floor(x), np.floor(y)] == [columns[0], rows[0]]
        assert [np.ceil(x + w), np.ceil(y + h)] == [columns[-1] + 1, rows[-1] + 1]
        assert 0 <= frame.truth.visible <= 1.0001
        assert not frame.truth.cut or frame.truth.visible < 1


def test_an_obstacle_hides_the_target_and_not_its_box():
    video = drawn.Scene(0, "train", 0, (160, 120), 10, difficulty=0.5)
    video.others = video.obstacles = ()
    clear = list(video.frames())
    wall = np.full((300, 400, 3), 40, np.float32)
    video.obstacles = (
        Obstacle("wall", wall, np.ones((300, 400), np.float32), np.full((10, 2), 80.0)),
    )
    hidden = list(video.frames())
    for before, after in zip(clear, hidden, strict=True):
        np.testing.assert_array_equal(before.truth.box_xywh, after.truth.box_xywh)
        assert before.truth.visible == pytest.approx(1, abs=0.01) or before.truth.cut
        assert after.truth.visible < 0.01


def test_a_target_shows_other_sides_of_itself():
    """The first frame's appearance does not carry through a video: that is what a tracker has to
    learn.
    """
    video = drawn.Scene(0, "train", 3, (320, 240), 40, difficulty=0.5)
    ends = []
    for pose in (video.target.poses[0], video.target.poses[-1]):
        layer = paint(
            video.target.thing,
            replace(video.target.poses[0], x=60, y=60, yaw=pose.yaw, pitch=pose.pitch),
        )
        ends.append(layer.colour)
    assert np.abs(ends[0] - ends[1])[layer.alpha > 0.9].mean() > 15


def test_videos_differ_and_do_not_depend_on_each_other():
    first = {
        key: next(drawn.Scene(*key, (128, 96), 5, 0.5).frames()).image
        for key in ((0, "train", 0), (0, "train", 1), (0, "val", 0), (1, "train", 0))
    }
    images = list(first.values())
    for i, one in enumerate(images):
        for other in images[:i]:
            assert np.abs(one.astype(float) - other).mean() > 5
    again = next(drawn.Scene(0, "train", 1, (128, 96), 5, 0.5).frames()).image
    np.testing.assert_array_equal(again, first[0, "train", 1])


def test_splits_share_no_object():
    pairs = [
        [drawn.Scene(2, split, index, (96, 96), 2, 0.5).target.thing for split in ("train", "test")]
        for index in range(8)
    ]
    alike = [(one, other) for one, other in pairs if one.family == other.family]
    assert alike
    for one, other in alike:
        assert not np.array_equal(one.parts[0].skin.levels[0], other.parts[0].skin.levels[0])


def test_a_seed_has_every_family_and_all_difficulties():
    scenes = [
        drawn.ToySettings(size=(96, 96), held_out_range=(2, 2)).scene("val", index)
        for index in range(8)
    ]
    assert {scene.family for scene in scenes} == set(FAMILIES)
    levels = sorted(scene.difficulty for scene in scenes)
    assert levels[0] < 0.15 and 0.6 < levels[-1] < 0.75 and max(np.diff(levels)) < 0.25


def test_the_tree_is_a_got10k_tree(tiny):
    for split, count in (("train", 2), ("val", 0), ("test", 1)):
        names = (tiny.root / split / "list.txt").read_text().split()
        assert names == tiny.names(split) and len(names) == count
        for index, name in enumerate(names):
            folder = tiny.root / split / name
            assert folder == tiny.folder(split, index)
            frames = sorted(folder.glob("*.jpg"))
            assert [p.name for p in frames] == [f"{k:08d}.jpg" for k in range(1, len(frames) + 1)]
            assert 4 <= len(frames) <= 6 and cv2.imread(str(frames[0])).shape == (96, 128, 3)
            boxes = np.loadtxt(folder / "groundtruth.txt", delimiter=",")
            assert boxes.shape == (len(frames), 4) and (boxes[:, 2:] > 0).all()
            for label, top in (("absence.label", 1), ("cover.label", 8), ("cut_by_image.label", 1)):
                values = np.loadtxt(folder / label)
                assert values.shape == (len(frames),) and set(values) <= set(range(top + 1))
            meta = (folder / "meta_info.ini").read_text().splitlines()
            keys = ["object_class", "motion_class", "major_class", "root_class", "motion_adverb"]
            assert [line.split(": ")[0] for line in meta[5:10]] == keys
            assert meta[5].split(": ")[1] in FAMILIES


def test_labels_say_what_is_hidden():
    video = drawn.Scene(0, "test", 0, (128, 96), 3, 0.0)
    frame = next(video.frames())
    shares = [(1.0, "0", "8"), (0.5, "0", "4"), (0.04, "1", "0")]
    text = toy_tree.labels(
        video, [replace(frame.truth, visible=share, cut=share < 1) for share, _, _ in shares]
    )
    assert text["absence.label"].split() == [absent for _, absent, _ in shares]
    assert text["cover.label"].split() == [cover for _, _, cover in shares]
    assert text["cut_by_image.label"].split() == ["0", "1", "1"]
    box = [float(value) for value in text["groundtruth.txt"].splitlines()[0].split(",")]
    np.testing.assert_array_equal(
        box, frame.truth.box_xywh
    )  # quarters of a pixel survive four decimals


def test_boxes_and_labels_of_a_seed_never_change(tiny):
    """Caches, label files and published tables name videos by their seed alone.

    The digest was made by the renderer of version 0.1.0. Pixels are left out: they also depend on
    the versions of OpenCV and of the JPEG encoder.
    """
    digest_of_labels = hashlib.sha256()
    for path in sorted(tiny.root.rglob("*")):
        if path.suffix in (".txt", ".label", ".ini"):
            digest_of_labels.update(str(path.relative_to(tiny.root)).encode() + path.read_bytes())
    assert digest_of_labels.hexdigest() == LABELS_OF_VERSION_0_1


def test_the_files_do_not_depend_on_the_number_of_processes(tiny, tmp_path):
    seen = []
    other = drawn.render(
        tmp_path / "set", **TINY, workers=2, on_video=lambda done, total: seen.append((done, total))
    )
    assert digest(other.root) == digest(tiny.root)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_more_videos_leave_the_first_ones_as_they_are(tiny, tmp_path):
    more = drawn.render(
        tmp_path / "set", splits={"train": 3}, size=(128, 96), frames=(4, 6), workers=1
    )
    for index in range(2):
        assert digest(more.folder("train", index)) == digest(tiny.folder("train", index))


def counting(monkeypatch) -> list:
    written, real = [], toy_tree._write_video
    monkeypatch.setattr(
        toy_tree, "_write_video", lambda tree, *video: (written.append(video), real(tree, *video))
    )
    return written


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny.root, tmp_path / "copy"))


def test_a_whole_set_is_used_as_it_is(tiny, copy, monkeypatch):
    written = counting(monkeypatch)
    tree = drawn.ensure(copy, **TINY)
    assert written == [] and tree.settings == tiny.settings and tree.root == copy


@pytest.mark.parametrize("gone", ["video and lists", "stamp says unfinished"])
def test_an_interrupted_set_is_continued(tiny, copy, monkeypatch, gone):
    stamp = json.loads((copy / toy_tree.STAMP).read_text())
    (copy / toy_tree.STAMP).write_text(json.dumps({**stamp, "complete": False}))
    (copy / "test" / ".toy_test_0001.1.tmp").mkdir()  # what a killed process leaves
    if gone == "video and lists":
        shutil.rmtree(copy / "train" / "toy_train_0002")
        (copy / "train" / "list.txt").unlink()
    written = counting(monkeypatch)
    drawn.ensure(copy, **TINY, workers=1)
    assert written == ([("train", 1)] if gone == "video and lists" else [])
    assert digest(copy) == digest(tiny.root)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"splits": {"val": 1}}, {"size": (96, 96)}, "version", "no stamp"]
)
def test_a_set_of_other_settings_is_replaced(copy, monkeypatch, change):
    if change == "version":
        stamp = json.loads((copy / toy_tree.STAMP).read_text())
        (copy / toy_tree.STAMP).write_text(json.dumps({**stamp, "version": 0}))
    elif change == "no stamp":
        (copy / toy_tree.STAMP).unlink()
    asked = {**TINY, **change} if isinstance(change, dict) else TINY
    written = counting(monkeypatch)
    tree = drawn.ensure(copy, **asked, workers=1)
    assert written == tree.settings.videos()
    assert sorted(p.name for p in copy.glob("*/toy_*")) == sorted(
        n for s in toy_tree.SPLITS for n in tree.names(s)
    )


def test_an_error_while_rendering_leaves_no_stamp_of_a_whole_set(tmp_path, monkeypatch):
    def broken(tree, split, index):
        raise OSError("no space left on device")

    monkeypatch.setattr(toy_tree, "_write_video", broken)
    with pytest.raises(OSError, match="no space"):
        drawn.render(tmp_path / "set", **TINY, workers=1)
    monkeypatch.undo()
    assert json.loads((tmp_path / "set" / toy_tree.STAMP).read_text())["complete"] is False
    assert len(drawn.ensure(tmp_path / "set", **TINY, workers=1).names("train")) == 2


def test_a_video_that_another_process_finished_first_is_kept(tiny, copy):
    before = digest(copy)
    toy_tree._write_video(drawn.ToyTree(copy, tiny.settings), "train", 0)
    assert digest(copy) == before and not list(copy.glob("*/.*"))


@pytest.mark.parametrize(
    ("job", "error", "message"),
    [(int, ValueError, "invalid literal"), (os._exit, BadInput, "ended early")],
    ids=["a job that fails", "a process that dies"],
)
def test_a_failure_in_another_process_is_an_error(job, error, message):
    jobs = ["no number"] if job is int else [1]
    with pytest.raises(error, match=message):
        list(render_in_processes(job, jobs, 2))


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "GOT-10k_Train_000001").mkdir()
    with pytest.raises(BadValue, match=r"GOT-10k_Train_000001.* is not part of a toy set"):
        drawn.ensure(tmp_path, **TINY)
    assert (tmp_path / "train" / "GOT-10k_Train_000001").is_dir()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"splits": {"training": 3}}, "unknown split 'training'"),
        ({"splits": {"train": -1}}, "-1 train"),
        ({"splits": {}}, "at least one video"),
        ({"frames": (9, 3)}, "frames 9 to 3"),
        ({"size": (320, 20)}, "320 x 20 is too small"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_make_no_sense_are_one_sentence(tmp_path, asked, message):
    with pytest.raises(BadValue, match=message):
        drawn.ensure(tmp_path / "set", **asked)
    assert not (tmp_path / "set").exists()
