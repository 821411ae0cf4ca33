"""Image data sets, and videos made of images."""

import json
import pickle

import cv2
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadInput, BadValue, MissingFile
from ltr.dataset import (
    ECSSD,
    HKUIS,
    LVIS,
    MSCOCO,
    SBD,
    ImagenetVID,
    MSCOCOSeq,
    MSRA10k,
    SyntheticVideo,
    SyntheticVideoBlend,
)
from ltr.dataset import coco_annotations as coco

SQUARE = [10, 8, 30, 8, 30, 20, 10, 20]  # the pixels 10..29 x 8..19
SIZE = (48, 64)


def coco_content():
    """A square of class cat, a small uncompressed mask of class dog, a crowd."""
    common = {"image_id": 7, "iscrowd": 0}
    runs = {
        "counts": [48 * 3 + 2, 4, 44, 4, 48 * 64 - 198],
        "size": list(SIZE),
    }  # columns 3 and 4, rows 2 to 5
    return {
        "images": [{"id": 7, "file_name": "a.jpg", "height": SIZE[0], "width": SIZE[1]}],
        "categories": [{"id": 3, "name": "dog"}, {"id": 5, "name": "cat"}],
        "annotations": [
            {
                "id": 11,
                "category_id": 5,
                "bbox": [10, 8, 20, 12],
                "area": 240.0,
                "segmentation": [SQUARE],
                **common,
            },
            {
                "id": 12,
                "category_id": 3,
                "bbox": [3, 2, 2, 4],
                "area": 8.0,
                "segmentation": runs,
                **common,
            },
            {
                "id": 13,
                "category_id": 3,
                "bbox": [0, 0, 9, 9],
                "area": 81.0,
                "segmentation": [SQUARE],
                **common,
                "iscrowd": 1,
            },
        ],
    }


@pytest.fixture
def coco_root(tmp_path, trees, local_py):
    root = tmp_path / "coco"
    trees.write_images(root / "images" / "train2014", ["a.jpg"])
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train2014.json").write_text(json.dumps(coco_content()))
    return root


def test_objects_of_coco(coco_root):
    data = MSCOCO(coco_root)
    assert (
        data.image_list == [11, 12]
        and data.class_list == ["cat", "dog"]
        and data.get_images_in_class("dog") == [1]
    )
    info = data.get_image_info(0)
    assert (
        info["bbox"].tolist() == [10, 8, 20, 12]
        and info["mask"].shape == SIZE
        and bool(info["valid"])
    )
    assert info["mask"].numpy()[8:20, 10:30].all() and info["mask"].sum() == 240
    rows, columns = data.get_image_info(1)["mask"].nonzero(as_tuple=True)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (r, c) for r in range(2, 6) for c in (3, 4)
    }
    image, anno, meta = data.get_image(1)
    assert (
        image.shape == (*SIZE, 3)
        and meta["object_class_name"] == "dog"
        and anno["bbox"].tolist() == [3, 2, 2, 4]
    )
    assert MSCOCO(coco_root, min_area=8).image_list == [11]


def test_json_is_read_once_and_again_when_it_changes(coco_root, monkeypatch):
    first = MSCOCOSeq(coco_root)
    calls = []
    parse = coco._parse
    monkeypatch.setattr(coco, "_parse", lambda file: calls.append(file) or parse(file))
    again = pickle.loads(pickle.dumps(MSCOCOSeq(coco_root)))
    assert calls == [] and all(
        torch.equal(a, b)
        for a, b in zip(
            first.get_sequence_info(1).values(), again.get_sequence_info(1).values(), strict=True
        )
    )
    content = coco_content()
    del content["annotations"][0]
    (coco_root / "annotations" / "instances_train2014.json").write_text(json.dumps(content))
    assert MSCOCOSeq(coco_root).sequence_list == [12] and len(calls) == 1


@pytest.mark.parametrize(
    "ring",
    [SQUARE, [5.3, 4.1, 40.2, 9.7, 22.5, 40.4], [1, 1, 60, 1, 60, 3.4, 1, 3.4]],
    ids=["square", "triangle", "thin"],
)
def test_polygons_agree_with_pycocotools(tmp_path, no_local_py, ring):
    tools = pytest.importorskip(
        "pycocotools.mask", reason="compares with pycocotools, the extra 'coco'"
    )
    content = coco_content()
    content["annotations"] = [{**content["annotations"][0], "segmentation": [ring]}]
    (tmp_path / "a.json").write_text(json.dumps(content))
    ours = coco.CocoAnnotations(tmp_path / "a.json", "COCO").mask(0)
    theirs = tools.decode(tools.merge(tools.frPyObjects([ring], *SIZE)))
    differ = np.argwhere(ours != theirs)
    edge = cv2.morphologyEx(theirs, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    assert edge[tuple(differ.T)].all()


def test_compressed_masks(tmp_path, no_local_py, monkeypatch):
    tools = pytest.importorskip(
        "pycocotools.mask", reason="compressed masks need pycocotools, the extra 'coco'"
    )
    mask = (np.random.default_rng(0).random(SIZE) > 0.7).astype(np.uint8)
    content = coco_content()
    runs = tools.encode(np.asfortranarray(mask))["counts"].decode()
    content["annotations"][0]["segmentation"] = {"size": SIZE, "counts": runs}
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert np.array_equal(coco.CocoAnnotations(tmp_path / "a.json", "COCO").mask(0), mask)
    monkeypatch.setitem(__import__("sys").modules, "pycocotools.mask", None)
    with pytest.raises(BadInput, match=r"\[coco\]"):
        coco.CocoAnnotations(tmp_path / "a.json", "COCO")


def test_coco_errors(coco_root):
    with pytest.raises(MissingFile, match=r"instances_val2014\.json"):
        MSCOCO(coco_root, split="val")
    (coco_root / "annotations" / "instances_train2014.json").write_text("[1]")
    with pytest.raises(BadValue, match="no annotation file in COCO's format"):
        MSCOCO(coco_root)


@pytest.mark.parametrize(
    ("file", "image", "where"),
    [
        ("lvis_v0.5_train.json", {"file_name": "a.jpg"}, "images/train2017"),
        ("lvis_v1_train.json", {"coco_url": "http://x/val2017/a.jpg"}, "images/val2017"),
    ],
    ids=["0.5", "1"],
)
def test_lvis(tmp_path, trees, local_py, file, image, where):
    trees.write_images(tmp_path / where, ["a.jpg"])
    content = coco_content()
    content["images"] = [{"id": 7, "height": SIZE[0], "width": SIZE[1], **image}]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / file).write_text(json.dumps(content))
    data = LVIS(tmp_path)
    assert data.get_name() == "lvis" and data.get_image(0)[0].shape == (*SIZE, 3)


MASKS = {
    "ecssd": (ECSSD, "images/{:04d}.jpg", "ground_truth_mask/{:04d}.png"),
    "msra10k": (MSRA10k, "Imgs/{}.jpg", "Imgs/{}.png"),
    "hku-is": (HKUIS, "imgs/{}.png", "gt/{}.png"),
}


@pytest.mark.parametrize(("dataset", "image", "mask"), MASKS.values(), ids=MASKS)
def test_mask_images(tmp_path, trees, local_py, monkeypatch, dataset, image, mask):
    monkeypatch.setattr("ltr.dataset.ecssd._IMAGES", 3)
    for number in (1, 2, 3):
        labels = np.zeros(SIZE, np.uint8)
        labels[4 : 4 + number, 6:16] = 255
        labels[30:, 40:] = 100  # not the object
        trees.write_images(
            (tmp_path / image.format(number)).parent, [image.format(number).split("/")[1]]
        )
        (tmp_path / mask.format(number)).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / mask.format(number)), labels)
    data = dataset(tmp_path)
    assert data.get_name() in MASKS and len(data) == 3
    picture, anno, _ = data.get_image(1)
    assert (
        picture.shape == (*SIZE, 3)
        and anno["bbox"].tolist() == [6, 4, 10, 2]
        and anno["mask"].sum() == 20
    )
    assert len(dataset(tmp_path, min_area=20)) == 1
    with pytest.raises(NotImplementedError, match="data_fraction"):
        dataset(tmp_path, data_fraction=0.5)


def test_sbd(tmp_path, trees, local_py):
    from scipy.io import savemat

    labels = np.zeros(SIZE, np.uint8)
    labels[2:5, 3:9], labels[20:30, 30:33] = 1, 2
    (tmp_path / "inst").mkdir()
    savemat(tmp_path / "inst" / "p.mat", {"GTinst": {"Segmentation": labels, "Categories": [1, 2]}})
    trees.write_images(tmp_path / "img", ["p.jpg"])
    (tmp_path / "train_noval.txt").write_text("p\n")
    data = SBD(tmp_path, split="train_noval")
    assert data.image_list == [("p", 1), ("p", 2)] and data.get_image_info(1)["bbox"].tolist() == [
        30,
        20,
        3,
        10,
    ]
    assert data.get_image(0)[0].shape == (*SIZE, 3)
    with pytest.raises(BadValue, match="did you mean 'train_noval'"):
        SBD(tmp_path, split="train_nova")


def xml(objects):
    found = "".join(
        f"<object><trackid>{track}</trackid><name>n0{track}</name><occluded>{hidden}</occluded>"
        f"<bndbox><xmax>{x + 10}</xmax><xmin>{x}</xmin><ymax>20</ymax><ymin>4</ymin></bndbox></object>"
        for track, x, hidden in objects
    )
    return f"<annotation><size><width>64</width><height>48</height></size>{found}</annotation>"


def test_imagenet_vid(tmp_path, trees, local_py):
    """Track 1 is missing on frame 2, track 2 hidden on frame 1."""
    place = "ILSVRC2015_VID_train_0001/ILSVRC2015_train_00000003"
    folder = tmp_path / "Annotations/VID/train" / place
    folder.mkdir(parents=True)
    for frame in range(5):
        tracks = [(1, frame, 0)] * (frame != 2) + [(2, 30 + frame, int(frame == 1))]
        (folder / f"{frame:06d}.xml").write_text(xml(tracks))
    trees.write_images(
        tmp_path / "Data/VID/train" / place, [f"{frame:06d}.JPEG" for frame in range(5)]
    )
    data = ImagenetVID(tmp_path)
    assert [
        (t.set_id, t.vid_id, t.class_name, t.start_frame, t.stop - t.first)
        for t in data.sequence_list
    ] == [(1, 3, "n01", 0, 2), (1, 3, "n02", 0, 5), (1, 3, "n01", 3, 2)]
    assert (
        data.get_sequence_info(1)["visible"].tolist() == [1, 0, 1, 1, 1]
        and data.get_sequence_length(2) == 2
    )
    frames, anno, meta = data.get_frames(2, [1])
    assert (
        frames[0].shape == (48, 64, 3)
        and anno["bbox"][0].tolist() == [4, 4, 10, 16]
        and meta["object_class"] == "n01"
    )
    assert data.frame_path(2, 1).name == "000004.JPEG" and data.get_boxes(2, [0]).tolist() == [
        [3, 4, 10, 16]
    ]
    assert len(ImagenetVID(tmp_path, min_length=3)) == 1 and not (tmp_path / "cache.json").exists()
    with pytest.raises(BadValue, match="no track of 9 frames"):
        ImagenetVID(tmp_path, min_length=9)
    with pytest.raises(BadValue, match="no track"):
        ImagenetVID(tmp_path, max_target_area=0.1)  # the square root of 10 x 16 of 64 x 48 is 0.23


def shift(image, bbox, mask, joint):
    """A transform: every frame one pixel further to the right."""
    assert joint is False
    return (
        [np.roll(frame, i, 1) for i, frame in enumerate(image)],
        bbox,
        [torch.roll(m, i, 1) for i, m in enumerate(mask)],
    )


def test_synthetic_videos(coco_root):
    base = MSCOCO(coco_root)
    plain = SyntheticVideo(base)
    assert (
        plain.get_name(),
        len(plain),
        plain.is_video_sequence(),
        plain.is_synthetic_video_dataset(),
    ) == ("coco_syn_vid", 2, False, True)
    assert plain.get_sequence_info(0)["mask"].shape == (1, *SIZE)
    frames, anno, meta = SyntheticVideo(base, shift).get_frames(1, [0, 0, 0])
    assert [box.tolist()[0] for box in anno["bbox"]] == [3, 4, 5] and meta[
        "object_class_name"
    ] == "dog"
    assert np.array_equal(frames[2], np.roll(frames[0], 2, 1)) and not np.shares_memory(
        frames[0], frames[1]
    )


def test_objects_pasted_before_another_background(coco_root, tmp_path):
    class Grey(MSCOCO):
        def get_image(self, image_id, anno=None):
            _, info, meta = super().get_image(image_id, anno)
            return np.full((24, 30, 3), 77, np.uint8), info, meta

    base = MSCOCO(coco_root)
    data = SyntheticVideoBlend(base, Grey(coco_root), shift)
    frames, anno, _ = data.get_frames(0, [0, 0])
    mask, image = anno["mask"][1].numpy() > 0, np.roll(base.get_image(0)[0], 1, 1)
    assert data.get_name() == "coco_syn_vid_blend" and (frames[1][~mask] == 77).all()
    assert np.array_equal(frames[1][mask], image[mask])
