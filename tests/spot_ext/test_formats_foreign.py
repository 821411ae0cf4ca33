"""Files of other programs, as those write them, and what is read from them."""

import json
import logging

import numpy as np
import pytest

from ltr.data import image_loader
from ltr.dataset.video_folder import VideoFolder
from spot_ext.boxes.formats import VideoInfo, complete, guess, infos_of, read
from spot_ext.boxes.track import VideoBoxes

KNOWN = {"walk": (20, (200, 100))}


def in_file(tmp_path, name, content):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def summary(videos):
    """Video, object, label, and by frame the box (None: absent) with a star where a person drew
    it.
    """
    return [
        (
            video.video,
            item.object_id,
            item.label,
            {
                f"{frame}{'*' * bool(human)}": None if np.isnan(box).any() else box.tolist()
                for frame, box, human in zip(
                    item.frame_ids, item.boxes_xywh, item.human, strict=True
                )
            },
        )
        for video in videos
        for item in video.objects
    ]


CSV = {
    "header, any order": (
        "few.csv",
        "h,w,y,x,frame\n4,3,2,1,7\n",
        [("few", "1", "", {"7*": [1, 2, 3, 4]})],
    ),
    "no header": (
        "few.csv",
        "7,1,2,3,4\n0, 5,6,7,8\n",
        [("few", "1", "", {"0*": [5, 6, 7, 8], "7*": [1, 2, 3, 4]})],
    ),
    "no header, videos": (
        "few.csv",
        "a,7,1,2,3,4\nb,7,1,2,3,4\n",
        [("a", "1", "", {"7*": [1, 2, 3, 4]}), ("b", "1", "", {"7*": [1, 2, 3, 4]})],
    ),
    "semicolons, byte order mark": (
        "few.csv",
        "\ufeffframe;x;y;w;h\r\n1;1.5;2;3;4\r\n\r\n",
        [("few", "1", "", {"1*": [1.5, 2, 3, 4]})],
    ),
    "absent": (
        "few.csv",
        "frame,x,y,w,h\n1,,,,\n2,nan,nan,nan,nan\n",
        [("few", "1", "", {"1*": None, "2*": None})],
    ),
    "no origin: sure ones count as drawn": (
        "few.csv",
        "frame,x,y,w,h,score\n1,1,2,3,4,0.9\n2,1,2,3,4,1\n",
        [("few", "1", "", {"1": [1, 2, 3, 4], "2*": [1, 2, 3, 4]})],
    ),
    "spaces, as VideoFolder takes them": (
        "walk/groundtruth.txt",
        "frame,x,y,w,h\n3,1,2,3,4\n",
        [("walk", "1", "", {"3*": [1, 2, 3, 4]})],
    ),
}


@pytest.mark.parametrize("case", CSV)
def test_csv(case, tmp_path):
    name, text, expected = CSV[case]
    assert summary(read(in_file(tmp_path, name, text))) == expected


@pytest.mark.parametrize(
    ("text", "videos", "name"),
    [
        ("frame,x,y,w,h\n1,1,2,3,4\n", {"only": (9, (4, 4))}, "only"),
        ("frame,x,y,w,h\n1,1,2,3,4\n", {"few": (9, (4, 4)), "b": (9, (4, 4))}, "few"),
        (
            "video,frame,x,y,w,h\ndata/walk.mp4,1,1,2,3,4\n",
            {"walk": (9, (4, 4)), "b": (9, (4, 4))},
            "walk",
        ),
        ("video,frame,x,y,w,h\nwalk.mp4,1,1,2,3,4\n", None, "walk.mp4"),
    ],
    ids=["the only video", "the file's name", "file name of a video", "nothing known: as it is"],
)
def test_which_video_a_table_means(text, videos, name, tmp_path):
    (video,) = read(in_file(tmp_path, "few.csv", text), videos=videos)
    assert video.video == name and video.frame_count == (9 if videos else None)


def test_videos_that_are_not_known_are_kept_and_named(tmp_path, caplog):
    path = in_file(tmp_path, "few.csv", "walk,1,1,2,3,4\nwlak,1,1,2,3,4\n")
    with caplog.at_level(logging.WARNING):
        assert [video.video for video in read(path, videos=KNOWN)] == ["walk", "wlak"]
    assert (
        "1 of 2 videos are not among those given, e.g. 'wlak', did you mean 'walk'?" in caplog.text
    )


COCO_BASE = {"categories": [{"id": 3, "name": "dog"}, {"id": 4, "name": "cat"}]}
COCO = {
    "plain, frames by file name from 1": (
        {
            **COCO_BASE,
            "images": [
                {"id": 1, "file_name": "walk/000005.jpg"},
                {"id": 2, "file_name": "run/000001.jpg"},
            ],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 2, 3, 4]},
                {"id": 2, "image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4.5]},
                {"id": 3, "image_id": 2, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1},
            ],
        },
        [("walk", "1", "dog", {"4*": [1, 2, 3, 4]}), ("run", "1", "dog", {"0*": [1, 2, 3, 4.5]})],
    ),
    "plain, frames from 0, one object a category": (
        {
            **COCO_BASE,
            "images": [
                {"id": 1, "file_name": "walk/f0.jpg"},
                {"id": 2, "file_name": "walk/f5.jpg"},
            ],
            "annotations": [
                {"id": 1, "image_id": 2, "category_id": 3, "bbox": [1, 2, 3, 4]},
                {"id": 2, "image_id": 2, "category_id": 4, "bbox": [1, 2, 3, 5]},
            ],
        },
        [
            ("walk", "dog", "dog", {"5*": [1, 2, 3, 4]}),
            ("walk", "cat", "cat", {"5*": [1, 2, 3, 5]}),
        ],
    ),
    "TAO": (
        {
            **COCO_BASE,
            "videos": [{"id": 7, "name": "walk", "width": 8, "height": 6}],
            "tracks": [{"id": 70, "video_id": 7, "category_id": 3}],
            "images": [{"id": 1, "video_id": 7, "frame_index": 30, "file_name": "x/frame0031.jpg"}],
            "annotations": [
                {
                    "id": 1,
                    "image_id": 1,
                    "video_id": 7,
                    "track_id": 70,
                    "category_id": 3,
                    "bbox": [1, 2, 3, 4],
                }
            ],
        },
        [("walk", "70", "dog", {"30*": [1, 2, 3, 4]})],
    ),
    "YouTube-VIS": (
        {
            **COCO_BASE,
            "videos": [{"id": 7, "file_names": ["walk/00000.jpg", "walk/00005.jpg"], "length": 2}],
            "annotations": [
                {"id": 1, "video_id": 7, "category_id": 4, "bboxes": [[1, 2, 3, 4], None]}
            ],
        },
        [("walk", "1", "cat", {"0*": [1, 2, 3, 4], "1*": None})],
    ),
    "CVAT's COCO: tracks in attributes": (
        {
            **COCO_BASE,
            "images": [{"id": 1, "file_name": "walk/frame_000000.PNG"}],
            "annotations": [
                {
                    "id": 1,
                    "image_id": 1,
                    "category_id": 4,
                    "bbox": [1, 2, 3, 4],
                    "attributes": {"track_id": 5},
                }
            ],
        },
        [("walk", "5", "cat", {"0*": [1, 2, 3, 4]})],
    ),
    "scores of a detector": (
        {
            "images": [{"id": 1, "video_id": "walk", "frame_id": 2}],
            "annotations": [
                {"id": 1, "image_id": 1, "instance_id": 5, "bbox": [1, 2, 3, 4], "score": 0.5}
            ],
        },
        [("walk", "5", "", {"2": [1, 2, 3, 4]})],
    ),
}


@pytest.mark.parametrize("case", COCO)
def test_coco(case, tmp_path):
    content, expected = COCO[case]
    path = in_file(tmp_path, "boxes.json", content)
    assert guess(path) == "coco" and summary(read(path)) == expected


def test_coco_file_names_are_looked_up_among_the_images(tmp_path):
    content = {
        "images": [{"id": 1, "file_name": "walk/shot7.jpg"}],
        "annotations": [{"id": 1, "image_id": 1, "bbox": [1, 2, 3, 4]}],
    }
    info = VideoInfo(3, frame_names=("shot3.png", "shot7.png"))
    videos = read(in_file(tmp_path, "boxes.json", content), videos={"walk": info})
    assert summary(videos) == [("walk", "1", "", {"1*": [1, 2, 3, 4]})]


CVAT_TASK = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><id>12</id><name>Tuesday</name><size>9</size><mode>interpolation</mode>
<start_frame>0</start_frame><stop_frame>8</stop_frame><labels><label><name>dog</name></label></labels>
<original_size><width>200</width><height>100</height></original_size><source>walk.mp4</source></task><dumped>now</dumped></meta>
<track id="0" label="dog" source="manual">
<box frame="1" keyframe="1" outside="0" occluded="0" xtl="1.00" ytl="2.00" xbr="4.50" ybr="6.00" z_order="0"></box>
<box frame="2" keyframe="0" outside="0" occluded="1" xtl="2.00" ytl="2.00" xbr="5.50" ybr="6.00" z_order="0">
  <attribute name="sure">yes</attribute></box>
<box frame="3" keyframe="1" outside="1" occluded="0" xtl="2.00" ytl="2.00" xbr="5.50" ybr="6.00" z_order="0"></box>
<box frame="6" keyframe="1" outside="0" occluded="0" xtl="0" ytl="0" xbr="1" ybr="1" z_order="0"></box>
<box frame="7" keyframe="1" outside="1" occluded="0" xtl="0" ytl="0" xbr="1" ybr="1" z_order="0"></box>
</track>
<track id="1" label="dog"><polygon frame="0" points="1,2;3,4" keyframe="1" outside="0"/></track></annotations>"""


def test_cvat_task(tmp_path, caplog):
    """What CVAT puts between key frames is no person's; an object is absent until the next key
    frame, though CVAT lists only the first frame of it.
    """
    (video,) = read(in_file(tmp_path, "annotations.xml", CVAT_TASK))
    assert (video.video, video.frame_count, video.size) == ("walk", 9, (200, 100))
    assert summary([video])[0] == (
        "walk",
        "0",
        "dog",
        {
            "1*": [1, 2, 3.5, 4],
            "2": [2, 2, 3.5, 4],
            "3*": None,
            "4*": None,
            "5*": None,
            "6*": [0, 0, 1, 1],
            "7*": None,
            "8*": None,
        },
    )
    assert "1 shapes that are no boxes are left out" in caplog.text


def test_cvat_project(tmp_path):
    box = '<box frame="{}" keyframe="1" outside="0" occluded="0" xtl="1" ytl="2" xbr="4" ybr="6"/>'
    text = (
        "<annotations><meta><project><name>p</name><tasks><task><id>3</id><name>walk</name></task><task><id>5</id>"
        "<name>run</name><original_size><width>8</width><height>6</height></original_size></task></tasks></project></meta>"
        f'<track id="0" label="dog" task_id="5">{box.format(4)}</track>'
        f'<track id="1" label="dog" task_id="3">{box.format(2)}</track></annotations>'
    )
    videos = read(in_file(tmp_path, "annotations.xml", text))
    assert summary(videos) == [
        ("walk", "1", "dog", {"2*": [1, 2, 3, 4]}),
        ("run", "0", "dog", {"4*": [1, 2, 3, 4]}),
    ]
    assert [video.size for video in videos] == [None, (8, 6)]


def key(frame, enabled=True, x=10.0):
    return {
        "frame": frame,
        "enabled": enabled,
        "rotation": 0,
        "x": x,
        "y": 20.0,
        "width": 30.0,
        "height": 40.0,
    }


REGION = {
    "framesCount": 8,
    "duration": 0.32,
    "labels": ["dog"],
    "sequence": [key(2), key(4, False, 20.0), key(7)],
}
IN_PIXELS = {
    "1*": [20, 20, 60, 40],
    "3*": [40, 20, 60, 40],
    "4*": None,
    "5*": None,
    "6*": [20, 20, 60, 40],
}
LABEL_STUDIO = {
    "upload": {
        "id": 4,
        "data": {"video": "/data/upload/1/0123abcd-walk.mp4"},
        "annotations": [
            {"was_cancelled": True, "result": []},
            {
                "result": [
                    {"id": "r1", "type": "videorectangle", "value": REGION},
                    {"id": "c", "type": "choices", "value": {"choices": ["x"]}},
                ]
            },
        ],
    },
    "local file": {
        "data": {"clip": "/data/local-files/?d=videos/walk.mp4"},
        "annotations": [{"result": [{"id": "r1", "type": "videorectangle", "value": REGION}]}],
    },
    "JSON-MIN": {"id": 4, "video": "walk.mp4", "box": [REGION]},
}


@pytest.mark.parametrize("case", LABEL_STUDIO)
def test_label_studio(case, tmp_path):
    """Frames count from 1, boxes are percent; not enabled: absent until the next key frame."""
    path = in_file(tmp_path, "tasks.json", [LABEL_STUDIO[case]])
    assert guess(path) == "labelstudio"
    (video,) = read(path, videos={"walk": (8, (200, 100)), "run": (8, (200, 100))})
    object_id = "1" if case == "JSON-MIN" else "r1"
    assert summary([video]) == [("walk", object_id, "dog", IN_PIXELS)]
    assert video.fps == 25


def test_label_studio_predictions_are_no_persons(tmp_path):
    task = {
        "data": {"video": "walk.mp4", "width": 200, "height": 100},
        "predictions": [
            {"result": [{"id": "r1", "type": "videorectangle", "value": {"sequence": [key(2)]}}]}
        ],
    }
    assert summary(read(in_file(tmp_path, "tasks.json", task))) == [
        ("walk", "r1", "", {"1": [20, 20, 60, 40]})
    ]


MOT = {
    "ground truth of the benchmark": (
        {
            "walk/gt/gt.txt": "1,3,11,21,30,40,1,1,0.8\n2,3,12,21,30,40,1,1,1\n",
            "walk/seqinfo.ini": "[Sequence]\nname=walk\nseqLength=20\nimWidth=200\nimHeight=100\n",
        },
        [("walk", "3", "", {"0*": [10, 20, 30, 40], "1*": [11, 20, 30, 40]})],
    ),
    "CVAT's, with names of classes": (
        {"walk/gt/gt.txt": "1,3,11,21,30,40,1,2,1\n", "walk/gt/labels.txt": "dog\ncat\n"},
        [("walk", "3", "cat", {"0*": [10, 20, 30, 40]})],
    ),
    "results of a tracker": (
        {"walk/det/det.txt": "1,3,11,21,30,40,0.5,-1,-1,-1\n2,3,11,21,30,40,-1,-1,-1,-1\n"},
        [("walk", "3", "", {"0": [10, 20, 30, 40], "1*": [10, 20, 30, 40]})],
    ),
}


@pytest.mark.parametrize("case", MOT)
def test_mot(case, tmp_path):
    files, expected = MOT[case]
    for name, text in files.items():
        in_file(tmp_path, name, text)
    assert guess(tmp_path) == "mot" and summary(read(tmp_path)) == expected
    assert summary(read(tmp_path / "walk")) == expected


YOLO = {
    "training labels": (
        {
            "labels/walk/000001.txt": "0 0.1 0.3 0.2 0.4\n",
            "labels/walk/000003.txt": "",
            "data.yaml": "path: x\nnames:\n  0: dog  \n  1: 'cat'\n",
        },
        [("walk", "1", "dog", {"0*": [0, 10, 40, 40], "2*": None})],
    ),
    "tracks of Ultralytics": (
        {
            "labels/walk_1.txt": "1 0.1 0.3 0.2 0.4 7\n",
            "labels/walk_10.txt": "1 0.1 0.3 0.2 0.4 7\n",
            "data.yaml": "names: [dog, cat]\n",
        },
        [("walk", "7", "cat", {"0*": [0, 10, 40, 40], "9*": [0, 10, 40, 40]})],
    ),
    "confidences, no ids, no names": (
        {"walk/1.txt": "1 0.1 0.3 0.2 0.4 0.7\n"},
        [("walk", "1", "", {"0": [0, 10, 40, 40]})],
    ),
    "two classes without ids": (
        {"walk/1.txt": "1 0.1 0.3 0.2 0.4\n0 0.1 0.3 0.2 0.4\n", "classes.txt": "dog\ncat\n"},
        [
            ("walk", "cat", "cat", {"0*": [0, 10, 40, 40]}),
            ("walk", "dog", "dog", {"0*": [0, 10, 40, 40]}),
        ],
    ),
}


@pytest.mark.parametrize("case", YOLO)
def test_yolo(case, tmp_path):
    files, expected = YOLO[case]
    for name, text in files.items():
        in_file(tmp_path, name, text)
    assert guess(tmp_path) == "yolo" and summary(read(tmp_path, videos=KNOWN)) == expected


def test_got10k_and_lasot_folders_of_the_data_sets(shared_dir):
    got = read(shared_dir / "data/got10k/val")
    assert len(got) == 4 and {video.frame_count for video in got} == {
        len(video.objects[0].frame_ids) for video in got
    }
    assert got[0].objects[0].label == "dog" and got[0].size == (480, 270)
    lasot = read(shared_dir / "data/lasot")
    assert {video.objects[0].label for video in lasot} == {"car", "face", "panda", "person"}
    car = next(video for video in lasot if video.video == "car-1")
    assert (
        car.objects[0].boxes_xywh[0].tolist() == [142, 125, 90, 39]
        and car.objects[0].frame_ids[0] == 0
    )


def test_absence_of_data_sets(tmp_path):
    in_file(tmp_path, "got/walk/groundtruth.txt", "1,2,3,4\n1,2,3,4\n0,0,0,0\nnan,nan,nan,nan\n")
    in_file(tmp_path, "got/walk/absence.label", "0\n1\n0\n0\n")
    assert summary(read(tmp_path / "got")) == [
        ("walk", "1", "", {"0*": [1, 2, 3, 4], "1*": None, "2*": None})
    ]
    in_file(tmp_path, "lasot/car/car-3/groundtruth.txt", "1,2,3,4\n1,2,3,4\n5,6,7,8\n")
    in_file(tmp_path, "lasot/car/car-3/full_occlusion.txt", "0,1,0")
    in_file(tmp_path, "lasot/car/car-3/out_of_view.txt", "0,0,1")
    assert guess(tmp_path / "lasot") == "lasot"
    assert summary(read(tmp_path / "lasot")) == [
        ("car-3", "1", "car", {"0*": [1, 2, 3, 4], "1*": None, "2*": None})
    ]


def test_key_frames_of_a_data_set_with_a_prefix(tmp_path):
    content = {
        "fs_settings": {"name": "x", "dataset": "LaSOT", "split": "train", "mode": "det", "num": 1},
        "failure_seqs": [],
        "sparse_sample_result": {
            "LaSOT_walk": [{"f_ids": [3, 5], "bboxes": [[1, 2, 3, 4], [5, 6, 7, 8]]}]
        },
    }
    path = in_file(tmp_path, "x.json", content)
    assert guess(path) == "keyframes"
    assert summary(read(path, videos=KNOWN)) == [
        ("walk", "1", "", {"3*": [1, 2, 3, 4], "5*": [5, 6, 7, 8]})
    ]


def test_a_folder_of_videos_says_what_files_do_not(tmp_path):
    """Sizes, numbers of frames and names of images, of the videos that are asked for only."""
    cv2 = pytest.importorskip("cv2")
    for number in (3, 7):
        (tmp_path / "walk").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"walk/shot{number}.png"), np.zeros((6, 8, 3), np.uint8))
    in_file(tmp_path, "broken/1.jpg", "no image")
    known = infos_of(VideoFolder(tmp_path, image_loader=image_loader.opencv_loader))
    assert known["walk"] == VideoInfo(2, (8, 6), None, ("shot3.png", "shot7.png"))
    filled = complete(VideoBoxes("walk", ()), known)
    assert (filled.frame_count, filled.size) == (2, (8, 6))
    assert complete(VideoBoxes("walk", (), 5, (1, 1)), known).size == (1, 1)
