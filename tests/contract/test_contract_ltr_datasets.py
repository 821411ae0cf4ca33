"""Contract checks I01-I04: training data sets on tiny trees."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ltr.dataset import Got10k, Lasot, MSCOCOSeq, TrackingNet

SIZE = (48, 64)
META = {
    "object_class": "bear",
    "motion_class": "running",
    "major_class": "animal",
    "root_class": "mammal",
    "motion_adverb": "fast",
}


@pytest.fixture(autouse=True)
def local_py(tmp_path, monkeypatch) -> Path:
    """ltr's local.py with a workspace and split lists below tmp_path."""
    path = tmp_path / "local.py"
    path.write_text(
        f"class EnvironmentSettings:\n    workspace_dir = {str(tmp_path / 'ws')!r}\n"
        f"    data_specs_dir = {str(tmp_path / 'specs')!r}\n"
    )
    (tmp_path / "specs").mkdir()
    monkeypatch.setenv("LTR_LOCAL", str(path))
    return path


def write_images(folder: Path, names) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for value, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((*SIZE, 3), 5 * value, np.uint8))


def boxes(count: int) -> str:
    return "".join(f"{10 + i}.00,12.00,20.00,16.00\n" for i in range(count))


def test_I01_got10k_annotation_meta_and_frames(tmp_path):
    for name in ("GOT-10k_Train_000001", "GOT-10k_Train_000002"):
        write_images(tmp_path / name, [f"{i:08d}.jpg" for i in range(1, 26)])
        (tmp_path / name / "groundtruth.txt").write_text(boxes(25))
        (tmp_path / name / "absence.label").write_text(
            "".join(f"{int(i == 5)}\n" for i in range(25))
        )
        (tmp_path / name / "cover.label").write_text(
            "".join(f"{0 if i == 6 else 4}\n" for i in range(25))
        )
        (tmp_path / name / "meta_info.ini").write_text(
            "[METAINFO]\nurl: x\nbegin: 0\nend: 1\nanno_fps: 10Hz\n"
            + "".join(f"{key}: {value}\n" for key, value in META.items())
        )
    (tmp_path / "list.txt").write_text("GOT-10k_Train_000001\nGOT-10k_Train_000002\n")
    data = Got10k(tmp_path)
    info = data.get_sequence_info(0)
    assert {key: value.dtype for key, value in info.items()} == {
        "bbox": torch.float32,
        "valid": torch.bool,
        "visible": torch.uint8,
        "visible_ratio": torch.float32,
    }
    assert (info["visible"] == 0).nonzero().flatten().tolist() == [5, 6] and info["visible_ratio"][
        0
    ] == 0.5
    frames, anno, meta = data.get_frames(0, [0, 3])
    assert [frame.shape for frame in frames] == [(*SIZE, 3)] * 2 and frames[0].dtype == np.uint8
    assert [box.tolist() for box in anno["bbox"]] == [[10, 12, 20, 16], [13, 12, 20, 16]]
    assert list(meta.items()) == [("object_class_name", "bear"), *list(META.items())[1:]]


def lasot_tree(root: Path) -> Path:
    for name in ("basketball", "airplane"):
        folder = root / name / f"{name}-1"
        folder.mkdir(parents=True)
    return root


def test_I02_lasot_vid_ids_take_one_video_of_each_class(tmp_path):
    assert Lasot(lasot_tree(tmp_path / "lasot"), vid_ids=[1]).sequence_list == [
        "airplane-1",
        "basketball-1",
    ]


def test_I02_lasot_split_train_is_the_list_of_1120(tmp_path):
    names = [f"class{i // 16:02d}-{i % 16 + 1}" for i in range(1120)]
    (tmp_path / "specs" / "lasot_train_split.txt").write_text("\n".join(names))
    assert Lasot(lasot_tree(tmp_path / "lasot"), split="train").sequence_list == names


@pytest.mark.parametrize(
    "arguments",
    [{}, {"vid_ids": [1], "split": "train"}, {"split": "val"}],
    ids=["neither", "both", "other split"],
)
def test_I02_lasot_needs_either_vid_ids_or_the_split(tmp_path, arguments):
    with pytest.raises(ValueError, match="Lasot"):
        Lasot(lasot_tree(tmp_path / "lasot"), **arguments)


def test_I03_trackingnet_pairs_and_frames_from_0(tmp_path):
    write_images(tmp_path / "TRAIN_0" / "frames" / "abc_0", [f"{i}.jpg" for i in range(12)])
    (tmp_path / "TRAIN_0" / "anno").mkdir()
    (tmp_path / "TRAIN_0" / "anno" / "abc_0.txt").write_text(boxes(12))
    data = TrackingNet(tmp_path, set_ids=[0])
    assert data.sequence_list == [(0, "abc_0")]
    assert [int(frame.mean().round()) for frame in data.get_frames(0, [0, 11])[0]] == [0, 55]


def test_I04_coco_sequences_of_one_image_without_crowds(tmp_path):
    write_images(tmp_path / "images" / "train2014", ["a.jpg"])
    square = [10, 8, 30, 8, 30, 20, 10, 20]
    annotations = [
        {
            "id": 5 + crowd,
            "image_id": 1,
            "category_id": 2,
            "iscrowd": crowd,
            "bbox": [10, 8, 20, 12],
            "area": 240,
            "segmentation": [square],
        }
        for crowd in (1, 0)
    ]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_train2014.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}],
                "annotations": annotations,
                "categories": [{"id": 2, "name": "cat"}],
            }
        )
    )
    data = MSCOCOSeq(tmp_path)
    assert (
        data.get_num_sequences() == 1
        and data.sequence_list == [5]
        and data.is_video_sequence() is False
    )
    info = data.get_sequence_info(0)
    assert (
        info["bbox"].shape == (1, 4)
        and info["mask"].shape == (1, *SIZE)
        and info["visible"].tolist() == [1]
    )
    frames, anno, meta = data.get_frames(0, [1, 1, 7])
    assert (
        len(frames) == 3
        and anno["bbox"][2].tolist() == [10, 8, 20, 12]
        and meta["object_class_name"] == "cat"
    )
