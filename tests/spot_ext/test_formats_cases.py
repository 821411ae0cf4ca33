"""Kinds of files that were read wrong, each with its siblings: (format, files) -> right value."""

import json

import pytest

from ltr.admin.errors import BadValue
from spot_ext.boxes.formats import ReadOptions, VideoInfo, read
from spot_ext.boxes.formats.frame_files import parse_name
from spot_ext.boxes.formats.infos import infos_of

WALK = {"walk": VideoInfo(30, (160, 120), 30.0)}
BOX = {"xtl": 10, "ytl": 20, "xbr": 40, "ybr": 60}


def written(tmp_path, files):
    """Write the files of a case; return the only file, or the folder of several."""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    only = next(iter(files))
    return tmp_path / only if len(files) == 1 and "/" not in only else tmp_path


def boxes_of(videos):
    """{video: {object: {frame: human}}}"""
    return {
        video.video: {
            track.object_id: dict(zip(track.frame_ids.tolist(), track.human.tolist(), strict=True))
            for track in video.objects
        }
        for video in videos
    }


def frames_of(videos):
    return {
        video: sorted({frame for frames in objects.values() for frame in frames})
        for video, objects in boxes_of(videos).items()
    }


def coco(images, **changes):
    """A COCO file with a box in each image; images are (name, further fields)."""
    entries = [{"id": i, "file_name": name, **more} for i, (name, more) in enumerate(images)]
    boxes = [{"id": i, "image_id": i, "bbox": [1, 2, 3, 4]} for i in range(len(images))]
    for i, fields in changes.pop("fields", {}).items():
        boxes[i].update(fields)
    return {"images": entries, "annotations": boxes, **changes}


def named(*names):
    return coco([(name, {}) for name in names])


def task(text, boxes, head="", track=""):
    corners = " ".join(f'{name}="{value}"' for name, value in BOX.items())
    rows = "".join(
        f'<box frame="{frame}" keyframe="{key}" outside="0" occluded="0" {corners}/>'
        for frame, key in boxes
    )
    return (
        f"<annotations><meta>{text}{head}</meta>"
        f'<track id="0" label="cup"{track}>{rows}</track></annotations>'
    )


def region(numbers, count=30, duration=1.0, **marks):
    sequence = []
    for number in numbers:
        place = {"x": 10, "y": 10, "width": 10, "height": 10, "frame": number}
        sequence.append({**place, "enabled": True, **marks.get(f"f{number}", {})})
    value = {"sequence": sequence}
    if count:
        value["framesCount"] = count
    if duration:
        value["duration"] = duration
    return [
        {
            "data": {"video": "/data/upload/1/0123abcd-walk.mp4"},
            "annotations": [{"result": [{"id": "r", "type": "videorectangle", "value": value}]}],
        }
    ]


AUTO = {"auto": True}
ATTRIBUTES = {1: {"attributes": {"keyframe": False}}}
NOT_DRAWN = {
    "Label Studio, auto": {"a.json": region([1, 2, 3], f2=AUTO)},
    "COCO, keyframe": {"a.json": {**coco([(f"frame_00000{i}.PNG", {}) for i in range(3)])}},
    "CVAT, keyframe": {"a.xml": task("<task><name>walk</name></task>", [(0, 1), (1, 0), (2, 1)])},
    "csv, keyframe": {"walk.csv": "frame,x,y,w,h,keyframe\n0,1,2,3,4,1\n1,1,2,3,4,0\n2,1,2,3,4,1"},
    "csv, generated": {
        "walk.csv": "frame,x,y,w,h,generated\n0,1,2,3,4,0\n1,1,2,3,4,1\n2,1,2,3,4,0"
    },
}
NOT_DRAWN["COCO, keyframe"]["a.json"]["annotations"][1].update(ATTRIBUTES[1])


@pytest.mark.parametrize("case", NOT_DRAWN)
def test_what_no_person_drew_is_no_persons(case, tmp_path):
    found = boxes_of(read(written(tmp_path, NOT_DRAWN[case]), videos=WALK))
    ((frames,),) = [list(objects.values()) for objects in found.values()]
    assert frames == {0: True, 1: False, 2: True}


def test_what_a_model_made_in_cvat_is_no_persons(tmp_path):
    text = task("<task><name>walk</name></task>", [(0, 1)], track=' source="auto"')
    assert boxes_of(read(written(tmp_path, {"a.xml": text}), videos=WALK)) == {
        "walk": {"0": {0: False}}
    }


NUMBERS_IN_NAMES = {
    "CVAT, without frame 0": ("coco", {"a.json": named("frame_000005.PNG", "frame_000010.PNG")}),
    "Roboflow": (
        "coco",
        {"a.json": named("walk_mp4-0005_jpg.rf.3fa.jpg", "walk_mp4-0010_jpg.rf.b07d5e3c9.jpg")},
    ),
    "Label Studio": ("coco", {"a.json": named("1a2b3c4d-frame_5.jpg", "1a2b3c4d-frame_10.jpg")}),
    "MOT converters": ("coco", {"a.json": named("walk/img1/000006.jpg", "walk/img1/000011.jpg")}),
    "GOT-10k": ("coco", {"a.json": named("walk/00000006.jpg", "walk/00000011.jpg")}),
    "CVAT's YOLO": (
        "yolo",
        {
            "obj_train_data/frame_000005.txt": "0 .5 .5 .1 .1",
            "obj_train_data/frame_000010.txt": "0 .5 .5 .1 .1",
            "obj.names": "cup\n",
            "train.txt": "data/obj_train_data/frame_000005.PNG\n",
        },
    ),
    "CVAT's Ultralytics": (
        "yolo",
        {
            "labels/train/frame_000005.txt": "0 .5 .5 .1 .1",
            "labels/train/frame_000010.txt": "0 .5 .5 .1 .1",
        },
    ),
    "Roboflow's YOLO": (
        "yolo",
        {
            "train/labels/walk_mp4-0005_jpg.rf.3fa9.txt": "0 .5 .5 .1 .1",
            "train/labels/walk_mp4-0010_jpg.rf.b07.txt": "0 .5 .5 .1 .1",
            "data.yaml": "names: [cup]\n",
        },
    ),
    "Ultralytics": (
        "yolo",
        {"labels/walk_6.txt": "0 .5 .5 .1 .1 7", "labels/walk_11.txt": "0 .5 .5 .1 .1 7"},
    ),
    "uploads to Label Studio": (
        "yolo",
        {
            "labels/1a2b3c4d-frame_000005.txt": "0 .5 .5 .1 .1",
            "labels/1a2b3c4d-frame_000010.txt": "0 .5 .5 .1 .1",
            "classes.txt": "cup\n",
        },
    ),
}


@pytest.mark.parametrize("case", NUMBERS_IN_NAMES)
def test_frame_numbers_out_of_names(case, tmp_path):
    name, files = NUMBERS_IN_NAMES[case]
    assert frames_of(read(written(tmp_path, files), name, WALK)) == {"walk": [5, 10]}


def test_names_that_say_nothing_are_refused_with_both_readings(tmp_path):
    path = written(tmp_path, {"a.json": named("walk/000005.jpg", "walk/000010.jpg")})
    with pytest.raises(BadValue, match=r"frame 5 is meant.*frame 4 is meant.*--first-frame 0"):
        read(path, videos=WALK)
    for first, frames in ((0, [5, 10]), (1, [4, 9])):
        found = read(path, videos=WALK, options=ReadOptions(first))
        assert frames_of(found) == {"walk": frames}


def test_images_of_exactly_these_names_decide(tmp_path):
    images = VideoInfo(3, (160, 120), None, ("000005.jpg", "000006.jpg", "000010.jpg"))
    path = written(tmp_path, {"a.json": named("walk/000005.jpg", "walk/000010.jpg")})
    assert frames_of(read(path, videos={"walk": images})) == {"walk": [0, 2]}


FRAME_IDS = {
    "1..N of N frames": ({"frame_id": i} for i in range(1, 31)),
    "a part of the frames, listed from 1": ({"frame_id": i} for i in range(1, 12)),
    "marks of ByteTrack": ({"frame_id": i, "prev_image_id": i} for i in (4, 11)),
    "names count from 1 and the field from 0": ({"frame_id": i} for i in (3, 10)),
}


@pytest.mark.parametrize("case", FRAME_IDS)
def test_frame_id_of_converters_counts_from_1(case, tmp_path):
    fields = list(FRAME_IDS[case])
    shift = 1 if case.startswith("names") else 0
    images = [(f"walk/{item['frame_id'] + shift:06d}.jpg", item) for item in fields]
    expected = [item["frame_id"] - 1 + shift for item in fields]
    path = written(tmp_path, {"a.json": coco(images)})
    assert frames_of(read(path, videos=WALK)) == {"walk": expected}


TASK = "<size>30</size><start_frame>0</start_frame><stop_frame>29</stop_frame>"
ONE_VIDEO = {
    "a job": task(f"<job><id>7</id>{TASK}</job>", [(0, 1), (10, 1)]),
    "a later job of its task": task(
        "<job><id>7</id><size>15</size><start_frame>0</start_frame></job>", [(0, 1), (10, 1)]
    ),
    "source beside the task": task(
        f"<task><id>7</id><name>Monday</name>{TASK}</task>",
        [(0, 1), (10, 1)],
        "<source>walk.mp4</source>",
    ),
    "a task of images": task(
        f"<task><id>7</id><name>Monday</name>{TASK}</task>", [(0, 1), (10, 1)]
    ),
}


@pytest.mark.parametrize("case", ONE_VIDEO)
def test_cvat_files_without_a_video_are_about_the_only_one(case, tmp_path):
    path = written(tmp_path, {"annotations.xml": ONE_VIDEO[case]})
    assert frames_of(read(path, videos=WALK)) == {"walk": [0, 10]}


def project(tasks, tracks):
    head = "".join(
        f"<task><id>{number}</id><name>{name}</name><size>{size}</size><subset>{subset}</subset>"
        f"<start_frame>{start}</start_frame><frame_filter>{step}</frame_filter></task>"
        for number, name, size, subset, start, step in tasks
    )
    corners = " ".join(f'{name}="{value}"' for name, value in BOX.items())
    rows = "".join(
        f'<track id="{number}" label="cup" task_id="{number}">'
        f'<box frame="{frame}" keyframe="1" outside="0" {corners}/></track>'
        for number, frame in tracks
    )
    return f"<annotations><meta><project><tasks>{head}</tasks></project></meta>{rows}</annotations>"


PROJECTS = {
    "counted through": (
        [(1, "a", 30, "s", 0, ""), (2, "b", 70, "s", 0, "")],
        [(1, 5), (2, 35)],
    ),
    "in the order of ids": (
        [(2, "b", 70, "s", 0, ""), (1, "a", 30, "s", 0, "")],
        [(1, 5), (2, 35)],
    ),
    "each subset by itself": (
        [(1, "a", 30, "s", 0, ""), (2, "b", 70, "t", 0, "")],
        [(1, 5), (2, 5)],
    ),
    "steps and starts count too": (
        [(1, "a", 10, "s", 2, "step=2"), (2, "b", 70, "s", 0, "")],
        [(1, 5), (2, 27)],
    ),
    "a program that counts each task from 0": (
        [(1, "a", 30, "s", 0, ""), (2, "b", 70, "s", 0, "")],
        [(1, 5), (2, 5)],
    ),
}


@pytest.mark.parametrize("case", PROJECTS)
def test_cvat_projects_count_their_tasks_through(case, tmp_path):
    path = written(tmp_path, {"annotations.xml": project(*PROJECTS[case])})
    assert frames_of(read(path)) == {"a": [5], "b": [5]}


HALF = "x,y,w,h of a proxy of half the rate and double the size"
OTHER_VIDEO = {
    "cvat": {
        "a.xml": task(
            "<task><name>walk</name><size>15</size><original_size><width>320</width>"
            "<height>240</height></original_size></task>",
            [(5, 1)],
        )
    },
    "mot": {
        "walk/gt/gt.txt": "6,1,11,21,30,40,1\n",
        "walk/seqinfo.ini": "[Sequence]\nseqLength=15\nimWidth=320\nimHeight=240\n",
    },
    "coco": {
        "a.json": {
            "videos": [{"id": 1, "name": "walk", "length": 15, "width": 320, "height": 240}],
            "images": [{"id": i, "video_id": 1, "frame_id": i} for i in range(15)],
            "annotations": [{"id": 1, "image_id": 5, "bbox": [10, 20, 30, 40]}],
        }
    },
    "got10k": {
        "walk/groundtruth.txt": "nan,nan,nan,nan\n" * 5 + "10,20,30,40\n" + "nan,nan,nan,nan\n" * 9,
        "walk/meta_info.ini": "[METAINFO]\nresolution: (320, 240)\n",
    },
}


@pytest.mark.parametrize("name", OTHER_VIDEO)
def test_what_a_file_declares_is_compared_with_the_video(name, tmp_path):
    path = written(tmp_path, OTHER_VIDEO[name])
    with pytest.raises(
        BadValue, match=r"320x240 .* 160x120 .* 15 frames .* 30 .* --mismatch scale"
    ):
        read(path, name, WALK)
    (video,) = read(path, name, WALK, ReadOptions(mismatch="scale"))
    assert video.objects[0].frame_ids.tolist() == [10]
    assert video.objects[0].boxes_xywh.tolist() == [[5, 10, 15, 20]]
    (video,) = read(path, name, WALK, ReadOptions(mismatch="ignore"))
    assert video.objects[0].frame_ids.tolist() == [5]
    assert video.objects[0].boxes_xywh.tolist() == [[10, 20, 30, 40]]


@pytest.mark.parametrize(
    ("count", "duration", "numbers", "frames"),
    [
        (24, 1.0, [1, 9, 17], [0, 10, 20]),
        (15, 1.0, [1, 6, 11], [0, 10, 20]),
        (60, 1.0, [1, 21, 41], [0, 10, 20]),
        (30, 1.0, [1, 11, 21], [0, 10, 20]),
        (31, 1.033, [1, 11, 31], [0, 10, 29]),
        (32, 1.06, [1, 11, 32], [0, 10, 29]),
    ],
    ids=["24/s", "15/s", "60/s", "its own", "one frame of sound more", "two frames more"],
)
def test_label_studio_counts_at_a_rate_of_its_own(count, duration, numbers, frames, tmp_path):
    path = written(tmp_path, {"a.json": region(numbers, count, duration)})
    assert frames_of(read(path, videos=WALK)) == {"walk": frames}


@pytest.mark.parametrize(
    ("count", "duration", "sentence"),
    [(300, 10.0, "lasts 10 s in the file and 1 s in the folder"), (24, None, "24 frames .* 30 in")],
)
def test_label_studio_of_another_video(count, duration, sentence, tmp_path):
    path = written(tmp_path, {"a.json": region([1], count, duration)})
    with pytest.raises(BadValue, match=sentence):
        read(path, videos=WALK)


TRACKED = {"track_id": 1}
UNTRACKED = {
    "yolo": (
        "yolo",
        {
            "labels/walk_1.txt": "0 .5 .5 .1 .1 1",
            "labels/walk_2.txt": "0 .1 .1 .1 .1\n0 .5 .5 .1 .1 1",
        },
    ),
    "coco": (
        "coco",
        {
            "a.json": {
                "images": [{"id": i, "file_name": f"frame_00000{i}.PNG"} for i in range(2)],
                "annotations": [
                    {"id": 1, "image_id": 0, "bbox": [1, 2, 3, 4], **TRACKED},
                    {"id": 2, "image_id": 1, "bbox": [5, 6, 7, 8]},
                    {"id": 3, "image_id": 1, "bbox": [1, 2, 3, 4], "attributes": TRACKED},
                ],
            }
        },
    ),
    "csv": ("csv", {"walk.csv": "object,frame,x,y,w,h\n1,0,1,2,3,4\n,1,5,6,7,8\n1,1,1,2,3,4\n"}),
    "mot": ("mot", {"walk.txt": "1,1,1,2,3,4,1\n2,-1,5,6,7,8,1\n2,1,1,2,3,4,1\n"}),
}


@pytest.mark.parametrize("case", UNTRACKED)
def test_boxes_without_an_id_are_nobody_elses(case, tmp_path):
    name, files = UNTRACKED[case]
    objects = boxes_of(read(written(tmp_path, files), name, WALK))["walk"]
    assert list(objects.pop("1")) == [0, 1]
    assert [list(frames) for frames in objects.values()] == [[1]]


def test_rows_of_confidence_0_are_not_considered(tmp_path, caplog):
    path = written(tmp_path, {"walk.txt": "1,1,1,2,3,4,1\n2,1,1,2,3,4,0\n"})
    assert frames_of(read(path, videos=WALK)) == {"walk": [0]}
    assert "1 rows of confidence 0 are left out" in caplog.text


def test_a_mot_file_from_0_is_told_so_with_its_numbers(tmp_path):
    path = written(tmp_path, {"walk.txt": "0,1,1,2,3,4,1\n29,1,1,2,3,4,1\n"})
    with pytest.raises(BadValue, match="counts frames from 0, it has frames 0 to 29"):
        read(path, videos=WALK)
    assert frames_of(read(path, videos=WALK, options=ReadOptions(0))) == {"walk": [0, 29]}


def test_coco_ids_as_text_and_number_are_the_same(tmp_path):
    content = {
        "categories": [{"id": "1", "name": "cup"}],
        "images": [{"id": "1", "file_name": "frame_000000.PNG"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    (video,) = read(written(tmp_path, {"a.json": content}), videos=WALK)
    assert video.objects[0].label == "cup"


@pytest.mark.parametrize(
    "address",
    [
        "https://bucket.s3.amazonaws.com/a/walk.mp4?X-Amz-Signature=3/4&X-Amz-Date=1",
        "https://store.blob.core.windows.net/a/walk.mp4?sv=2021&sig=a%2Fb",
        "s3://bucket/a/w%61lk.mp4",
        "/data/local-files/?d=my%20videos/walk.mp4",
        "/data/upload/3/1a2b3c4d-walk.mp4",
    ],
)
def test_addresses_name_their_file(address):
    assert infos_of({"walk": (30, None), "run": (30, None)}).name(address) == "walk"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("names: {0: person, 1: car}", "person"),
        ("names: [person, car]", "person"),
        ("names:\n- person\n- car", "person"),
        ("names:\n  0: person  # who\n  1: car", "person"),
        ("names: {'0': \"per: son\"}", "per: son"),
    ],
)
def test_class_names_are_yaml(text, label, tmp_path):
    files = {"labels/walk/000001.txt": "0 .5 .5 .1 .1\n", "data.yaml": text}
    (video,) = read(written(tmp_path, files), "yolo", WALK)
    assert video.objects[0].label == label


@pytest.mark.parametrize("names", ["5", "{0: 'a', 'b': 'c'}", "[[1], 2]", "{0: [a]}"])
def test_class_names_that_are_none(names, tmp_path):
    files = {"labels/walk/000001.txt": "0 .5 .5 .1 .1\n", "data.yaml": f"names: {names}"}
    with pytest.raises(BadValue, match=r"data\.yaml"):
        read(written(tmp_path, files), "yolo", WALK)


def test_digits_that_are_no_numbers_crash_nothing():
    assert parse_name("frame_²").number is None
    assert parse_name("walk.mp4").number == 4
