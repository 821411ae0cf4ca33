"""Data sets on disk: names, frames, boxes, and one sentence when something is missing."""

import json
import logging
import re
import shutil

import pytest

from ltr.admin.errors import BadInput, BadValue, MissingFile
from pytracking.evaluation import datasets, get_dataset, get_dataset_attributes
from pytracking.evaluation.otbdataset import OTBDataset


def names(sequences) -> list[str]:
    return [sequence.name for sequence in sequences]


def write_lasot(base, name: str, rows: int = 25, hidden: int = 5):
    folder = base / name.rpartition("-")[0] / name
    (folder / "img").mkdir(parents=True)
    (folder / "groundtruth.txt").write_text("1,2,3,4\n" * rows)
    (folder / "full_occlusion.txt").write_text(",".join(["0"] * (rows - hidden) + ["1"] * hidden))
    (folder / "out_of_view.txt").write_text(",".join(["0"] * rows))
    return folder


def write_otb(
    base, name: str, rows: str, file: str = "groundtruth_rect.txt", image: str = "img/0001.jpg"
):
    picture = base / name / image
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.write_text("")
    (base / name / file).write_text(rows)


@pytest.mark.parametrize(
    "name, split",
    [("toy", "test"), ("toy_test", "test"), ("toy_val", "val"), ("toy_train", "train")],
)
def test_toy_splits(machine, trees, name, split):
    trees.write_got10k(machine.toy_path / split, [f"{split}_1"], frames=3)
    sequences = get_dataset(name)
    assert names(sequences) == [f"{split}_1"] and sequences[0].dataset == "toy"
    assert sequences[0].ground_truth_rect.shape == (3, 4)


def test_trackingnet_without_frames(machine):
    (machine.trackingnet_path / "TEST" / "anno").mkdir(parents=True)
    (machine.trackingnet_path / "TEST" / "anno" / "abc_0.txt").write_text("1,2,3,4\n")
    assert get_dataset("trackingnet", load_frames=False)[0].frames == []


@pytest.mark.parametrize(
    "files, expected, said",
    [
        (
            {"testing_set.txt": "dog-2\nbird-10\nbird-3\n", "training_set.txt": "bird-10\n"},
            ["dog-2", "bird-10"],
            "1 of the 3 sequences .* not on disk and are left out: bird-3",
        ),
        (
            {"training_set.txt": "bird-10\n"},
            ["bird-2", "dog-2"],
            "all that .*training_set.txt does not name",
        ),
        ({}, ["bird-2", "bird-10", "dog-2"], "every one on disk"),
    ],
    ids=["testing_set.txt", "training_set.txt", "folders"],
)
def test_lasot_list(machine, caplog, files, expected, said):
    for name in ("bird-2", "bird-10", "dog-2"):
        write_lasot(machine.lasot_path, name)
    for file, text in files.items():
        (machine.lasot_path / file).write_text(text)
    with caplog.at_level(logging.INFO):
        assert names(get_dataset("lasot")) == expected
    assert any(re.search(said, record.getMessage()) for record in caplog.records)


def test_lasot_attributes_from_a_pytracking_checkout(machine):
    specs = machine.root / "checkout" / "pytracking" / "evaluation" / "dataset_attribute_specs"
    specs.mkdir(parents=True)
    (machine.root / "checkout" / "ltr" / "data_specs").mkdir(parents=True)
    (specs / "LaSOT_attributes.json").write_text(
        json.dumps(
            {
                "att_name_long": ["Motion blur", "Deformation"],
                "att_name_short": ["MB", "DEF"],
                "bird-2": ["MB"],
            }
        )
    )
    for name in ("bird-2", "dog-2"):
        write_lasot(machine.lasot_path, name)
    with pytest.raises(MissingFile, match=r"LaSOT_attributes\.json .* dataspec_path"):
        get_dataset_attributes("lasot")
    machine.local.write_text(
        machine.local.read_text().replace(
            "    return",
            f"    settings.dataspec_path = '{machine.root}/checkout/ltr/data_specs'\n    return",
        )
    )
    by_attribute = get_dataset_attributes("lasot")
    assert {key: names(value) for key, value in by_attribute.items()} == {
        "MB": ["bird-2"],
        "DEF": [],
    }
    assert names(get_dataset("lasot", attribute="Motion blur")) == ["bird-2"]
    with pytest.raises(ValueError, match="unknown attribute 'MBB', did you mean 'MB'"):
        get_dataset("lasot", attribute="MBB")


def test_data_set_without_attributes(got10k):
    assert names(get_dataset_attributes("got10k_val")["got10k_val"]) == names(
        get_dataset("got10k_val")
    )


def test_otb_table(machine):
    base = machine.otb_path
    write_otb(base, "Tiger1", "1\t2\t3\t4\n" * 20)
    write_otb(base, "David", "1,2,3,4\n" * 10, image="img/0300.jpg")
    write_otb(base, "bolt", "1,2,3,4\n" * 3)
    write_otb(base, "Board", "1,2,3,4\n" * 3, image="img/00001.jpg")
    write_otb(base, "KiteSurf", "1,2,3,4\n" * 3, image="jpg/0001.png")
    write_otb(base, "Freeman4", "1,2,3,4\n" * 300)
    for target in ("1", "2"):
        write_otb(base, "Jogging", "1 2 3 4\n" * 3, f"groundtruth_rect.{target}.txt")
        write_otb(base, "Human4", "1,2,3,4\n" * 3, f"groundtruth_rect.{target}.txt")
    sequences = get_dataset("otb")
    assert names(sequences) == [
        "Board",
        "bolt",
        "David",
        "Freeman4",
        "Human4_2",
        "Jogging_1",
        "Jogging_2",
        "KiteSurf",
        "Tiger1",
    ]
    ends = {
        seq.name: (seq.frames[0].split("otb_path/")[1], len(seq.frames), len(seq.ground_truth_rect))
        for seq in sequences
    }
    assert ends["Tiger1"] == ("Tiger1/img/0006.jpg", 15, 15)
    assert ends["David"] == ("David/img/0300.jpg", 10, 10)
    assert (
        ends["Board"][0] == "Board/img/00001.jpg" and ends["KiteSurf"][0] == "KiteSurf/jpg/0001.png"
    )
    assert ends["Freeman4"][1] == 283 and ends["Jogging_2"][0] == "Jogging/img/0001.jpg"


def test_otb_table_can_be_filtered(machine):
    for name in ("David", "Tiger1"):
        write_otb(machine.otb_path, name, "1,2,3,4\n" * 9)
    dataset = OTBDataset()
    dataset.sequence_info_list = [
        info for info in dataset.sequence_info_list if info["name"] == "David"
    ]
    assert names(dataset.get_sequence_list()) == ["David"] and len(dataset) == 1


def test_folder_of_videos(machine, trees, caplog):
    trees.write_frames(machine.folder_path / "cat2", ["9.jpg", "10.jpg"])
    (machine.folder_path / "cat2" / "groundtruth.txt").write_text("1 2 3 4\n")
    trees.write_frames(machine.folder_path / "cat10" / "img", ["b.png", "a.png"])
    (machine.folder_path / "cat10" / "groundtruth.txt").write_text("1,2,3,4\n5,6,7,8\n")
    trees.write_frames(machine.folder_path / "unlabelled", ["1.jpg"])
    (machine.folder_path / "notes").mkdir()
    sequences = get_dataset("folder")
    assert (
        names(sequences) == ["cat2", "cat10"]
        and "unlabelled" in caplog.text
        and "notes" not in caplog.text
    )
    assert [path.rsplit("/")[-1] for path in sequences["cat2"].frames] == ["9.jpg", "10.jpg"]
    assert [path.rsplit("/")[-1] for path in sequences["cat10"].frames] == ["a.png", "b.png"]
    assert sequences["cat10"].ground_truth_rect[1].tolist() == [5, 6, 7, 8]


def test_registered_by_a_plugin_folder(machine, monkeypatch):
    assert get_dataset("plugindata")[0].dataset == "mytag"


def test_every_registered_class_exists():
    for name, info in datasets.dataset_dict.items():
        if "plugin" not in info.module:
            assert isinstance(
                getattr(__import__(info.module, fromlist=["x"]), info.class_name), type
            ), name


@pytest.mark.parametrize(
    "name, spoil, kind, expected",
    [
        ("nope", None, ValueError, "^Unknown dataset 'nope'"),
        ("lasott", None, BadValue, "^Unknown dataset 'lasott', did you mean 'lasot'"),
        ("lasot", None, MissingFile, "LaSOT: lasot_path in .*local.py is '.*', which is no folder"),
        ("got10k_test", None, MissingFile, r"GOT-10k: no list.txt in '.*test' - point got10k_path"),
        (
            "got10k_val",
            lambda base: shutil.rmtree(base / "GOT-10k_Val_000001"),
            MissingFile,
            "not found: .*groundtruth",
        ),
        (
            "got10k_val",
            lambda base: [file.unlink() for file in base.glob("*1/*.jpg")],
            MissingFile,
            "no <number>.jpg in",
        ),
        (
            "got10k_val",
            lambda base: (base / "GOT-10k_Val_000001" / "groundtruth.txt").write_text(
                "1,2,3,4\n1,2,x,4\n"
            ),
            BadValue,
            r"groundtruth.txt line 2: 'x' is no number",
        ),
        (
            "got10k_val",
            lambda base: (base / "GOT-10k_Val_000001" / "groundtruth.txt").write_text(
                "1,2,3,4\n\n1,2,3\n"
            ),
            BadValue,
            "groundtruth.txt line 2: 0 numbers where 4 belong",
        ),
        (
            "got10k_val",
            lambda base: (base / "GOT-10k_Val_000001" / "groundtruth.txt").write_text(""),
            BadInput,
            "no box",
        ),
    ],
    ids=[
        "unknown",
        "near name",
        "no folder",
        "no list",
        "no sequence",
        "no frames",
        "no number",
        "short row",
        "empty",
    ],
)
def test_what_is_wrong_is_one_sentence(got10k, name, spoil, kind, expected):
    if spoil is not None:
        spoil(got10k)
    with pytest.raises(kind, match=expected):
        _ = get_dataset(name)[0].frames


def test_folder_rows_must_fit_the_images(machine, trees):
    trees.write_frames(machine.folder_path / "v", ["1.jpg", "2.jpg", "3.jpg"])
    (machine.folder_path / "v" / "groundtruth.txt").write_text("1 2 3 4\n1 2 3 4\n")
    with pytest.raises(BadValue, match="has 2 rows for 3 images"):
        _ = get_dataset("folder")[0].frames


def test_real_trees(machine, shared_dir):
    data = shared_dir / "data"
    machine.local.write_text(
        "from pytracking.evaluation.environment import EnvSettings\n"
        "def local_env_settings():\n    settings = EnvSettings()\n"
        f"    settings.got10k_path, settings.lasot_path = '{data}/got10k', '{data}/lasot'\n"
        f"    settings.otb_path = '{data}/otb'\n    return settings\n"
    )
    lengths = {seq.name: len(seq.frames) for seq in get_dataset("got10k_val", "lasot", "otb")}
    assert (
        lengths["GOT-10k_Val_000004"] == 105
        and lengths["person-2"] == 184
        and lengths["Diving"] == 215
    )
    assert lengths["Tiger1"] == 195
    for seq in get_dataset("got10k_val", "lasot", "otb"):
        assert len(seq.ground_truth_rect) == len(seq.frames)
