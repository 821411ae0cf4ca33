"""Files of boxes that ask for more than a video can hold: refused at once, with the place."""

import json
import unicodedata

import pytest

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import VideoInfo, read, write
from spot_ext.boxes.formats.table import LONGEST_ABSENCE
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

FAR = 9_999_999
WALK = {"walk": VideoInfo(12, (160, 120))}


def cvat(*boxes: str) -> str:
    return (
        "<annotations><meta><task><name>walk</name></task></meta>"
        f'<track id="0" label="dog">{"".join(boxes)}</track></annotations>'
    )


def cvat_box(frame: int, outside: int = 0, x: float = 1) -> str:
    corners = f'xtl="{x}" ytl="2" xbr="{x + 3}" ybr="9"'
    return f'<box frame="{frame}" outside="{outside}" keyframe="1" {corners}/>'


def label_studio(*sequence: dict) -> str:
    value = {"sequence": list(sequence), "labels": ["dog"]}
    result = {"id": "a", "type": "videorectangle", "value": value}
    data = {"video": "walk.mp4", "width": 160, "height": 120}
    return json.dumps([{"data": data, "annotations": [{"result": [result]}]}])


def percent_box(frame: int, **more) -> dict:
    return {"frame": frame, "x": 1, "y": 1, "width": 9, "height": 9, "enabled": True, **more}


LONG_ABSENCES = {
    "cvat": cvat(cvat_box(0, outside=1), cvat_box(FAR)),
    "labelstudio": label_studio(percent_box(1, enabled=False), percent_box(FAR)),
}


@pytest.mark.parametrize("format", LONG_ABSENCES)
def test_an_absence_longer_than_videos_is_refused(format, tmp_path):
    path = tmp_path / "boxes"
    path.write_text(LONG_ABSENCES[format])
    with pytest.raises(BadValue, match="would be absent for"):
        read(path, format)


def test_many_long_absences_are_refused_together(tmp_path):
    absence = cvat_box(0, outside=1) + cvat_box(LONGEST_ABSENCE)
    tracks = "".join(f'<track id="{number}">{absence}</track>' for number in range(50))
    path = tmp_path / "boxes.xml"
    path.write_text(f"<annotations>{tracks}</annotations>")
    with pytest.raises(BadValue, match=r"object '5' .* would be absent for"):
        read(path, "cvat")


def test_aliases_of_yaml_do_not_grow(tmp_path):
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: [*a11]"]))
    (tmp_path / "000001.txt").write_text("")
    with pytest.raises(BadValue, match=r"data\.yaml: the class name .* is no text"):
        read(tmp_path, "yolo", WALK)


def test_an_absence_as_long_as_the_video_is_read_where_the_video_is_there(tmp_path):
    path = tmp_path / "boxes.xml"
    path.write_text(cvat(cvat_box(0), cvat_box(1, outside=1)))
    count = LONGEST_ABSENCE + 10
    (video,) = read(path, "cvat", {"walk": VideoInfo(count, (160, 120))})
    assert video.objects[0].absent.sum() == count - 1


@pytest.mark.parametrize("format", ["got10k", "lasot"])
@pytest.mark.parametrize("frame_count", [None, FAR + 1])
def test_a_line_for_every_frame_has_a_limit(format, frame_count, tmp_path):
    track = ObjectTrack.drawn("1", [0, FAR], [[1, 2, 3, 4]] * 2)
    with pytest.raises(BadValue, match=f"would be {FAR + 1} lines"):
        write([VideoBoxes("walk", (track,), frame_count)], tmp_path / "out", format)


OUTSIDE = {
    "csv": "video,object,frame,x,y,w,h\nwalk,1,0,1000,4800,24,24\n",
    "cvat": cvat(cvat_box(0, x=1000)),
    "labelstudio": label_studio(percent_box(1, x=250)),
    "mot": "1,1,-500,2,24,24,1,1,1\n",
    "yolo": "0 6.325 40.1 0.15 0.2\n",
    "coco": json.dumps(
        {
            "images": [{"id": 1, "file_name": "walk/00000.jpg", "width": 160, "height": 120}],
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [161, 2, 3, 4], "track_id": 1}
            ],
        }
    ),
}


@pytest.mark.parametrize("format", OUTSIDE)
def test_a_box_outside_its_frame_is_refused_with_its_place(format, tmp_path):
    path = tmp_path / ("walk/det" if format == "mot" else "labels/walk" if format == "yolo" else "")
    path.mkdir(parents=True, exist_ok=True)
    name = {"mot": "det.txt", "yolo": "walk_000000.txt"}.get(format, "boxes.txt")
    (path / name).write_text(OUTSIDE[format])
    place = tmp_path if format in ("mot", "yolo") else path / name
    with pytest.raises(BadValue, match=r"lies outside its frame of 160x120") as refusal:
        read(place, format, WALK)
    assert name in str(refusal.value)


def test_a_size_that_comes_after_the_boxes_is_compared_with_them_too(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(OUTSIDE["csv"])
    assert read(path, "csv")[0].objects[0].frame_ids.tolist() == [0]
    with pytest.raises(BadValue, match=r"boxes\.csv line 2: the box 1000"):
        read(path, "csv", WALK)


def test_no_format_writes_a_box_that_none_would_read(tmp_path):
    outside = ObjectTrack.drawn("1", [0], [[-30, 2, 24, 24]])
    with pytest.raises(BadValue, match="video 'walk', object '1', frame 0: the box"):
        write([VideoBoxes("walk", (outside,), 12, (160, 120))], tmp_path / "boxes.csv", "csv")


def test_many_key_frames_of_one_region(tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(label_studio(*(percent_box(number) for number in range(1, 20_001))))
    assert len(read(path, "labelstudio")[0].objects[0]) == 20_000


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            {
                "images": [
                    {"id": 1, "width": int("9" * 401), "height": 2, "file_name": "walk/0.jpg"}
                ]
            },
            "'width' is",
        ),
        ({"images": [], "annotations": 5}, "is no list"),
    ],
    ids=["a number of 401 digits", "no list"],
)
def test_numbers_that_no_float_holds_are_a_sentence(content, sentence, tmp_path):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"images": [], "annotations": [], "categories": [], **content}))
    with pytest.raises(BadValue, match=sentence):
        read(path, "coco")


@pytest.mark.parametrize("rate", ["inf", "0", "-25"])
def test_a_frame_rate_is_a_number_above_zero(rate, tmp_path):
    folder = tmp_path / "walk" / "det"
    folder.mkdir(parents=True)
    (folder / "det.txt").write_text("1,1,5,2,24,24,1,1,1\n")
    (tmp_path / "walk" / "seqinfo.ini").write_text(f"[Sequence]\nframeRate={rate}\n")
    with pytest.raises(BadValue, match="must be above 0"):
        read(tmp_path, "mot")


@pytest.mark.parametrize(("folder", "file"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_match_in_either_spelling_of_unicode(folder, file, tmp_path):
    known, written = (unicodedata.normalize(form, "Möwe é") for form in (folder, file))
    assert known != written
    path = tmp_path / "boxes.csv"
    path.write_text(f"video,object,frame,x,y,w,h\n{written},1,0,1,2,3,4\n", encoding="utf-8")
    (video,) = read(path, "csv", {known: VideoInfo(12, (160, 120)), "other": VideoInfo()})
    assert video.video == known and video.size == (160, 120)
