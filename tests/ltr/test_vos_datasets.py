"""DAVIS, YouTube-VOS, and LaSOT and GOT-10k with masks."""

import json
import logging

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadValue, MissingFile, NotConfigured
from ltr.data.image_loader import imwrite_indexed
from ltr.dataset import Davis, Got10kVOS, LasotVOS, YouTubeVOS, vos_base

SIZE = (40, 64)
BOXES = {1: (2, 3, 10, 12), 2: (30, 10, 6, 5)}  # x, y, w, h


def labels(*objects, shift=0, size=SIZE):
    image = np.zeros(size, np.uint8)
    for label in objects:
        x, y, w, h = BOXES.get(label, BOXES[1])
        image[y : y + h, x + shift : x + shift + w] = label
    return image


def write_video(trees, images, masks, frames, annotated, size=SIZE):
    """`annotated`: frame name -> labels that its mask shows."""
    trees.write_images(images, [f"{name}.jpg" for name in frames], size)
    masks.mkdir(parents=True)
    for number, name in enumerate(frames):
        if name in annotated:
            imwrite_indexed(
                masks / f"{name}.png", labels(*annotated[name], shift=number, size=size)
            )


@pytest.fixture
def davis_root(tmp_path, trees, local_py):
    root, frames = tmp_path / "DAVIS", [f"{i:05d}" for i in range(4)]
    for name, objects in (("bear", (1,)), ("dogs", (1, 2))):
        write_video(
            trees,
            root / "JPEGImages/480p" / name,
            root / "Annotations/480p" / name,
            frames,
            dict.fromkeys(frames, objects),
        )
    for version, split, names in (("2017", "val", "dogs\nbear\n"), ("2016", "val", "bear\n")):
        (root / "ImageSets" / version).mkdir(parents=True, exist_ok=True)
        (root / "ImageSets" / version / f"{split}.txt").write_text(names)
    return root


def test_davis_with_all_objects(davis_root, local_py):
    data = Davis(davis_root, split="val")
    assert (data.get_name(), data.sequence_list, data.is_mot_dataset()) == (
        "DAVIS/2017/val",
        ["dogs", "bear"],
        True,
    )
    info = data.get_sequence_info(0)
    assert info["object_ids"] == ["1", "2"] and info["object_sizes"].tolist() == [[120, 30]] * 4
    assert (
        info["visible"].dtype == torch.uint8
        and info["visible"].shape == (4, 2)
        and info["frame_shape"] == SIZE
    )
    frames, anno, _ = data.get_frames(0, [2, 0])
    assert frames[0].shape == (*SIZE, 3) and set(anno) == {
        "bbox",
        "mask",
        "object_sizes",
        "visible",
        "valid",
    }
    assert {key: box.tolist() for key, box in anno["bbox"][0].items()} == {
        "1": [4, 3, 10, 12],
        "2": [32, 10, 6, 5],
    }
    assert anno["mask"][0].unique().tolist() == [0, 1, 2]
    assert not list(davis_root.glob("*.json"))  # nothing is written beside the data


def test_davis_one_object_at_a_time(davis_root):
    data = Davis(davis_root, split="val", multiobj=False, vis_threshold=50)
    assert data.sequence_list == ["dogs_1", "dogs_2", "bear_1"]
    assert (
        data.get_visible(0).tolist() == [True] * 4 and data.get_visible(1).tolist() == [False] * 4
    )  # 30 pixels
    _, anno, _ = data.get_frames(1, [1])
    assert anno["bbox"][0].tolist() == [31, 10, 6, 5] and anno["mask"][0].unique().tolist() == [
        0,
        1,
    ]
    assert data.get_boxes(1, [0, 3]).tolist() == [[30, 10, 6, 5], [33, 10, 6, 5]]


def test_masks_are_decoded_once(davis_root, local_py, monkeypatch):
    Davis(davis_root, split="val").prepare()
    monkeypatch.setattr(
        vos_base, "imread_indexed", lambda path: pytest.fail(f"{path} decoded again")
    )
    assert Davis(davis_root, split="val").get_sequence_info(0)["object_ids"] == ["1", "2"]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"split": "test-challenge"}, ValueError, "Unknown split 'test-challenge'"),
        ({"version": "2018"}, BadValue, "Unknown version"),
        ({"split": "train"}, MissingFile, r"no .*2017.train\.txt"),
        ({"split": "val", "sequences": ["dog"]}, BadValue, "did you mean 'dogs'"),
    ],
    ids=["split", "version", "list", "sequence"],
)
def test_davis_refuses(davis_root, arguments, error, text):
    with pytest.raises(error, match=text):
        Davis(davis_root, **arguments)


@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({}, "davis_dir"),
        ({"split": "test-dev"}, "davis_testdev_dir"),
        ({"version": "2016"}, "davis16_dir"),
    ],
)
def test_each_part_of_davis_has_a_setting(local_py, options, setting):
    with pytest.raises(NotConfigured, match=f"{setting} is not set"):
        Davis(**options)


def test_lists_of_davis_2016_itself(davis_root):
    folder = davis_root / "ImageSets" / "480p"
    folder.mkdir()
    (folder / "train.txt").write_text(
        "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/bear/00000.png\n"
        "/JPEGImages/480p/bear/00001.jpg /Annotations/480p/bear/00001.png\n"
    )
    assert Davis(davis_root, version="2016", split="train").sequence_list == ["bear"]


@pytest.fixture
def youtube_root(tmp_path, trees, local_py):
    """Video a: object 2 starts on the second annotated frame, though meta.json says the first.
    Video b is narrow.
    """
    root = tmp_path / "youtube"
    for split in ("train", "valid"):
        base, frames = root / "2019" / split, ["00000", "00005", "00010"]
        write_video(
            trees,
            base / "JPEGImages/a",
            base / "Annotations/a",
            frames,
            {"00000": (1,), "00005": (1, 2), "00010": (2,)},
        )
        write_video(
            trees, base / "JPEGImages/b", base / "Annotations/b", frames, {"00005": (1,)}, (64, 40)
        )
        trees.write_images(
            root / "2019" / f"{split}_all_frames/JPEGImages/a",
            [f"{i:05d}.jpg" for i in range(12)],
            SIZE,
        )
        objects = {
            "1": {"category": "dog", "frames": frames[:2]},
            "2": {"category": "cat", "frames": frames},
        }
        meta = {
            "videos": {
                "b": {"objects": {"1": {"category": "ape", "frames": ["00005"]}}},
                "a": {"objects": objects},
            }
        }
        (base / "meta.json").write_text(json.dumps(meta))
    return root


def test_youtubevos_starts(youtube_root, caplog):
    data = YouTubeVOS(youtube_root, split="valid")
    assert data.get_name() == "YouTubeVOS/2019/valid" and data.sequence_list == ["a", "b"]
    first, second = data.get_sequence_list()
    assert first.object_ids == ["1", "2"] and first.multiobj_mode and first.dataset == "YouTubeVOS"
    assert {frame: init["object_ids"] for frame, init in first.init_data.items()} == {
        0: ["1"],
        1: ["2"],
    }
    assert first.init_data[1]["bbox"] == {"2": [31, 10, 6, 5]} and first.init_data[1][
        "mask"
    ].endswith("a/00005.png")
    assert "object 2 of a has no mask on frame 00000" in caplog.text
    assert list(second.init_data) == [1] and second.ground_truth_seg[0] is None
    caplog.clear()
    assert (
        YouTubeVOS(youtube_root, split="valid", cleanup=["starts"]).get_sequence_list()[0].init_data
        == first.init_data
    )
    assert caplog.text == ""


def test_youtubevos_all_frames_and_shapes(youtube_root):
    data = YouTubeVOS(youtube_root, split="valid", all_frames=True, sequences=["a"])
    (sequence,) = data.get_sequence_list()
    assert len(sequence.frames) == 12 and [
        i for i, mask in enumerate(sequence.ground_truth_seg) if mask
    ] == [0, 5, 10]
    assert list(sequence.init_data) == [0, 5]
    assert data.get_sequence_info(0)["visible"][:, 0].nonzero().flatten().tolist() == [0, 5]
    assert data.get_frames(0, [3])[1]["mask"][0].sum() == 0  # not annotated
    assert YouTubeVOS(youtube_root, cleanup=["aspect"]).sequence_list == ["a"]


def test_youtubevos_parts_of_train(youtube_root, local_py, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    assert (
        YouTubeVOS(youtube_root, split="jjtrain").sequence_list == ["a"]
        and "not the published split" in caplog.text
    )
    (tmp_path / "youtubevos_jjvalid.txt").write_text("b\n")
    local_py.write_text(local_py.read_text() + f"        self.data_specs_dir = {str(tmp_path)!r}\n")
    assert YouTubeVOS(youtube_root, split="jjvalid").sequence_list == ["b"]
    for wrong in ({"split": "jjval"}, {"cleanup": ["start"]}):
        with pytest.raises(BadValue, match="did you mean"):
            YouTubeVOS(youtube_root, **wrong)
    with pytest.raises(MissingFile, match="holds no folder 2018/"):
        YouTubeVOS(youtube_root, version="2018")
    with pytest.raises(MissingFile, match=r"no .*test.meta\.json"):
        YouTubeVOS(youtube_root, split="test")


def test_lasot_and_got10k_with_masks(lasot_root, got10k_root, local_py, tmp_path):
    local_py.write_text(
        local_py.read_text() + f"        self.lasot_dir = {str(lasot_root)!r}\n"
        f"        self.got10k_dir = {str(got10k_root)!r}\n"
        f"        self.pregenerated_masks = {str(tmp_path)!r}\n"
    )
    for name, folder in (("airplane-1", "lasot"), ("GOT-10k_Train_000001", "masks")):
        (tmp_path / folder / name).mkdir(parents=True)
        imwrite_indexed(tmp_path / folder / name / "00000011.png", labels(1, size=(48, 64)))
    lasot = LasotVOS()
    assert (
        lasot.get_sequence_length(0) == 5 and lasot.get_sequence_info(0)["bbox"][2, 0] == 20
    )  # frame 10 of the video
    assert (
        lasot.get_boxes(0, [2])[0, 0] == 20 and lasot.get_frames(0, [2])[1]["mask"][0].sum() == 120
    )
    (got10k_root / "list.txt").write_text(
        "GOT-10k_Train_000001\nGOT-10k_Train_000002\nGOT-10k_Train_004419\n"
    )
    got10k = Got10kVOS(tmp_path / "masks")
    assert (
        got10k.sequence_list == ["GOT-10k_Train_000001", "GOT-10k_Train_000002"]
        and got10k.has_segmentation_info()
    )
    assert got10k.get_frames(0, [10])[1]["mask"][0].dtype == torch.uint8
