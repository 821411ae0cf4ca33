"""Files that cannot be right are refused with one sentence that names the file and the line or
field.
"""

import json
import time
import xml.sax.saxutils

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltr.admin.errors import BadInput, BadValue, MissingFile
from spot_ext.boxes.formats import FORMATS, read, write
from spot_ext.boxes.track import ObjectTrack, VideoBoxes

FOLDERS = ["mot", "yolo", "got10k", "lasot"]
KNOWN = {"walk": (20, (200, 100))}
CVAT = "<annotations><meta><task><name>walk</name><size>9</size></task></meta>\n{}</annotations>"
BOX = '<box frame="1" keyframe="1" outside="0" occluded="0" xtl="1" ytl="2" xbr="4" ybr="6"/>'


def coco(**changes):
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": "walk/1.jpg"}],
            "categories": [{"id": 1, "name": "dog"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
            **changes,
        }
    )


def studio(size=True, **changes):
    item = {"frame": 1, "enabled": True, "x": 1, "y": 2, "width": 3, "height": 4, **changes}
    value = {"framesCount": 20, "sequence": [item]}
    data = {"video": "walk.mp4", **({"width": 200, "height": 100} if size else {})}
    return json.dumps(
        [
            {
                "data": data,
                "annotations": [
                    {"result": [{"id": "r", "type": "videorectangle", "value": value}]}
                ],
            }
        ]
    )


CASES = {
    "csv, no number": (
        "csv",
        "a.csv",
        "frame,x,y,w,h\n0,1,2,3,4\n1,1,two,3,4\n",
        r"a.csv line 3: y is 'two', not a number",
    ),
    "csv, half a frame": (
        "csv",
        "a.csv",
        "1.5,1,2,3,4\n",
        r"a.csv line 1: frame is '1.5', not a whole number",
    ),
    "csv, part of a box": (
        "csv",
        "a.csv",
        "frame,x,y,w,h\n1,1,,3,4\n",
        r"line 2: y is '', not a number",
    ),
    "csv, too few values": (
        "csv",
        "a.csv",
        "frame,x,y,w,h\n1,1\n",
        r"line 2: 2 values for 5 columns",
    ),
    "csv, no area": ("csv", "a.csv", "0,1,2,0,4\n", r"line 1: 1, 2, 0, 4 is no box x,y,w,h"),
    "csv, infinite": ("csv", "a.csv", "0,1,inf,3,4\n", r"line 1: 1, inf, 3, 4 is no box"),
    "csv, twice": (
        "csv",
        "a.csv",
        "0,1,2,3,4\n0,1,2,3,4\n",
        r"line 2: frame 0 of object '1' in video 'walk' has two boxes",
    ),
    "csv, not in the video": (
        "csv",
        "a.csv",
        "20,1,2,3,4\n",
        r"line 1: video 'walk' has no frame 20, its frames are 0 to 19",
    ),
    "csv, before the video": (
        "csv",
        "a.csv",
        "-1,1,2,3,4\n",
        r"line 1: video 'walk' has no frame -1",
    ),
    "csv, confidence": (
        "csv",
        "a.csv",
        "frame,x,y,w,h,confidence\n0,1,2,3,4,7\n",
        r"line 2: the confidence 7 is not within 0 to 1",
    ),
    "csv, origin": (
        "csv",
        "a.csv",
        "frame,x,y,w,h,human\n0,1,2,3,4,Tom\n",
        r"line 2: human is 'Tom', not 0 or 1",
    ),
    "csv, column missing": (
        "csv",
        "a.csv",
        "frame,x,y,w,hight\n0,1,2,3,4\n",
        r"line 1: the header has no column 'h'",
    ),
    "csv, two labels": (
        "csv",
        "a.csv",
        "frame,x,y,w,h,label\n0,1,2,3,4,dog\n1,1,2,3,4,cat\n",
        r"line 3: object '1' .* a 'cat' here",
    ),
    "csv, no columns": ("csv", "a.csv", "1,2,3\n", r"line 1: neither a header nor"),
    "csv, empty": ("csv", "a.csv", "\n", r"a.csv is empty"),
    "csv, other videos": (
        "csv",
        "a.csv",
        "wlk,1,1,2,3,4\n",
        r"none of its videos \(e.g. 'wlk'\) .*did you mean 'walk'",
    ),
    "coco, not JSON": ("coco", "a.json", '{"images": [\n}', r"a.json line 2: not JSON"),
    "coco, no image": (
        "coco",
        "a.json",
        coco(images=[]),
        r"annotations\[0\]: there is no image with id 1",
    ),
    "coco, no list": ("coco", "a.json", coco(annotations={}), r"'annotations' is no list"),
    "coco, other JSON": (
        "coco",
        "a.json",
        '{"annotation": []}',
        r"no list 'annotations', did you mean 'annotation'",
    ),
    "coco, no box": (
        "coco",
        "a.json",
        coco(annotations=[{"image_id": 1, "bbox": [1, 2, "3", 4]}]),
        r"annotations\[0\]: 'bbox' is .* not four numbers",
    ),
    "coco, field missing": (
        "coco",
        "a.json",
        coco(annotations=[{"image_id": 1}]),
        r"annotations\[0\] has no 'bbox'",
    ),
    "coco, two without tracks": (
        "coco",
        "a.json",
        coco(annotations=[{"image_id": 1, "bbox": [1, 2, 3, 4]}] * 2),
        r"annotations\[1\]: frame 0 .* has two boxes",
    ),
    "coco, an odd id": (
        "coco",
        "a.json",
        coco(images=[{"id": [1], "file_name": "walk/1.jpg"}]),
        r"images\[0\]: 'id' is '\[1\]'",
    ),
    "coco, no frame in the name": (
        "coco",
        "a.json",
        coco(images=[{"id": 1, "file_name": "walk/x.jpg"}]),
        r"'walk/x.jpg' has no number",
    ),
    "coco, no video": (
        "coco",
        "a.json",
        coco(videos=[{"id": 1, "name": "walk"}], images=[{"id": 1, "video_id": 2}]),
        r"images\[0\]: there is no video with id 2",
    ),
    "cvat, not XML": (
        "cvat",
        "a.xml",
        "<annotations>\n<meta></annotations>",
        r"a.xml line 2: not XML \(mismatched tag\)",
    ),
    "cvat, other XML": (
        "cvat",
        "a.xml",
        "<annotation></annotation>",
        r"line 1: begins with <annotation>, not <annotations>",
    ),
    "cvat, images": (
        "cvat",
        "a.xml",
        CVAT.format("<image/>"),
        r"line 2: 'CVAT for images' has no tracks",
    ),
    "cvat, no corner": (
        "cvat",
        "a.xml",
        CVAT.format('<track id="0" label="d">' + BOX.replace("xtl", "left") + "</track>"),
        r"line 2: <box> has no 'xtl'",
    ),
    "cvat, no number": (
        "cvat",
        "a.xml",
        CVAT.format('<track id="0" label="d">' + BOX.replace('"4"', '"x"') + "</track>"),
        r"line 2: xbr is 'x', not a number",
    ),
    "cvat, turned over": (
        "cvat",
        "a.xml",
        CVAT.format('<track id="0" label="d">' + BOX.replace('"4"', '"0"') + "</track>"),
        r"line 2: 1, 2, -1, 4 is no box",
    ),
    "cvat, rotated": (
        "cvat",
        "a.xml",
        CVAT.format('<track id="0">' + BOX.replace("<box", '<box rotation="9"') + "</track>"),
        r"line 2: the box is rotated",
    ),
    "cvat, no such task": (
        "cvat",
        "a.xml",
        CVAT.format('<track id="0" task_id="7"></track>'),
        r"line 2: there is no task with id 7",
    ),
    "studio, no size": (
        "labelstudio",
        "a.json",
        studio(size=False),
        r"result\[0\]: boxes are in percent and the size of video 'other'",
    ),
    "studio, no number": (
        "labelstudio",
        "a.json",
        studio(x="1"),
        r"sequence\[0\]: 'x' is '1', not a number",
    ),
    "studio, rotated": (
        "labelstudio",
        "a.json",
        studio(rotation=10),
        r"sequence\[0\]: the box is rotated",
    ),
    "studio, frame 0": (
        "labelstudio",
        "a.json",
        studio(frame=0),
        r"sequence\[0\]: video 'walk' has no frame -1",
    ),
    "mot, five values": (
        "mot",
        "a.txt",
        "1,1,2,3,4\n",
        r"a.txt line 1: 5 values, not frame,id,x,y,w,h",
    ),
    "mot, detections": (
        "mot",
        "a.txt",
        "1,-1,2,3,4,5,0.5\n1,-1,2,3,4,5,0.5\n",
        r"line 2: detections without ids are no tracks",
    ),
    "mot, frame 0": ("mot", "a.txt", "0,1,2,3,4,5\n", r"line 1: video 'walk' has no frame -1"),
    "mot, raw score": (
        "mot",
        "a.txt",
        "1,1,2,3,4,5,35.2\n",
        r"line 1: the confidence 35.2 is not within 0 to 1",
    ),
    "mot, no class": (
        "mot",
        "walk/gt/gt.txt",
        "1,1,2,3,4,5,1,3,1\n",
        r"line 1: class 3, and labels.txt names 1",
    ),
    "yolo, four values": (
        "yolo",
        "walk/1.txt",
        "0 0.1 0.1 0.1\n",
        r"1.txt line 1: 4 values, not class cx cy w h",
    ),
    "yolo, pixels": (
        "yolo",
        "walk/1.txt",
        "0 10 10 40 40\n",
        r"1.txt line 1: 40 x 40 is no size relative to the frame",
    ),
    "yolo, two of a class": (
        "yolo",
        "walk/1.txt",
        "0 0.1 0.1 0.1 0.1\n0 0.5 0.5 0.1 0.1\n",
        r"1.txt line 2: frame 0 .* two boxes",
    ),
    "yolo, no such class": (
        "yolo",
        "walk/1.txt",
        "3 0.1 0.1 0.1 0.1\n",
        r"1.txt line 1: class 3, and the names are those of 0 to 0",
    ),
    "got10k, a word": (
        "got10k",
        "walk/groundtruth.txt",
        "1,2,3,4\n1,2,x,4\n",
        r"groundtruth.txt line 2: w is 'x'",
    ),
    "got10k, three values": (
        "got10k",
        "walk/groundtruth.txt",
        "1,2,3\n",
        r"groundtruth.txt line 1: 3 values, not x,y,w,h",
    ),
    "got10k, flags": (
        "got10k",
        "walk/groundtruth.txt",
        "1,2,3,4\n",
        r"absence.label has 2 entries for 1 lines",
    ),
    "lasot, flags": (
        "lasot",
        "walk/groundtruth.txt",
        "1,2,3,4\n",
        r"out_of_view.txt has 2 entries for 1 lines",
    ),
    "lasot, negative": (
        "lasot",
        "walk/groundtruth.txt",
        "1,2,3,4\n1,2,-3,4\n",
        r"groundtruth.txt line 2: 1, 2, -3, 4 is no box",
    ),
    "key frames, no boxes": (
        "keyframes",
        "a.json",
        json.dumps(
            {
                "fs_settings": {"dataset": "x", "split": "y", "mode": "det", "num": 1},
                "failure_seqs": [],
                "sparse_sample_result": {"walk": [{"f_ids": [1]}]},
            }
        ),
        r"'walk', track 0: frame numbers without boxes.*annotate FOLDER",
    ),
}


BESIDE = {
    "yolo": "classes.txt",
    "mot": "walk/gt/labels.txt",
    "got10k": "walk/absence.label",
    "lasot": "walk/out_of_view.txt",
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_file_and_place(case, tmp_path):
    name, file, text, message = CASES[case]
    (tmp_path / "walk/gt").mkdir(parents=True)
    (tmp_path / file).write_text(text)
    if name in BESIDE and "values" not in case:
        (tmp_path / BESIDE[name]).write_text("0\n0\n" if name in ("got10k", "lasot") else "dog\n")
    path = tmp_path / "walk" if file.startswith("walk") else tmp_path / file
    if name == "labelstudio":
        known = {"other": (20, None)} if "size" in message else KNOWN
        text = text.replace("walk", "other") if "size" in message else text
        path.write_text(text)
    else:
        known = KNOWN
    with pytest.raises(BadInput, match=message) as caught:
        read(path, name, known)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(MissingFile, match=r"there is no file or folder .*few.csv with boxes"):
        read(tmp_path / "few.csv")


@pytest.mark.parametrize(
    ("file", "text"), [("a.txt", "1 2\n"), ("a.json", "[1]"), ("a.bin", "\x00")]
)
def test_unknown_content(file, text, tmp_path):
    (tmp_path / file).write_text(text)
    with pytest.raises(BadValue, match="its format is not recognised; give one with --from: csv"):
        read(tmp_path / file)


def test_unknown_format(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(BadValue, match="the format 'cvta' is not known, did you mean 'cvat'"):
        read(tmp_path / "a", "cvta")


def test_not_utf8(tmp_path):
    for name, file in {"csv": "a.csv", "coco": "a.json", "mot": "a.txt"}.items():
        (tmp_path / file).write_bytes(b"frame,x,y,w,h\n\xff\xfe")
        with pytest.raises(BadInput, match=f"{file}.*UTF-8|{file} cannot be read as text"):
            read(tmp_path / file, name)


ENTITIES = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "document",
    [
        f'<!DOCTYPE x [<!ENTITY e0 "ha">{ENTITIES}]><annotations>&e9;</annotations>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotations/>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><annotations>&e;</annotations>',
    ],
    ids=["a billion laughs", "a document type elsewhere", "a file as entity"],
)
def test_xml_that_could_grow_or_read_files(document, tmp_path):
    (tmp_path / "a.xml").write_text(document)
    start = time.process_time()
    with pytest.raises(BadValue, match=r"a.xml line 1: a document type declaration"):
        read(tmp_path / "a.xml")
    assert time.process_time() - start < 1


def item(**changes):
    values = {
        "frame_ids": np.array([0]),
        "boxes_xywh": np.array([[1.0, 2, 3, 4]]),
        "confidences": np.ones(1),
        "human": np.ones(1, bool),
        **changes,
    }
    return ObjectTrack(values.pop("object_id", "1"), **values)


NOT_WRITTEN = {
    "no area": (
        "csv",
        [VideoBoxes("walk", (item(boxes_xywh=np.array([[1.0, 2, 0, 4]])),))],
        r"video 'walk', object '1', frame 0: .* no box",
    ),
    "confidence": (
        "csv",
        [VideoBoxes("walk", (item(confidences=np.array([2.0])),))],
        r"frame 0: the confidence 2.0 is not within",
    ),
    "frame": (
        "csv",
        [VideoBoxes("walk", (item(frame_ids=np.array([9])),), 9)],
        r"there is no frame 9, the video has 9",
    ),
    "video twice": ("csv", [VideoBoxes("walk", ())] * 2, r"video 'walk' is there twice"),
    "line break in a name": (
        "csv",
        [VideoBoxes("walk\n", ())],
        r"the video name 'walk\\n' holds a control character",
    ),
    "no id": (
        "csv",
        [VideoBoxes("walk", (item(object_id=""),))],
        r"video 'walk': the object id is empty",
    ),
    "a path as name": (
        "got10k",
        [VideoBoxes("../walk", (item(),))],
        r"the video name '../walk' cannot be a folder's name",
    ),
    "no size (YOLO)": (
        "yolo",
        [VideoBoxes("walk", (item(),))],
        r"relative and the size of video 'walk' is not known",
    ),
    "no size (Label Studio)": (
        "labelstudio",
        [VideoBoxes("walk", (item(),))],
        r"percent and the size of video 'walk' is not known",
    ),
}


@pytest.mark.parametrize("case", NOT_WRITTEN)
def test_not_written(case, tmp_path):
    name, videos, message = NOT_WRITTEN[case]
    with pytest.raises(BadValue, match=message):
        write(videos, tmp_path / "new", name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", FOLDERS)
def test_folders_are_written_again_but_not_among_other_things(name, tmp_path):
    videos = [VideoBoxes("walk", (item(),), 1, (20, 20))]
    files = write(videos, tmp_path / "new", name)
    assert write(videos, tmp_path / "new", name) == files
    (tmp_path / "new/holiday.txt").write_text("")
    with pytest.raises(BadValue, match=r"new already holds other things, e.g. 'holiday.txt'"):
        write(videos, tmp_path / "new", name)
    with pytest.raises(BadValue, match="is a file; this format is a folder"):
        write(videos, tmp_path / "new/holiday.txt" if name != "mot" else files[1], name)


def test_labels_of_another_export_are_in_the_way(tmp_path):
    write(
        [VideoBoxes("walk", (item(frame_ids=np.array([3])),), 9, (20, 20))],
        tmp_path / "new",
        "yolo",
    )
    with pytest.raises(BadValue, match=r"labels/walk/000004.txt is of another export"):
        write([VideoBoxes("walk", (item(),), 9, (20, 20))], tmp_path / "new", "yolo")


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sync", lambda: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(OSError, match="no space left"):
        write([VideoBoxes("walk", (item(),), 1, (20, 20))], tmp_path / "new", "yolo")
    assert not list(tmp_path.iterdir())


SAMPLE = VideoBoxes(
    "walk",
    (
        ObjectTrack(
            "1",
            np.arange(3),
            np.array([[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8]]),
            np.array([1, 0.5, 0.25]),
            np.array([True, False, False]),
            "dog",
        ),
    ),
    20,
    (200, 100),
    25.0,
)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_read_or_refused_but_never_a_traceback(name, data, tmp_path_factory):
    path = tmp_path_factory.mktemp(name) / ("boxes" if name in FOLDERS else "boxes.xml")
    files = write([SAMPLE], path, name)
    file = data.draw(st.sampled_from([file for file in files if file.stat().st_size]))
    text = file.read_text()
    start = data.draw(st.integers(0, len(text) - 1))
    stop = data.draw(st.integers(start, min(len(text), start + 12)))
    new = data.draw(
        st.sampled_from(
            ["", "null", "-1", "1e999", "NaN", "[]", "{}", '"', ",", "\n", "9" * 25, "<", "é", "0"]
        )
    )
    file.write_text(text[:start] + new + text[stop:])
    try:
        read(path, name, KNOWN)
    except BadInput as error:
        assert str(path) in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_time_grows_with_the_boxes_not_faster(name, tmp_path):
    """Twelve times the boxes cost well below 144 times the time."""

    def seconds(frames):
        boxes = np.random.default_rng(0).uniform(1, 50, (frames, 4))
        video = VideoBoxes(
            "walk",
            (
                ObjectTrack(
                    "1", np.arange(frames), boxes, np.full(frames, 0.5), np.zeros(frames, bool)
                ),
            ),
            frames,
            (200, 100),
        )
        path = tmp_path / f"{name}{frames}{'' if name in FOLDERS else '.xml'}"
        start = time.process_time()
        write([video], path, name)
        read(path, name, {"walk": (frames, (200, 100))})
        return time.process_time() - start

    seconds(10)
    assert seconds(12000) < 40 * max(seconds(1000), 0.01)


def test_text_of_xml_is_escaped(tmp_path):
    """Of the names, which may hold anything."""
    name = "a<b>&\"'"
    write([VideoBoxes(name, (item(object_id=name),))], tmp_path / "a.xml", "cvat")
    assert xml.sax.saxutils.escape(name) in (tmp_path / "a.xml").read_text()
    (video,) = read(tmp_path / "a.xml")
    assert video.video == video.objects[0].object_id == name
