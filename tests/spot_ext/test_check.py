"""`python -m spot_ext check`: every kind of damage is found, once and at its place; clean data are
clean.
"""

import json
import logging
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput
from ltr.dataset import Got10k
from ltr.dataset.base_image_dataset import BaseImageDataset
from ltr.dataset.base_video_dataset import BaseVideoDataset
from ltr.dataset.registry import DatasetInfo, training_sets
from ltr.io.progress import CountProgress
from spot_ext import __main__ as command
from spot_ext.check import check_dataset, sequences
from spot_ext.check.images import image_size
from spot_ext.check.sequences import SequenceFiles, check_sequence


@pytest.fixture(autouse=True)
def no_local_files(tmp_path, monkeypatch):
    monkeypatch.setenv("LTR_LOCAL", str(tmp_path / "ltr_local.py"))
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "pytracking_local.py"))


def kinds(report) -> dict[str, list[str]]:
    return {
        kind: [f.sequence for f in report.findings if f.kind == kind]
        for kind in {f.kind for f in report.findings}
    }


def set_line(file: Path, number: int, text: str | None) -> None:
    lines = file.read_text().splitlines()
    lines[number : number + 1] = [] if text is None else [text]
    file.write_text("\n".join(lines) + "\n")


FRAME, BOXES = "video_01/00000006.jpg", "video_01/groundtruth.txt"
DAMAGE = {
    "missing": (lambda root: (root / FRAME).unlink(), sequences.MISSING, "no such file"),
    "truncated": (
        lambda root: (root / FRAME).write_bytes((root / FRAME).read_bytes()[:900]),
        sequences.UNREADABLE,
        "00000006.jpg is truncated",
    ),
    "empty file": (lambda root: (root / FRAME).write_bytes(b""), sequences.UNREADABLE, "is empty"),
    "no image": (
        lambda root: (root / FRAME).write_text("hello"),
        sequences.UNREADABLE,
        "cannot be decoded",
    ),
    "other size": (
        lambda root: cv2.imwrite(str(root / FRAME), np.zeros((50, 60, 3), np.uint8)),
        sequences.RESIZED,
        "60 x 50, the first frame has 128 x 96",
    ),
    "outside": (
        lambda root: set_line(root / BOXES, 5, "500,10,20,20"),
        sequences.OUTSIDE,
        "the image 128 x 96",
    ),
    "above": (
        lambda root: set_line(root / BOXES, 5, "5,-30,20,20"),
        sequences.OUTSIDE,
        r"\[5, -30, 20, 20\]",
    ),
    "nan": (
        lambda root: set_line(root / BOXES, 5, "nan,nan,nan,nan"),
        sequences.NO_BOX,
        "nan, nan",
    ),
    "no area": (
        lambda root: set_line(root / BOXES, 5, "5,5,0,20"),
        sequences.NO_BOX,
        r"\[5, 5, 0, 20\]",
    ),
    "a label less": (
        lambda root: set_line(root / "video_01/cover.label", 5, None),
        sequences.ANNOTATION,
        "cover.label has 23 entries for 24 boxes",
    ),
    "no number": (
        lambda root: set_line(root / BOXES, 5, "5,five,9,20"),
        sequences.ANNOTATION,
        "line 6.*'5,five",
    ),
    "image too many": (
        lambda root: shutil.copy(root / FRAME, root / "video_01/00000025.jpg"),
        sequences.COUNT,
        "1 images more in the folder, e.g. 00000025.jpg",
    ),
    "listed twice": (
        lambda root: set_line(root / "list.txt", 0, "video_01"),
        sequences.DUPLICATE,
        "lists it 2 times",
    ),
}


@pytest.mark.parametrize(("damage", "kind", "detail"), DAMAGE.values(), ids=DAMAGE)
def test_each_kind_is_found_where_it_is(tree, damage, kind, detail):
    import re

    damage(tree)
    report = check_dataset("got10k", tree)
    assert kinds(report) == {kind: ["video_01"]}
    finding = report.problems[0]
    assert finding.count == 1 and re.search(detail, finding.examples[0].detail)
    if kind not in (sequences.ANNOTATION, sequences.DUPLICATE, sequences.COUNT):
        assert finding.examples[0].frame == 5 and finding.examples[0].path.endswith(FRAME)


def test_fewer_labels_than_frames(tree):
    for name in ("groundtruth.txt", "absence.label", "cover.label"):
        set_line(tree / "video_02" / name, 23, None)
    report = check_dataset("got10k", tree)
    assert kinds(report) == {sequences.COUNT: ["video_02"]} and report.frames == 4 * 24 - 1


def test_marked_absence_excuses_an_empty_box_and_a_border_is_a_note(tree):
    set_line(tree / BOXES, 5, "0,0,0,0")
    set_line(tree / "video_01/absence.label", 5, "1")
    set_line(tree / BOXES, 7, "110,10,30,20")
    report = check_dataset("got10k", tree)
    assert kinds(report) == {sequences.BEYOND: ["video_01"]} and not report.problems


def test_damage_in_the_middle_shows_when_decoding(tree):
    data = bytearray((tree / FRAME).read_bytes())
    data[-1000:-500] = b""  # the end marker is still there
    (tree / FRAME).write_bytes(data)
    assert not check_dataset("got10k", tree).findings
    assert kinds(check_dataset("got10k", tree, decode=True)) == {sequences.UNREADABLE: ["video_01"]}


@pytest.fixture
def layouts(tree, lasot_tree, trackingnet_tree, tmp_path) -> dict[str, Path]:
    """A folder of each layout that fixtures build, by the name to check it under."""
    got10k = tmp_path / "got10k"
    for split in ("train", "val"):
        shutil.copytree(tree, got10k / split)
    (tmp_path / "otb/Deer/img").mkdir(parents=True)
    for frame in sorted(tree.glob("video_00/*.jpg")):
        shutil.copy(frame, tmp_path / f"otb/Deer/img/{int(frame.stem):04d}.jpg")
    shutil.copy(tree / "video_00/groundtruth.txt", tmp_path / "otb/Deer/groundtruth_rect.txt")
    return {
        "got10k": got10k,
        "got10k_val": got10k / "val",
        "lasot": lasot_tree,
        "trackingnet": trackingnet_tree,
        "folder": tree,
        "toy": got10k,
        "otb": tmp_path / "otb",
        "GOT-10k": got10k / "train",
    }


@pytest.mark.parametrize(
    ("name", "count", "victim"),
    [
        ("got10k", 8, "val/video_03/00000003.jpg"),
        ("got10k_val", 4, "video_02/00000003.jpg"),
        ("GOT-10k", 4, FRAME),
        ("lasot", 2, "cup/cup-2/img/00000004.jpg"),
        ("trackingnet", 2, "TRAIN_3/frames/clip1/7.jpg"),
        ("folder", 4, "video_02/00000004.jpg"),
        ("toy", 8, "train/video_00/00000004.jpg"),
        ("otb", 1, "Deer/img/0007.jpg"),
    ],
)
def test_every_layout_is_understood(layouts, name, count, victim):
    root = layouts[name]
    report = check_dataset(name, root)
    assert report.sequences == count and report.frames == 24 * count and not report.problems
    (root / victim).unlink()
    found = kinds(check_dataset(name, root))
    wanted = {sequences.ANNOTATION} if name == "folder" else {sequences.MISSING}
    assert wanted <= set(found) and wanted | {sequences.COUNT} >= set(found)


def test_a_data_set_of_ones_own_needs_no_work(tree, monkeypatch):
    from pytracking.evaluation.data import BaseDataset, Sequence, SequenceList
    from pytracking.evaluation.datasets import dataset_dict

    class Mine(BaseDataset):
        def get_sequence_list(self):
            folder = Path(self.env_settings.uav_path) / "video_00"
            boxes = np.tile([5.0, 5, 10, 10], (24, 1))
            boxes[3] = np.nan
            return SequenceList(
                [Sequence("one", sorted(map(str, folder.glob("*.jpg"))), "mine", boxes)]
            )

    monkeypatch.setattr(sys.modules[__name__], "Mine", Mine, raising=False)
    monkeypatch.setitem(sys.modules, "my_datasets", sys.modules[__name__])
    monkeypatch.setitem(dataset_dict, "mydata", DatasetInfo("my_datasets", "Mine", {}))
    assert kinds(check_dataset("MyData", tree)) == {sequences.NO_BOX: ["one"]}


class NoPaths(Got10k):
    """As data sets of other projects are: frames come from `get_frames`, and nothing says from
    which files.
    """

    frame_path = property()  # hidden: hasattr is False

    def get_frame(self, seq_id, frame_id):
        return BaseVideoDataset.get_frame(self, seq_id, frame_id)

    def get_frames(self, seq_id, frame_ids, anno=None):
        return [self.image_loader(Got10k.frame_path(self, seq_id, i)) for i in frame_ids], {}, None


class Images(BaseImageDataset):
    """A box in each image, `image_list` its files."""

    def __init__(self, root):
        super().__init__("images", root)
        self.image_list = sorted(Path(root).glob("video_00/*.jpg"))

    def get_image_info(self, im_id):
        return {"bbox": torch.tensor([5.0, 5, 10, 10 if im_id else 0])}

    def get_image(self, image_id, anno=None):
        return self.image_loader(self.image_list[image_id]), self.get_image_info(image_id), None


@pytest.mark.parametrize(
    ("dataset", "frame", "other"),
    [(NoPaths, FRAME, {}), (Images, "video_00/00000005.jpg", {sequences.NO_BOX: 1})],
)
def test_training_sets_need_not_name_their_files(tree, monkeypatch, dataset, frame, other):
    monkeypatch.setitem(sys.modules, "my_datasets", sys.modules[__name__])
    info = DatasetInfo("my_datasets", dataset.__name__, {})
    monkeypatch.setitem(training_sets, "mine", info)
    report = check_dataset("mine", tree)
    assert {f.kind: f.count for f in report.findings} == other and report.frames in (96, 24)
    (tree / frame).write_bytes((tree / frame).read_bytes()[:-300])
    found = check_dataset("mine", tree).findings
    assert {f.kind: f.count for f in found} == {**other, sequences.UNREADABLE: 1}
    assert any(example.path == str(tree / frame) for f in found for example in f.examples)


def test_packed_frames_are_looked_at_through_the_data_set(tree):
    folder = tree / "video_01"
    with tarfile.open(folder / "frames.tar", "w") as tar:
        for frame in sorted(folder.glob("*.jpg")):
            if frame.name == "00000004.jpg":
                frame.write_bytes(frame.read_bytes()[:-300])
            tar.add(frame, frame.name)
            frame.unlink()
    assert check_dataset("got10k", tree).frames == 96
    assert kinds(check_dataset("got10k", tree, decode=True)) == {sequences.UNREADABLE: ["video_01"]}


def test_the_same_sequence_is_checked_once(lasot_tree):
    assert (
        check_dataset("lasot", lasot_tree).sequences == 2
    )  # without lists both training and test set are all of them


def test_findings_are_counted_but_few_are_kept(tree):
    for frame in tree.glob("video_00/*.jpg"):
        frame.write_bytes(b"x")
    report = check_dataset("got10k", tree)
    assert report.problems[0].count == 24 and len(report.problems[0].examples) == 5


@pytest.mark.parametrize("workers", [1, 3])
def test_order_does_not_depend_on_workers(tree, workers):
    for frame in tree.glob("*/00000002.jpg"):
        frame.unlink()
    report = check_dataset("got10k", tree, workers=workers)
    assert [f.sequence for f in report.findings] == [f"video_{i:02d}" for i in range(4)]


# Gaps in the numbers of files that were listed


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([1, 2, 3, 4], 0),
        ([0, 5, 10, 15], 0),
        ([1, 2, 4, 5], 1),
        ([0, 5, 20, 25, 30], 2),
        ([1, 2, 3, 9, 10], 5),
    ],
)
def test_gaps(numbers, missing, tmp_path):
    image = cv2.imencode(".png", np.zeros((8, 9, 3), np.uint8))[1].tobytes()
    for number in numbers:
        (tmp_path / f"{number:04d}.png").write_bytes(image)
    frames = tuple(str(tmp_path / f"{number:04d}.png") for number in numbers)
    found = check_sequence(
        SequenceFiles("a", frames, {"": np.tile([1.0, 1, 3, 3], (len(numbers), 1))})
    ).findings
    assert sum(f.count for f in found) == missing and all(
        f.kind == sequences.MISSING for f in found
    )


def test_several_targets_are_checked_each(tree):
    frames = tuple(sorted(map(str, tree.glob("video_00/*.jpg"))))
    good = np.tile([1.0, 1, 3, 3], (24, 1))
    bad = good.copy()
    bad[4] = [900, 1, 3, 3]
    found = check_sequence(
        SequenceFiles("a", frames, {"1": good, "2": bad, "3": good[:7]})
    ).findings
    assert [(f.kind, f.count) for f in found] == [(sequences.OUTSIDE, 1), (sequences.COUNT, 1)]
    assert (
        "target 2" in found[0].examples[0].detail
        and "7 boxes of target 3" in found[1].examples[0].detail
    )


# Sizes from headers


@pytest.mark.parametrize(
    "options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_sizes_equal_those_of_the_decoder(tmp_path, suffix, options):
    path = tmp_path / f"a{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (37, 53, 3), np.uint8)
    cv2.imwrite(str(path), noise, options if suffix == ".jpg" else [])
    assert image_size(path) == image_size(path, decode=True) == (53, 37)
    data = path.read_bytes()
    path.write_bytes(data + b"\0" * 700)  # padding after the end
    assert image_size(path) == (53, 37)
    path.write_bytes(data[: len(data) // 2])
    if suffix != ".bmp":  # half a bitmap is decoded without complaint, in training too
        with pytest.raises(BadInput, match=str(path)):
            image_size(path)


def test_turned_photographs_have_the_size_that_is_read(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (20, 30)


# The command


def test_command_writes_table_and_json(tree, tmp_path, capsys):
    assert (
        command.main(["check", "got10k", str(tree), "--json", str(tmp_path / "out/report.json")])
        == 0
    )
    assert "4 sequences, 96 frames" in (out := capsys.readouterr().out) and "no problems" in out
    (tree / FRAME).unlink()
    set_line(tree / BOXES, 9, "500,10,20,20")
    assert (
        command.main(["check", "got10k", str(tree), "--json", str(tmp_path / "out/report.json")])
        == 1
    )
    out = capsys.readouterr().out
    assert (
        "missing frame" in out
        and f"video_01 frame 5: no such file ({tree / FRAME})" in out
        and "no problems" not in out
    )
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["clean"] is False and report["counts"] == {
        "missing frame": 1,
        "box outside the frame": 1,
    }
    assert report["findings"][0]["examples"][0] == {
        "frame": 5,
        "path": str(tree / FRAME),
        "detail": "no such file",
    }


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["lasso"], "'lasso' is not known, did you mean 'lasot'"),
        (["otb", "/nowhere"], "no folder '/nowhere'"),
        (["got10k"], "got10k_dir is not set"),
        (["otb"], "otb_path is not set"),
        (["trackingnet", "."], "holds no TRAIN_0"),
        (["otb", ".", "--workers", "0"], "give at least 1"),
    ],
    ids=["name", "folder", "unset", "unset test set", "other layout", "workers"],
)
def test_usage_errors_are_sentences_and_status_2(arguments, text, capsys):
    assert command.main(["check", *arguments]) == 2
    captured = capsys.readouterr()
    assert text in captured.err and captured.err.count("\n") == 1


def test_status_reaches_the_shell(tree):
    (tree / FRAME).unlink()
    done = subprocess.run(
        [sys.executable, "-m", "spot_ext", "check", "got10k", str(tree)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "missing frame" in done.stdout
    assert (
        subprocess.run([sys.executable, "-m", "spot_ext", "check"], capture_output=True).returncode
        == 2
    )


def test_users_settings_stay(tree, tmp_path, monkeypatch, caplog):
    """ROOT replaces the folders of data sets for the moment of opening, and nothing in the user's
    file.
    """
    local = tmp_path / "pytracking_local.py"
    local.write_text(
        "from pytracking.evaluation.environment import EnvSettings\ndef local_env_settings():\n"
        "    settings = EnvSettings()\n    settings.got10k_path = '/elsewhere'\n    return "
        "settings\n"
    )
    before = local.read_bytes()
    with caplog.at_level(logging.INFO):
        assert check_dataset("got10k", tree).sequences == 4
    from pytracking.evaluation.environment import env_settings

    assert local.read_bytes() == before and env_settings().got10k_path == "/elsewhere"
    assert "not there and left out: got10k_val, got10k_test" in caplog.text


def test_progress_is_plain_lines_without_a_terminal(tmp_path):
    with open(tmp_path / "out", "w") as stream:
        progress = CountProgress("lasot", "sequences", 2, stream, interval=0)
        progress.step("3 frames")
        progress.close()
    assert (tmp_path / "out").read_text() == "[lasot] 1 / 2 sequences, 3 frames\n"
