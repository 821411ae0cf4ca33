"""`python -m spot_ext export`, and what CVAT is given as key frames."""

import json

import numpy as np
import pytest

from ltr.admin.errors import BadValue, MissingFile
from spot_ext.__main__ import main
from spot_ext.boxes.formats import FORMATS, cvat, read, write
from spot_ext.boxes.formats.straight_lines import kinks
from spot_ext.boxes.track import ObjectTrack, VideoBoxes


@pytest.fixture
def export():
    return lambda *arguments: main(["export", *map(str, arguments)])


@pytest.fixture
def run_folder(tmp_path):
    """What `label` leaves: boxes.csv among other files."""
    folder = tmp_path / "run"
    folder.mkdir()
    item = ObjectTrack(
        "1",
        np.arange(3),
        np.array([[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8.5]]),
        np.array([1, 0.1, 0.6]),
        np.array([True, False, False]),
        "dog",
    )
    write([VideoBoxes("walk", (item,))], folder, "csv")
    (folder / "review.csv").write_text("video,frame\n")
    return folder


def test_help_shows_an_example_and_every_format(capsys):
    with pytest.raises(SystemExit):
        main(["export", "--help"])
    text = capsys.readouterr().out
    assert "spot export labelled --format cvat --out cvat" in text
    listed = [
        line.split()[0]
        for line in text.partition("formats:\n")[2].splitlines()
        if line.startswith("  ")
    ]
    # a film is no format that can be read again
    assert sorted(listed) == sorted([*FORMATS, "video"])


def test_a_run_becomes_coco_and_says_so(export, run_folder, tmp_path, capsys):
    export(run_folder, "--format", "coco", "--out", tmp_path / "walk.json")
    assert read(tmp_path / "walk.json") == read(run_folder)
    assert capsys.readouterr().out.startswith("1 video, 1 object, 2 boxes, 1 absence: ")


def test_json_counts_and_names_the_files(export, run_folder, tmp_path, capsys):
    cv2 = pytest.importorskip("cv2")
    (tmp_path / "videos/walk").mkdir(parents=True)
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"videos/walk/{number}.png"), np.zeros((20, 30, 3), np.uint8))
    export(
        run_folder,
        "--format",
        "yolo",
        "--out",
        tmp_path / "labels",
        "--videos",
        tmp_path / "videos",
        "--json",
    )
    report = json.loads(capsys.readouterr().out)
    assert report["videos"] == [{"video": "walk", "objects": 1, "absent": 1, "boxes": 2}]
    assert [file.rpartition("labels/")[2] for file in report["files"]] == [
        "walk/0.txt",
        "walk/1.txt",
        "walk/2.txt",
        "classes.txt",
        "data.yaml",
    ]
    cx, cy, w, h = map(float, (tmp_path / "labels/labels/walk/2.txt").read_text().split()[1:5])
    np.testing.assert_allclose([cx * 30, cy * 20, w * 30, h * 20], [8.5, 10.25, 7, 8.5])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--format", "cvta"], BadValue, "the format 'cvta' is not known, did you mean 'cvat'"),
        (["--format", "coco", "--from", "json"], BadValue, "the format 'json' is not known"),
        (["--format", "coco", "--videos", "nowhere"], MissingFile, "nowhere"),
        (
            ["--format", "yolo"],
            BadValue,
            "the size of video 'walk' is not known; give the folder of the videos with --videos",
        ),
    ],
)
def test_wrong_calls_are_one_sentence(arguments, error, message, export, run_folder, tmp_path):
    with pytest.raises(error, match=message):
        export(run_folder, "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_key_frames_of_cvat_are_few_and_lines_between_them_stay_near():
    """Drawn boxes, the ends of a stretch, and the corner of the path; CVAT's own lines give the
    rest within a pixel.
    """
    frames = np.arange(200)
    x = np.where(frames < 100, 2.0 * frames, 200 - 3.0 * (frames - 100)) + 0.4 * np.sin(frames)
    boxes = np.stack([x, x / 2, np.full(200, 30.0), np.full(200, 40.0)], axis=1)
    boxes[150:160] = np.nan
    human = np.isin(frames, [0, 60])
    keys = np.flatnonzero(
        cvat._key_frames(ObjectTrack("1", frames, boxes, np.where(human, 1, 0.5), human))
    )
    assert {0, 60, 149, 150, 160, 199} <= set(keys.tolist()) and len(keys) < 30
    for start, stop in ((0, 150), (160, 200)):
        inside = keys[(keys >= start) & (keys < stop)]
        for column in (boxes[:, 0], boxes[:, 0] + boxes[:, 2]):
            lines = np.interp(frames[start:stop], inside, column[inside])
            assert np.abs(lines - column[start:stop]).max() <= cvat.TOLERANCE


def test_straight_lines_choose_each_bend_once():
    times = np.array([0, 1, 2, 5, 9, 10])
    values = np.array([0.0, 1, 2, 5, 1, 0])[:, None]
    ends = np.isin(np.arange(6), [0, 5])
    assert np.flatnonzero(kinks(times, values, ends, 0.1)).tolist() == [0, 3, 5]
    assert np.flatnonzero(kinks(times, values, ends, 10.0)).tolist() == [0, 5]
