"""`check` of label files: what would be read, and what looks wrong."""

import pytest

from ltr.admin.errors import BadInput
from spot_ext.__main__ import main
from spot_ext.boxes.formats import VideoInfo
from spot_ext.check.label_files import check_label_file, report_text

WALK = {"walk": VideoInfo(30, (160, 120), 30.0), "run": VideoInfo(9, (160, 120))}
HEADER = "video,object,frame,x,y,w,h,human\n"


def test_a_sound_file(tmp_path):
    path = tmp_path / "few.csv"
    path.write_text(HEADER + "walk,1,3,1,2,3,4,1\nwalk,1,9,1,2,3,4,0\nwalk,2,12,,,,,1\n")
    report = check_label_file(path, WALK)
    assert report.is_sound and report.without_boxes == ("run",)
    (walk,) = report.videos
    assert (walk.objects, walk.boxes, walk.human_boxes, walk.absences) == (2, 2, 1, 1)
    assert (walk.first_frame, walk.last_frame, walk.real_frames) == (3, 12, 30)
    text = report_text(report)
    assert "walk: 2 objects, 2 boxes (1 drawn by a person), 1 absence, frames 3 to 12" in text
    assert "nothing looks wrong" in text


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("walk,1,3,200,2,3,4,1\n", "1 box outside the frame of 160x120: object '1', frame 3"),
        ("walk,1,3,1,2,3,4,0\n", "no box is a person's"),
        ("walk,1,3,1,2,3,4,1\nwlak,1,3,1,2,3,4,1\n", "it is no video of the folder"),
        ("walk,1,3,1,2,x,4,1\n", "w is 'x', not a number"),
        ("walk,1,30,1,2,3,4,1\n", "video 'walk' has no frame 30"),
    ],
)
def test_what_looks_wrong(rows, sentence, tmp_path):
    path = tmp_path / "few.csv"
    path.write_text(HEADER + rows)
    report = check_label_file(path, WALK)
    assert not report.is_sound and sentence in report_text(report)


def test_declared_and_real_length_and_size(tmp_path):
    (tmp_path / "walk/gt").mkdir(parents=True)
    (tmp_path / "walk/gt/gt.txt").write_text("6,1,11,21,30,40,1\n")
    info = "[Sequence]\nseqLength=15\nimWidth=320\nimHeight=240\n"
    (tmp_path / "walk/seqinfo.ini").write_text(info)
    report = check_label_file(tmp_path, WALK)
    (walk,) = report.videos
    assert (walk.declared_frames, walk.real_frames) == (15, 30)
    assert (walk.declared_size, walk.real_size) == ((320, 240), (160, 120))
    assert "--mismatch scale" in report.problems[0]
    assert "length: 15 in the file, 30 in the folder" in report_text(report)


def test_a_file_of_no_format(tmp_path):
    (tmp_path / "a.bin").write_text("?")
    with pytest.raises(BadInput, match="not recognised"):
        check_label_file(tmp_path / "a.bin")


def test_the_verb_takes_a_file_of_boxes(tmp_path, capsys):
    path = tmp_path / "few.csv"
    path.write_text("frame,x,y,w,h\n3,1,2,3,4\n")
    assert main(["check", str(path)]) == 0
    assert "1 box (1 drawn by a person)" in capsys.readouterr().out
    path.write_text("frame,x,y,w,h\n3,1,2,0,4\n")
    assert main(["check", str(path)]) == 1
    assert "few.csv line 2: 1, 2, 0, 4 is no box" in capsys.readouterr().out
