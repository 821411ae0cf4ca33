"""Detections from files: COCO and MOT, whose boxes become the same targets; single best boxes or
short tracks.
"""

import json

import cv2
import numpy as np
import pytest
import torch
import torchvision

from ltr.admin.errors import BadInput, BadValue, NotConfigured
from spot_ext.__main__ import main
from spot_ext.boxes.formats import label_file
from spot_ext.discover.detections import read_detections
from spot_ext.discover.detector import Detector

NAMES, IMAGES = ["a", "b"], {"a": tuple(f"{i:04d}.jpg" for i in (5, 6, 7)), "b": None}


def coco(images, annotations, **more):
    return json.dumps({"images": images, "annotations": annotations, **more})


def read(path, **more):
    return read_detections(path, NAMES, IMAGES.get, **more)


BOX = {"image_id": 1, "bbox": [10, 20, 30, 40], "score": 0.5}


@pytest.mark.parametrize(
    ("image", "more", "place"),
    [
        ({"file_name": "a/0006.jpg"}, {}, ("a", 1)),
        ({"file_name": "x/a/img/0007.jpg"}, {}, ("a", 2)),
        ({"file_name": "b/000004.jpg"}, {}, ("b", 3)),
        ({"file_name": "b/q.jpg", "frame_id": 8}, {}, ("b", 8)),
        (
            {"video_id": 3, "frame_index": 2, "file_name": "z.jpg"},
            {"videos": [{"id": 3, "name": "b.mp4"}]},
            ("b", 2),
        ),
    ],
    ids=["place among the images", "folder img", "numbers from 1", "frame_id from 0", "video_id"],
)
def test_coco_places(tmp_path, image, more, place):
    file = tmp_path / "d.json"
    file.write_text(coco([{"id": 1, **image}], [BOX, {**BOX, "score": 0.9}], **more))
    boxes, scores = read(file)[place[0]].frames[place[1]]
    assert boxes.tolist() == [[10, 20, 30, 40]] * 2 and scores.tolist() == [0.5, 0.9]
    assert read(file, least_score=0.6)[place[0]].frames[place[1]][1].tolist() == [0.9]


@pytest.mark.parametrize("layout", ["a.txt", "folder/a.txt", "folder/a/det/det.txt"])
def test_mot_places(tmp_path, layout):
    file = tmp_path / layout
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("1,-1,11,21,30,40,0.7,-1,-1,-1\n1,-1,1,1,5,5,-1\n\n6,-1,11 21 30,40,7\n")
    found = read(tmp_path / layout.split("/")[0])["a"]
    assert found.frames[0][0].tolist() == [[10, 20, 30, 40], [0, 0, 5, 5]] and found.frames[0][
        1
    ].tolist() == [0.7, 1]
    assert found.frames[5][1].tolist() == [1]
    assert found.longest_gap == 10 and len(found.at(3, None)[0]) == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.txt", "1,1,1,1,5,5,1\n", "its videos are called c"),
        ("a.txt", "0,1,1,1,5,5,1\n", "frames count from 1"),
        ("a.txt", "1,1,1,x,5,5\n", "a.txt line 1: '1,1,1,x,5,5'"),
        ("a.txt", "1,1,1,1,0,5\n", "above 0"),
        ("d.json", "[]", "a list of results alone"),
        ("d.json", "{", "not JSON"),
        ("d.json", coco([{"id": 1, "file_name": "a/9.jpg"}], []), "none of the video's 3 images"),
        ("d.json", coco([{"id": 1, "file_name": "9.jpg"}], []), "says which of the 2 videos"),
        ("d.json", coco([{"id": 2, "file_name": "a/0005.jpg"}], [BOX]), "no image with id 1"),
        (
            "d.json",
            coco([{"id": 1, "file_name": "a/0005.jpg"}], [{**BOX, "bbox": [1, 2, 3]}]),
            "not four numbers",
        ),
        ("folder/x.txt", "", "neither <video>.txt nor"),
    ],
)
def test_wrong_files(tmp_path, name, text, message):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    with pytest.raises(BadInput, match=message):
        read(file.parent if "/" in name else file)


@pytest.fixture
def detected(tmp_path):
    """A video of a moving square, and detections of it, of a still thing, and of a thing seen
    once.
    """
    texture = np.random.default_rng(0).integers(0, 255, (24, 24, 3), np.uint8)
    background = cv2.resize(
        np.random.default_rng(1).integers(0, 255, (12, 16, 3), np.uint8), (160, 120)
    )
    folder, lines = tmp_path / "videos" / "walk", []
    folder.mkdir(parents=True)
    for t in range(12):
        image = background.copy()
        image[40:64, 30 + 2 * t : 54 + 2 * t] = texture
        cv2.imwrite(str(folder / f"{t + 1:04d}.png"), image)
        lines += [
            f"{t + 1},-1,{31 + 2 * t},41,24,24,{0.7 + 0.02 * t:.2f}",
            f"{t + 1},-1,101,61,30,30,0.6",
        ]
    lines.append("4,-1,11,91,20,20,0.99")
    (tmp_path / "det.txt").write_text("\n".join(lines))
    return tmp_path


@pytest.mark.parametrize(("mode", "boxes"), [("mot", 12), ("det", 1)])
def test_detections_become_targets(detected, capsys, mode, boxes):
    main(
        [
            "discover",
            str(detected / "videos"),
            "--mode",
            mode,
            "--detections",
            str(detected / "det.txt"),
            "--out",
            str(detected / "found"),
            "--json",
        ]
    )
    labels = label_file.read(json.loads(capsys.readouterr().out)["labels"])
    paths = labels.videos["walk"].tracks
    assert (
        labels.mode == mode and len(paths) == 2
    )  # what moves and what stands still; not what was seen once
    assert [len(path.frame_ids) for path in paths] == [boxes] * 2
    frame_id = paths[0].frame_ids[-1]
    assert paths[0].boxes_xywh[-1].tolist() == [30 + 2 * frame_id, 40, 24, 24]


@pytest.fixture
def weights(tmp_path):
    """Random weights of torchvision's smallest detector, under the name of its own file."""
    torch.manual_seed(0)
    net = torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None
    )
    torch.save(net.state_dict(), tmp_path / "ssdlite320_mobilenet_v3_large_coco-a79551df.pth")
    return tmp_path


def test_a_detector_is_found_by_its_weights_and_looks_at_every_nth_frame(weights):
    frame = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    detector = Detector(weights, least_score=0.0, every=3)
    boxes, scores = detector.at(3, frame)
    assert (
        detector.name.startswith("ssdlite320")
        and len(boxes) == len(scores) > 0
        and detector.longest_gap == 6
    )
    assert (
        (boxes[:, 2:] >= 1).all()
        and (boxes[:, :2] >= 0).all()
        and (boxes[:, :2] + boxes[:, 2:] <= (160, 120)).all()
    )
    assert (
        len(detector.at(4, frame)[0]) == 0
        and len(Detector(weights, least_score=1.0).at(3, frame)[0]) == 0
    )


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            "fcos_resnet50_fpn_coco",
            NotConfigured,
            "no weights .*fcos_resnet50_fpn_coco.* --detections FILE",
        ),
        ("ssd300_vgg16_coco", BadValue, "does not hold the weights of ssd300_vgg16_coco"),
    ],
)
def test_missing_and_foreign_weights_are_a_sentence(weights, name, kind, message):
    torch.save({"a": torch.zeros(1)}, weights / "ssd300_vgg16_coco-0.pth")
    with pytest.raises(kind, match=message):
        Detector(weights, name)
