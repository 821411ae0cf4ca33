"""Every data set on a tree of its layout: names, frames, boxes, exceptions, and what is said when
something is missing.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import re
from pathlib import Path

import numpy as np
import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile, NotConfigured
from ltr.data.image_loader import imwrite_indexed
from pytracking.evaluation import get_dataset, get_dataset_attributes
from pytracking.evaluation.datasets import dataset_dict, load_dataset

BOXES = "1,2,3,4\n"


def write(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def settings(machine, monkeypatch):
    """Give attributes of local.py a folder of their name below the test's folder, or the given
    value; return the folders. The training's local.py does not exist.
    """
    monkeypatch.setenv("LTR_LOCAL", str(machine.root / "no_ltr_local.py"))

    def give(*names: str, **values) -> list[Path]:
        values = {**{name: machine.root / name for name in names}, **values}
        text = "".join(f"    settings.{name} = {str(value)!r}\n" for name, value in values.items())
        machine.local.write_text(
            machine.local.read_text().replace("    return", f"{text}    return")
        )
        for folder in values.values():
            Path(folder).mkdir(exist_ok=True)
        return [machine.root / name for name in names]

    return give


def ends(base: Path, seq) -> tuple[str, str, int]:
    """First and last frame below `base`, and the number of frames, which is that of boxes."""
    assert len(seq.frames) == len(seq.ground_truth_rect)
    return (
        *(str(Path(frame).relative_to(base)) for frame in (seq.frames[0], seq.frames[-1])),
        len(seq.frames),
    )


def test_nfs(settings):
    (base,) = settings("nfs_path")
    for name in ("airboard_1", "Gymnastics"):
        write(base / "anno" / f"nfs_{name}.txt", "10\t20\t30.5\t40\n" * 3)
    sequences = get_dataset("nfs")
    assert [seq.name for seq in sequences] == ["nfs_Gymnastics", "nfs_airboard_1"] and sequences[
        0
    ].dataset == "nfs"
    assert ends(base, sequences[1]) == (
        "sequences/airboard_1/00001.jpg",
        "sequences/airboard_1/00003.jpg",
        3,
    )
    assert sequences[0].ground_truth_rect[0].tolist() == [10, 20, 30.5, 40]


def test_uav_parts_share_a_frame(settings):
    (base,) = settings("uav_path")
    rows = {
        "car1_1": 10,
        "car1_2": 5,
        "car1_3": 4,
        "bird1_1": 8,
        "bird1_2": 3,
        "bird1_3": 3,
        "car1_s": 6,
        "bike1": 2,
    }
    for name, count in rows.items():
        write(
            base / "anno" / "UAV123" / f"{name}.txt",
            "1,2,3,4\n" * (count - 1) + "NaN,NaN,NaN,NaN\n",
        )
    sequences = get_dataset("uav")
    assert [seq.name for seq in sequences] == sorted(f"uav_{name}" for name in rows) and sequences[
        0
    ].dataset == "uav"
    numbers = {
        seq.name[4:]: (frame := ends(base / "data_seq" / "UAV123", seq), int(frame[0][-10:-4]))[1]
        for seq in sequences
    }
    assert numbers == {
        "car1_1": 1,
        "car1_2": 10,
        "car1_3": 14,
        "bird1_1": 1,
        "bird1_2": 775,
        "bird1_3": 1573,
        "car1_s": 1,
        "bike1": 1,
    }
    assert sequences["uav_car1_3"].frames[0].endswith("UAV123/car1/000014.jpg")
    assert sequences["uav_car1_s"].frames[0].endswith("UAV123/car1_s/000001.jpg")
    assert np.isnan(sequences["uav_bike1"].ground_truth_rect[1]).all()
    (base / "anno" / "UAV123" / "car1_2.txt").unlink()
    with pytest.raises(
        MissingFile, match=r"no anno/UAV123/car1_2\.txt .* tells where car1_3 starts"
    ):
        get_dataset("uav")


def test_uav_rule_gives_the_frames_of_the_got10k_toolkit(settings):
    spec = importlib.util.find_spec("got10k")
    if spec is None:
        pytest.skip(
            "the GOT-10k toolkit, whose table of UAV123 this compares with, is not installed: pip "
            "install got10k"
        )
    table = json.loads((Path(spec.origin).parent / "datasets" / "uav123.json").read_text())[
        "UAV123"
    ]
    (base,) = settings("uav_path")
    for name, entry in table.items():
        write(
            base / "anno" / "UAV123" / f"{name}.txt",
            BOXES * (entry["end_frame"] - entry["start_frame"] + 1),
        )
    infos = load_dataset("uav").sequence_info_list
    assert {
        info["name"][4:]: (info["path"].rpartition("/")[2], info["startFrame"], info["endFrame"])
        for info in infos
    } == {
        name: (entry["folder_name"], entry["start_frame"], entry["end_frame"])
        for name, entry in table.items()
    }


@pytest.mark.parametrize(
    "folder, file, rows, expected",
    [
        (
            "tpl_Airport_ce",
            "Airport_ce_gt.txt",
            3,
            ("tpl_Airport_ce/img/0001.jpg", "tpl_Airport_ce/img/0003.jpg", 3),
        ),
        (
            "tpl_David",
            "David_gt.txt",
            471,
            ("tpl_David/img/0300.jpg", "tpl_David/img/0770.jpg", 471),
        ),
        (
            "tpl_Busstation_ce2",
            "Busstation_ce2_gt.txt",
            395,
            ("tpl_Busstation_ce2/img/0006.jpg", "tpl_Busstation_ce2/img/0400.jpg", 395),
        ),
        (
            "tpl_Hurdle_ce2",
            "Hurdle_ce2_gt.txt",
            304,
            ("tpl_Hurdle_ce2/img/0027.jpg", "tpl_Hurdle_ce2/img/0330.jpg", 304),
        ),
        (
            "tpl_Yo_yos_ce1",
            "Yo-yos_ce1_gt.txt",
            2,
            ("tpl_Yo_yos_ce1/img/0001.jpg", "tpl_Yo_yos_ce1/img/0002.jpg", 2),
        ),
        (
            "Yo-yos_ce1",
            "Yo-yos_ce1_gt.txt",
            2,
            ("Yo-yos_ce1/img/0001.jpg", "Yo-yos_ce1/img/0002.jpg", 2),
        ),
    ],
)
def test_temple_color(settings, folder, file, rows, expected):
    (base,) = settings("tpl_path")
    write(base / folder / file, BOXES * rows)
    (seq,) = get_dataset("tpl")
    assert ends(base, seq) == expected and seq.dataset == "tpl" and seq.object_class is None
    assert seq.name == f"tpl_{folder.removeprefix('tpl_').replace('-', '_')}"


def test_temple_color_without_otb(settings):
    (base,) = settings("tpl_path")
    for name in ("Airport_ce", "Basketball", "Bicycle", "Girlmov", "Jogging1", "Skating_ce2"):
        write(base / f"tpl_{name}" / f"{name}_gt.txt", BOXES)
    assert [seq.name for seq in get_dataset("tpl_nootb")] == [
        "tpl_Airport_ce",
        "tpl_Bicycle",
        "tpl_Skating_ce2",
    ]
    assert len(load_dataset("tpl")) == 6


def test_vot_list_order_and_folders_of_other_years(settings):
    (base,) = settings("vot_path")
    for name in ("bag", "ants"):
        write(base / name / "groundtruth.txt", BOXES * 2)
    write(base / "ants" / "00000001.jpg")
    assert [seq.name for seq in get_dataset("vot")] == ["ants", "bag"]
    write(base / "list.txt", "bag\nants\n")
    bag, ants = get_dataset("vot")
    assert (
        ends(base, bag)[0] == "bag/color/00000001.jpg"
        and ends(base, ants)[0] == "ants/00000001.jpg"
    )


@pytest.mark.parametrize(
    "rows, expected", [("m0,0,3,3,1,2,3\n", "holds masks"), ("1,2,3,4,5\n", "rows of 5 numbers")]
)
def test_vot_rows_that_are_no_boxes(settings, rows, expected):
    (base,) = settings("vot_path")
    write(base / "ants" / "groundtruth.txt", rows)
    with pytest.raises(BadInput, match=expected):
        _ = get_dataset("vot")[0].ground_truth_rect


def test_avist(settings):
    (base,) = settings("avist_path")
    for name in ("zebra", "Bear"):
        write(base / "anno" / f"{name}.txt", "1 2 3 4\n" * 3)
        write(base / "full_occlusion" / f"{name}_full_occlusion.txt", "0,1,0")
        write(base / "out_of_view" / f"{name}_out_of_view.txt", "0,0,1")
    sequences = get_dataset("avist")
    assert [seq.name for seq in sequences] == ["Bear", "zebra"] and sequences[0].dataset == "avist"
    assert sequences[1].target_visible.tolist() == [True, False, False]
    assert ends(base, sequences[1]) == (
        "sequences/zebra/img_00001.jpg",
        "sequences/zebra/img_00003.jpg",
        3,
    )
    write(base / "out_of_view" / "Bear_out_of_view.txt", "0,0")
    with pytest.raises(
        BadValue, match=r"Bear_full_occlusion\.txt and .*Bear_out_of_view\.txt hold 3 and 2 entries"
    ):
        _ = get_dataset("avist")[0].frames


def write_lasot(base: Path, *names: str) -> None:
    for name in names:
        folder = base / name.rpartition("-")[0] / name
        write(folder / "groundtruth.txt", BOXES * 2)
        for kind in ("full_occlusion", "out_of_view"):
            write(folder / f"{kind}.txt", "0,0")


def test_lasot_extension_subset(settings):
    (base,) = settings("lasot_extension_subset_path")
    write_lasot(base, "wingsuit-10", "wingsuit-2", "atv-1")
    sequences = get_dataset("lasot_extension_subset")
    assert [seq.name for seq in sequences] == ["atv-1", "wingsuit-2", "wingsuit-10"]
    assert sequences[0].dataset == "lasot_extension_subset" and sequences[0].object_class == "atv"
    assert ends(base, sequences[0]) == (
        "atv/atv-1/img/00000001.jpg",
        "atv/atv-1/img/00000002.jpg",
        2,
    )


@pytest.mark.parametrize(
    "lists, more, test, train",
    [
        ({"testing_set.txt": "b-5"}, [], ["b-5"], ["b-1", "b-2"]),
        ({"training_set.txt": "b-2 b-5"}, [], ["b-1"], ["b-2", "b-5"]),
        ({"../specs/lasot_train_split.txt": "b-2"}, [], ["b-1", "b-5"], ["b-2"]),
        ({}, [], ["b-1", "b-2", "b-5"], ["b-1", "b-2"]),
        ({}, ["b-10", "b-11"], ["b-5", "b-10"], ["b-1", "b-2", "b-11"]),
    ],
    ids=["testing_set", "training_set", "pytracking's list", "4 a class", "rule"],
)
def test_lasot_train_and_test_lists(settings, machine, lists, more, test, train):
    settings(dataspec_path=machine.root / "specs")
    write_lasot(machine.lasot_path, "b-1", "b-2", "b-5", *more)
    for file, text in lists.items():
        write(machine.lasot_path / file, text)
    assert (
        load_dataset("lasot").sequence_list == test
        and load_dataset("lasot_train").sequence_list == train
    )


def test_got10k_ltrval_takes_pytrackings_ids_or_what_training_leaves(settings, machine, trees):
    names = [f"GOT-10k_Train_{number:06d}" for number in range(1, 16)]
    trees.write_got10k(machine.got10k_path / "train", names, frames=1)
    from ltr.dataset import Got10k

    held_out = [seq.name for seq in get_dataset("got10k_ltrval")]
    assert held_out == [names[6], names[13]]
    assert not set(held_out) & set(
        Got10k(machine.got10k_path / "train", split="train").sequence_list
    )
    settings(dataspec_path=machine.root / "specs")
    write(machine.root / "specs" / "got10k_val_split.txt", "3\n0\n")
    assert [seq.name for seq in get_dataset("got10k_ltrval")] == [names[3], names[0]]
    with pytest.raises(BadValue, match="unknown split 'trian', use val or test or ltrval"):
        load_dataset("got10k_val", split="trian")


def vos_tree(machine, trees, name: str) -> tuple[str, str]:
    """Sequence and mask file of a tree for the data set `name`."""
    if name == "trackingnetvos":
        write(machine.trackingnet_path / "TEST" / "anno" / "s.txt", BOXES)
        trees.write_frames(machine.trackingnet_path / "TEST" / "frames" / "s", ["0.jpg", "1.jpg"])
        return "trackingnet_mask_path", "s/0.png"
    if name == "lasotvos":
        write_lasot(machine.lasot_path, "b-5")
        return "lasot_mask_path", "b-5/00000001.png"
    trees.write_got10k(machine.got10k_path / "val", ["s"], frames=2)
    return "got10k_mask_path", "s/00000001.png"


@pytest.mark.parametrize("name", ["trackingnetvos", "lasotvos", "got10kvos_val"])
def test_vos_mode_starts_from_box_and_mask(settings, machine, trees, name, caplog):
    attribute, mask_file = vos_tree(machine, trees, name)
    with pytest.raises(NotConfigured, match=f"{attribute} is not set .* first-frame masks"):
        get_dataset(name)
    (base,) = settings(attribute)
    with caplog.at_level(logging.ERROR):
        assert get_dataset(name)[0].init_info().keys() == {"init_bbox"}
    assert f"there is no mask {base / mask_file}" in caplog.text
    (base / mask_file).parent.mkdir()
    imwrite_indexed(str(base / mask_file), np.eye(3, dtype=np.uint8))
    seq = get_dataset(name)[0]
    assert (
        seq.init_info()["init_mask"].tolist() == np.eye(3).tolist()
        and seq.init_info()["init_bbox"] is not None
    )
    assert len(seq.ground_truth_seg) == len(seq.frames) == 2


def test_lagot_with_all_objects(settings, machine):
    (base,) = settings("lagot_path")
    machine.lasot_path.mkdir()
    file = base / "LaGOT_multiple_object_per_sequence_annotations_final.json"
    entry = {
        "xywh": {"3": [[1, 2, 3, 4], [-1] * 4], "12": [[5, 6, 7, 8]] * 2},
        "frames": ["a/1.jpg", "a/2.jpg"],
    }
    write(file, json.dumps({"airplane-1": entry}))
    (seq,) = get_dataset("lagot")
    assert (
        seq.object_ids == ["3", "12"]
        and seq.multiobj_mode
        and seq.frames[1] == str(machine.lasot_path / "a/2.jpg")
    )
    assert seq.init_info() == {
        "init_bbox": {"3": [1, 2, 3, 4], "12": [5, 6, 7, 8]},
        "init_object_ids": ["3", "12"],
        "object_ids": ["3", "12"],
        "sequence_object_ids": ["3", "12"],
    }
    entry["xywh"]["3"][0] = [-1] * 4
    write(file, json.dumps({"airplane-1": entry}))
    with pytest.raises(BadValue, match="object 3 of airplane-1 has no box on the first frame"):
        _ = get_dataset("lagot")[0].frames


def write_masks(images: Path, masks: Path, ending: str = "jpg") -> None:
    """Two frames: object 1 on both, object 2 from the second on."""
    labels = np.zeros((60, 80), np.uint8)
    labels[10:20, 10:30] = 1
    for number in range(2):
        labels[40:50, 40:60] = 2 * number
        masks.mkdir(parents=True, exist_ok=True)
        imwrite_indexed(str(masks / f"{number:05d}.png"), labels)
        write(images / f"{number:05d}.{ending}")


@pytest.mark.parametrize(
    "name, attribute, tag",
    [("dv2017_val", "davis_dir", "DAVIS"), ("yt2019_valid", "youtubevos_dir", "YouTubeVOS")],
)
def test_objects_of_vos_data_sets_start_where_their_mask_does(settings, name, attribute, tag):
    (base,) = settings(attribute)
    if tag == "DAVIS":
        write(base / "ImageSets" / "2017" / "val.txt", "dog\n")
        write_masks(base / "JPEGImages" / "480p" / "dog", base / "Annotations" / "480p" / "dog")
    else:
        write(
            base / "2019" / "valid" / "meta.json",
            json.dumps(
                {
                    "videos": {
                        "dog": {"objects": {"1": {"frames": ["00000"]}, "2": {"frames": ["00001"]}}}
                    }
                }
            ),
        )
        write_masks(base / "2019/valid/JPEGImages/dog", base / "2019/valid/Annotations/dog")
    seq = get_dataset(name)["dog"]
    assert (
        seq.dataset == tag
        and seq.object_ids == ["1", "2"]
        and seq.multiobj_mode
        and len(seq.frames) == 2
    )
    start, later = seq.init_info(), seq.frame_info(1)
    assert start["init_object_ids"] == ["1"] and start["init_bbox"] == {"1": [10, 10, 20, 10]}
    assert later["init_object_ids"] == ["2"] and later["init_bbox"] == {"2": [40, 40, 20, 10]}
    assert np.unique(start["init_mask"]).tolist() == [0, 1] and np.unique(
        later["init_mask"]
    ).tolist() == [0, 1, 2]
    assert later["object_ids"] == later["sequence_object_ids"] == ["1", "2"]


def test_vos_data_sets_may_lie_where_the_trainings_local_file_says(settings, machine, monkeypatch):
    monkeypatch.setenv("LTR_LOCAL", str(machine.root / "ltr_local.py"))
    write(
        machine.root / "ltr_local.py",
        "class EnvironmentSettings:\n    def __init__(self):\n"
        f"        self.davis_dir = '{machine.root}/davis'\n",
    )
    write(machine.root / "davis" / "ImageSets" / "2017" / "val.txt", "dog\n")
    assert len(load_dataset("dv2017_val")) == 1


def test_masks_of_davis_challenge_are_not_public(settings):
    settings("davis_dir")
    with pytest.raises(ValueError, match="Unknown split"):
        get_dataset("dv2017_test_chal")


@pytest.mark.parametrize(
    "name, attribute, files, kind, expected",
    [
        (
            "nfs",
            "nfs_path",
            {},
            MissingFile,
            r"NFS: no anno/nfs_<sequence>\.txt in '.*nfs_path' - point nfs_path in .*local\.py",
        ),
        ("uav", "uav_path", {}, MissingFile, r"no anno/UAV123/<sequence>\.txt"),
        ("tpl", "tpl_path", {}, MissingFile, r"no tpl_<sequence>/<sequence>_gt\.txt"),
        ("vot", "vot_path", {}, MissingFile, r"no <sequence>/groundtruth\.txt"),
        (
            "vot",
            "vot_path",
            {"list.txt": "ants"},
            MissingFile,
            r"not found: .*ants/groundtruth\.txt",
        ),
        ("avist", "avist_path", {}, MissingFile, r"AVisT: no anno/<sequence>\.txt"),
        (
            "trackingnet",
            "trackingnet_path",
            {},
            MissingFile,
            r"no TEST/anno/<sequence>\.txt .* holds TEST/",
        ),
        (
            "lasot_extension_subset",
            "lasot_extension_subset_path",
            {},
            BadInput,
            "no such sequence .* lasot_extension_subset_path",
        ),
        (
            "lasot_train",
            "lasot_path",
            {"testing_set.txt": "a-1"},
            BadInput,
            r"no such sequence .*\(looked for all that",
        ),
        (
            "got10k_ltrval",
            "got10k_path",
            {},
            MissingFile,
            r"no list\.txt in '.*train' - .* holds train/list\.txt",
        ),
        ("oxuva_test", "oxuva_path", {}, MissingFile, r"OxUvA: no tasks/test\.csv"),
        (
            "oxuva_dev",
            "oxuva_path",
            {"tasks/dev.csv": "v,o,0,9,0,1,0,1"},
            MissingFile,
            r"no annotations/dev\.csv",
        ),
        (
            "oxuva_test",
            "oxuva_path",
            {"tasks/test.csv": "v,o,0,9,0,1,0"},
            BadValue,
            r"test\.csv line 1: 7 columns where 8",
        ),
        (
            "oxuva_test",
            "oxuva_path",
            {"tasks/test.csv": "v,o,0,9,0,x,0,1"},
            BadValue,
            r"test\.csv line 1: expected numbers",
        ),
        (
            "oxuva_test",
            "oxuva_path",
            {"tasks/test.csv": "v,o,0,9,0,1,0,1"},
            MissingFile,
            r"no image .*test/v/000000\.jpeg",
        ),
        (
            "lagot",
            "lagot_path",
            {},
            MissingFile,
            r"no LaGOT_multiple_object_per_sequence_annotations_final\.json",
        ),
        (
            "lagot_sot_mode",
            "lagot_path",
            {"LaGOT_one_object_per_sequence_annotations_final.json": "{"},
            BadInput,
            "cannot be read",
        ),
        (
            "lagot_sot_mode",
            "lagot_path",
            {"LaGOT_one_object_per_sequence_annotations_final.json": '{"a": {"xywh": []}}'},
            BadInput,
            "no 'frames' for a",
        ),
        ("nfs", "", {}, NotConfigured, r"NFS: nfs_path is not set in .*local\.py"),
        (
            "dv2016_val",
            "",
            {},
            NotConfigured,
            r"davis16_dir is not set in .*local\.py, nor in the training's",
        ),
        ("yt2018_jjval", "", {}, NotConfigured, r"youtubevos_dir is not set in"),
    ],
)
def test_what_is_missing_where_is_one_sentence(
    settings, machine, name, attribute, files, kind, expected
):
    machine.lasot_path.mkdir(exist_ok=True)
    for folder in settings(attribute) if attribute else ():
        for file, text in files.items():
            write(folder / file, text)
    with pytest.raises(kind, match=expected) as caught:
        _ = get_dataset(name)[0].frames
    assert "\n" not in str(caught.value)


def test_half_a_data_set_is_told(settings, caplog):
    (base,) = settings("nfs_path")
    for name in ("a", "b"):
        write(base / "anno" / f"nfs_{name}.txt", BOXES)
    (base / "sequences" / "a").mkdir(parents=True)
    assert len(get_dataset("nfs")[1].ground_truth_rect) == 1
    assert re.search("NFS: 2 of its 100 sequences are in", caplog.text)
    assert re.search(
        "NFS: 1 of its sequences have boxes but no images, e.g. there is no folder "
        "'.*sequences/b'; .* nfs_b",
        caplog.text,
    )


@pytest.mark.parametrize(
    "name, attribute, files, expected",
    [
        (
            "uav",
            "uav_path",
            {
                "anno/UAV123/bike1.txt": BOXES,
                "anno/UAV123/car1_s.txt": BOXES,
                "anno/UAV123/att/bike1.txt": "1,0,0,0,0,0,0,0,0,0,0,1",
            },
            {"SV": ["uav_bike1"], "SOB": ["uav_bike1"]},
        ),
        (
            "otb",
            "otb_path",
            {
                "Jogging/groundtruth_rect.1.txt": BOXES,
                "anno/att/jogging-1.txt": "0,1,0,0,0,0,0,0,0,0,0",
            },
            {"OPR": ["Jogging_1"]},
        ),
        (
            "avist",
            "avist_path",
            {
                "anno/a.txt": BOXES,
                "anno/b.txt": BOXES,
                "avist_attributes.json": json.dumps(
                    {"att_name_short": ["WC"], "att_name_long": ["Weather"], "b": ["WC"]}
                ),
            },
            {"WC": ["b"]},
        ),
    ],
    ids=["UAV's own files", "OTB's own files", "JSON beside the data"],
)
def test_attributes(settings, name, attribute, files, expected):
    for folder in settings(attribute):
        for file, text in files.items():
            write(folder / file, text)
    found = {
        short: [seq.name for seq in chosen]
        for short, chosen in get_dataset_attributes(name).items()
    }
    assert {short: names for short, names in found.items() if names} == expected
    by_long_name = get_dataset_attributes(name, mode="long")
    assert len(by_long_name) == len(found) and by_long_name.keys().isdisjoint(found)


def test_data_set_without_attributes_says_so(settings):
    (base,) = settings("tpl_path")
    write(base / "tpl_A_ce" / "A_ce_gt.txt", BOXES)
    assert {key: len(value) for key, value in get_dataset_attributes("tpl").items()} == {"tpl": 1}
    with pytest.raises(TypeError, match="attribute"):
        get_dataset("tpl", attribute="IV")


YT = "YouTubeVOS"
CONTRACT = {  # name -> class and arguments, section B.3
    "otb": ("OTBDataset", {}),
    "nfs": ("NFSDataset", {}),
    "uav": ("UAVDataset", {}),
    "tpl": ("TPLDataset", {}),
    "tpl_nootb": ("TPLDataset", {"exclude_otb": True}),
    "vot": ("VOTDataset", {}),
    "trackingnet": ("TrackingNetDataset", {}),
    "trackingnetvos": ("TrackingNetDataset", {"vos_mode": True}),
    "got10k_test": ("GOT10KDataset", {"split": "test"}),
    "got10k_val": ("GOT10KDataset", {"split": "val"}),
    "got10k_ltrval": ("GOT10KDataset", {"split": "ltrval"}),
    "got10kvos_val": ("GOT10KDataset", {"split": "val", "vos_mode": True}),
    "lasot": ("LaSOTDataset", {}),
    "lasotvos": ("LaSOTDataset", {"vos_mode": True}),
    "lasot_train": ("LaSOTTrainSequencesDataset", {}),
    "lasot_extension_subset": ("LaSOTExtensionSubsetDataset", {}),
    "oxuva_dev": ("OxUvADataset", {"split": "dev"}),
    "oxuva_test": ("OxUvADataset", {"split": "test"}),
    "avist": ("AVisTDataset", {}),
    "lagot": ("LaGOTDataset", {"sot_mode": False}),
    "lagot_sot_mode": ("LaGOTDataset", {"sot_mode": True}),
    "dv2017_val": ("Davis", {"version": "2017", "split": "val"}),
    "dv2016_val": ("Davis", {"version": "2016", "split": "val"}),
    "dv2017_test_dev": ("Davis", {"version": "2017", "split": "test-dev"}),
    "dv2017_test_chal": ("Davis", {"version": "2017", "split": "test-challenge"}),
    "yt2019_test": (YT, {"version": "2019", "split": "test"}),
    "yt2019_valid": (YT, {"version": "2019", "split": "valid"}),
    "yt2019_valid_all": (YT, {"version": "2019", "split": "valid", "all_frames": True}),
    "yt2018_valid_all": (YT, {"version": "2018", "split": "valid", "all_frames": True}),
    "yt2018_jjval": (YT, {"version": "2018", "split": "jjvalid"}),
    "yt2019_jjval": (YT, {"version": "2019", "split": "jjvalid", "cleanup": ["starts"]}),
    "yt2019_jjval_all": (
        YT,
        {"version": "2019", "split": "jjvalid", "all_frames": True, "cleanup": ["starts"]},
    ),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_names_of_the_contract(name):
    assert (dataset_dict[name].class_name, dataset_dict[name].kwargs) == CONTRACT[name]
