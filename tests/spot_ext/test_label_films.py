"""Films with boxes: what is drawn, which files are written, and what is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue
from ltr.dataset.video_folder import VideoFolder
from ltr.frames.opening import open_video
from spot_ext.__main__ import main
from spot_ext.boxes import formats
from spot_ext.boxes.track import ObjectTrack, VideoBoxes
from spot_ext.propagate.film import clip_to_picture, draw_tracks, write_films

GRAY = np.full((121, 161, 3), 90, np.uint8)
NAN = float("nan")


def video(name="walk"):
    """Two objects: one a person drew in frame 0 and that is lost in 1, one partly outside."""
    first = ObjectTrack.drawn("Häuschen", [0, 1], [[40, 50, 30, 20], [NAN] * 4], "dog")
    second = ObjectTrack.found("2", [0, 1, 2], [[150, 100, 60, 60]] * 3, 0.4)
    return VideoBoxes(name, (first, second), 3, (161, 121))


@pytest.fixture
def folder(tmp_path):
    for name in ("walk", "run"):
        (tmp_path / "my videos" / name).mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(tmp_path / "my videos" / name / f"{number:04d}.png"), GRAY)
    return tmp_path / "my videos"


@pytest.mark.parametrize(
    ("box", "clipped"),
    [
        ((10, 20, 30, 40), (10, 20, 30, 40)),
        ((-10, -5, 30, 40), (0, 0, 20, 35)),
        ((150, 100, 60, 60), (150, 100, 10, 20)),
        ((-500, -500, 5000, 5000), (0, 0, 160, 120)),
        ((161, 20, 30, 40), None),
        ((-40, 20, 30, 40), None),
    ],
)
def test_boxes_are_clipped_to_the_picture(box, clipped):
    assert clip_to_picture(np.array(box, float), 161, 121) == clipped


def changed(frame_id, objects):
    return (draw_tracks(GRAY, objects, frame_id) != GRAY).any(2)


def test_each_object_is_drawn_where_it_is_seen_and_nowhere_else():
    first, second = video().objects
    assert changed(0, [first])[50, 40:70].all()
    assert not changed(1, [first]).any() and not changed(2, [first]).any()
    # The cut edge is drawn at the border of the picture.
    assert changed(1, [second])[110:120, 160].all()
    assert (GRAY == 90).all()


def test_a_box_that_a_person_drew_has_the_thicker_line():
    drawn = ObjectTrack.drawn("1", [0], [[40, 50, 60, 40]])
    found = ObjectTrack.found("1", [0], [[40, 50, 60, 40]], 0.5)
    assert changed(0, [drawn])[70].sum() > changed(0, [found])[70].sum()


def test_every_video_gets_a_film_of_all_its_frames(folder, tmp_path):
    files = write_films([video("walk"), video("run")], VideoFolder(folder), tmp_path / "films")
    assert [file.name for file in files] == ["walk.mp4", "run.mp4"]
    film = open_video(files[0])
    assert len(film) == 3
    # The box of frame 0 differs from the gray around it after decoding; in frame 1 it is gone.
    assert np.abs(film.read(0)[50, 45:65].astype(int) - 90).mean() > 40
    assert np.abs(film.read(1)[50, 45:65].astype(int) - 90).mean() < 10


@pytest.mark.parametrize(
    ("names", "out", "says"),
    [
        (["walk", "run"], "film.mp4", "there are 2 videos; name a folder"),
        (["walk", "jump"], "films", "holds no video 'jump'.*--videos"),
    ],
)
def test_films_are_refused_before_the_first_is_written(folder, tmp_path, names, out, says):
    with pytest.raises(BadValue, match=says):
        write_films([video(name) for name in names], VideoFolder(folder), tmp_path / out)
    assert not (tmp_path / out).exists()


@pytest.mark.parametrize("out", ["film.mp4", "films/walk.mp4"])
def test_export_writes_films(folder, tmp_path, out, capsys):
    formats.write([video()], tmp_path / "boxes.csv", "csv")
    place = tmp_path / (out if out == "film.mp4" else "films")
    arguments = ["--format", "video", "--videos", str(folder), "--out", str(place)]
    assert not main(["export", str(tmp_path / "boxes.csv"), *arguments])
    assert str(tmp_path / out) in capsys.readouterr().out
    assert len(open_video(tmp_path / out)) == 3


def test_export_of_films_needs_the_videos(tmp_path):
    formats.write([video()], tmp_path / "boxes.csv", "csv")
    arguments = ["--format", "video", "--out", str(tmp_path / "films")]
    with pytest.raises(BadValue, match="give their folder with --videos"):
        main(["export", str(tmp_path / "boxes.csv"), *arguments])


def test_boxes_of_no_person_name_the_command_that_draws_some(folder, tmp_path):
    found = ObjectTrack.found("1", [0], [[10, 20, 30, 40]], 0.4)
    formats.write([VideoBoxes("walk", (found,), 3)], tmp_path / "boxes.csv", "csv")
    arguments = ["--boxes", str(tmp_path / "boxes.csv"), "--out", str(tmp_path / "out")]
    # Quoted, as the folder's name holds a blank.
    with pytest.raises(BadInput, match=f"draw some with `.*spot annotate '{folder}'`"):
        main(["label", str(folder), *arguments])
