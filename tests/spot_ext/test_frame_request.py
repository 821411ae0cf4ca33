"""Frame requests: what is written is read again, from CSV and from JSON."""

import json

import pytest

from ltr.admin.errors import BadValue, MissingFile
from spot_ext.boxes import frame_request
from spot_ext.boxes.frame_request import FrameRequest

REQUESTS = [
    FrameRequest("a, b", "dog 1", 7, 0.9125, 'lost, "again"'),
    FrameRequest("für", "", 0, None, ""),
]


def requests_of(path) -> list[FrameRequest]:
    return [entry.request for entry in frame_request.read(path)]


def test_csv_holds_every_field_in_one_layout(tmp_path):
    frame_request.write_csv(tmp_path / "review.csv", REQUESTS)
    assert requests_of(tmp_path / "review.csv") == REQUESTS
    header = (tmp_path / "review.csv").read_text().splitlines()[0]
    assert header == "video,object,frame,score,reason"


def test_json_adds_what_it_is_about_and_boxes_to_show(tmp_path):
    request = FrameRequest("v", "2", 3, 0.5, "far", {"forward": (1.0, 2.0, 3.0, 4.5)})
    frame_request.write_json(tmp_path / "s.json", [request, *REQUESTS], {"epoch": 4})
    assert requests_of(tmp_path / "s.json") == [request, *REQUESTS]
    assert json.loads((tmp_path / "s.json").read_text())["epoch"] == 4


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s.csv", "video,frame,score\nv,3,high\n", "line 2: .* score 'high' is no number"),
        ("s.csv", "clip\nv\n", "line 2: has no video or no frame"),
        ("s.json", "{", "is not a JSON file"),
        ("s.json", '{"a": [], "b": []}', "holds no list of frames"),
        ("s.json", '[{"video": "v", "frame": 1, "boxes": {"forward": [1]}}]', "entry 1: 'boxes'"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadValue, match=says):
        frame_request.read(tmp_path / name)


def test_missing_file_says_what_writes_it(tmp_path):
    with pytest.raises(MissingFile, match=r"`.*suggest`"):
        frame_request.read(tmp_path / "s.csv")
