"""Contract checks B01-B06 and B08-B19: set-up file, trackers by name, data sets, sequences. Ids are
those of its section M.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pytracking.evaluation import Sequence, Tracker, get_dataset, trackerlist
from pytracking.evaluation.data import BaseDataset, SequenceList
from pytracking.evaluation.datasets import DatasetInfo, dataset_dict, load_dataset
from pytracking.evaluation.environment import EnvSettings, env_settings
from pytracking.evaluation.lasotdataset import LaSOTDataset
from pytracking.evaluation.running import run_dataset

NAMES = ["GOT-10k_Val_000001", "GOT-10k_Val_000002"]


def files(folder) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def write(file: Path, text: str = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_B01_missing_local_file_is_written_and_the_second_call_succeeds(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    with pytest.raises(RuntimeError, match=r"^YOU HAVE NOT SETUP YOUR local\.py!!!.*") as caught:
        env_settings()
    assert str(tmp_path / "local.py") in str(caught.value)
    assert "def local_env_settings" in (tmp_path / "local.py").read_text()
    assert vars(env_settings()) == vars(EnvSettings())


def test_B02_local_file_with_an_error_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTRACKING_LOCAL", str(tmp_path / "local.py"))
    write(tmp_path / "local.py", "def local_env_settings(:\n")
    with pytest.raises(Exception, match=r"local\.py line 1: SyntaxError"):
        env_settings()
    assert (tmp_path / "local.py").read_text() == "def local_env_settings(:\n"


@pytest.mark.parametrize(
    "run_id, folder", [(None, "default"), (3, "default_003"), (1234, "default_1234")]
)
def test_B03_result_folders_and_class_by_name(machine, run_id, folder):
    tracker = Tracker("moving", "default", run_id, "Label")
    assert tracker.results_dir == f"{machine.results_path}/moving/{folder}"
    assert tracker.segmentation_dir == f"{machine.segmentation_path}/moving/{folder}"
    assert (
        tracker.tracker_class.__name__ == "Moving"
        and tracker.display_name == "Label"
        and tracker.visdom is None
    )
    assert Tracker("nosuch", "default", run_id).tracker_class is None


@pytest.mark.parametrize("run_id", ["3", 1.0])
def test_B03_run_id_is_a_whole_number(machine, run_id):
    with pytest.raises(TypeError, match="run_id must be a whole number"):
        Tracker("moving", "default", run_id)


@pytest.mark.parametrize(
    "run_ids, expected", [(range(2), [0, 1]), (None, [None]), (4, [4]), (np.int64(4), [4])]
)
def test_B04_trackerlist(machine, run_ids, expected):
    trackers = trackerlist("moving", "default", run_ids, "X")
    assert [tracker.run_id for tracker in trackers] == expected and {
        one.display_name for one in trackers
    } == {"X"}


def test_B05_got10k_val(got10k):
    sequences = get_dataset("got10k_val")
    assert type(sequences) is SequenceList and [seq.name for seq in sequences] == NAMES
    first = sequences[0]
    assert len(first.frames) == 5 and first.ground_truth_rect.shape == (5, 4)
    assert first.ground_truth_rect.dtype == np.float64 and first.dataset == "got10k"
    assert first.init_info() == {"init_bbox": [10.5, 10, 20, 20]} and first.frame_info(3) == {}


def test_B06_box_and_time_files_and_a_second_run_does_nothing(got10k, calls, capsys):
    tracker = Tracker("moving", "default")
    assert run_dataset(get_dataset("got10k_val"), [tracker]) == []
    assert files(tracker.results_dir) == [
        f"{name}{end}.txt" for name in NAMES for end in ("", "_time")
    ]
    boxes, times = (
        Path(tracker.results_dir, f"{NAMES[0]}{end}.txt").read_text() for end in ("", "_time")
    )
    assert boxes == "".join(
        f"{x}\t10\t20\t20\n" for x in (10, 12, 13, 15, 16)
    )  # 10.5 12.1 13.7 15.3 16.9, cut off
    assert [len(line.split(".")[1]) for line in times.splitlines()] == [6] * 5
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Evaluating    1 trackers on     2 sequences" and said[-1] == "Done"
    assert said[1] == f"Tracker: moving default None ,  Sequence: {NAMES[0]}" and said[
        2
    ].startswith("FPS: ")
    assert said[3].startswith("Finished 1 of 2, 1 left, mean FPS ")

    calls.clear()
    run_dataset(get_dataset("got10k_val"), [tracker])
    assert calls == [] and capsys.readouterr().out.splitlines()[1:] == [
        "FPS: -1",
        "FPS: -1",
        "Done",
    ]


def test_B08_failure_is_told_leaves_no_file_and_the_run_goes_on(got10k, machine, capsys):
    tracker = Tracker("moving", "failing")
    failures = run_dataset(get_dataset("got10k_val"), [tracker, Tracker("moving", "default")])
    assert [(one.sequence, one.tracker) for one in failures] == [
        (NAMES[0], "moving failing"),
        (NAMES[1], "moving failing"),
    ]
    assert (
        "ZeroDivisionError: toy failure" in failures[0].message
        and "moving.py line" in failures[0].message
    )
    said = capsys.readouterr().out
    assert f"Sequence {NAMES[0]}, tracker moving failing failed: ZeroDivisionError" in said
    assert "2 of 4 runs failed" in said and files(tracker.results_dir) == []


def test_B08_failure_propagates_with_debug(got10k, machine):
    with pytest.raises(ZeroDivisionError, match="toy failure"):
        run_dataset(get_dataset("got10k_val"), [Tracker("moving", "failing")], debug=1)


def test_B09_lasot_sequences(machine, monkeypatch):
    for name in ("airplane-1", "basketball-6"):
        folder = machine.lasot_path / name.split("-")[0] / name
        write(folder / "groundtruth.txt", "1,2,3,4\n" * 25)
        write(folder / "full_occlusion.txt", ",".join("0" * 20 + "1" * 5))
        write(folder / "out_of_view.txt", ",".join("0" * 25))
    monkeypatch.setattr(
        LaSOTDataset, "_get_sequence_list", lambda self: ["airplane-1", "basketball-6"]
    )
    dataset = LaSOTDataset()
    first = dataset.get_sequence_list()[0]
    assert len(dataset) == 2 and dataset.clean_list == ["airplane", "basketball"]
    assert first.object_class == "airplane" and first.dataset == "lasot"
    assert first.target_visible.tolist() == [True] * 20 + [False] * 5
    assert (
        first.frames[0].endswith("airplane/airplane-1/img/00000001.jpg") and len(first.frames) == 25
    )


def lasot_folders(base: Path) -> tuple[list[str], list[str]]:
    """70 classes with 20 sequences; returns names for training and for testing, 4 of each class in
    no order of numbers.
    """
    test = [f"class{c}-{(7 * k + c) % 20 + 1}" for c in range(70) for k in range(4)]
    every = [f"class{c}-{k}" for c in range(70) for k in range(1, 21)]
    for name in every:
        (base / name.split("-")[0] / name).mkdir(parents=True)
    return sorted(set(every) - set(test)), test


@pytest.mark.parametrize("lists", ["both", "testing", "training", "none"])
def test_B10_lasot_280_of_70_classes_apart_from_1120_for_training(machine, lists):
    train, test = lasot_folders(machine.lasot_path)
    if lists in ("both", "testing"):
        write(machine.lasot_path / "testing_set.txt", "\n".join(test))
    if lists in ("both", "training"):
        write(machine.lasot_path / "training_set.txt", "\n".join(train))
    tested, trained = (load_dataset(name) for name in ("lasot", "lasot_train"))
    assert len(tested) == 280 and len(trained) == 1120 and len(trained.get_sequence_list()) == 1120
    assert not set(tested.sequence_list) & set(trained.sequence_list)
    classes = sorted(tested.clean_list)
    assert {classes.count(name) for name in classes} == {4} and len(set(classes)) == 70
    if lists != "none":
        assert set(tested.sequence_list) == set(test)


def test_B11_trackingnet_frames_in_order_of_numbers(machine):
    for name in ("def_1", "abc_0"):
        write(machine.trackingnet_path / "TEST" / "anno" / f"{name}.txt", "1,2,3,4\n")
        for number in range(12):
            write(machine.trackingnet_path / "TEST" / "frames" / name / f"{number}.jpg")
    sequences = get_dataset("trackingnet")
    assert [seq.name for seq in sequences] == ["abc_0", "def_1"] and sequences[
        0
    ].dataset == "trackingnet"
    assert [Path(frame).name for frame in sequences[0].frames] == [
        f"{number}.jpg" for number in range(12)
    ]
    assert sequences[0].ground_truth_rect.shape == (1, 4)


def test_B12_otb_exceptions_and_both_separators(machine):
    write(machine.otb_path / "Tiger1" / "groundtruth_rect.txt", "1\t2\t3\t4\n" * 20)
    write(machine.otb_path / "David" / "groundtruth_rect.txt", "1,2,3,4\n" * 10)
    david, tiger = get_dataset("otb")
    assert david.frames[0].endswith("David/img/0300.jpg") and david.ground_truth_rect.shape == (
        10,
        4,
    )
    assert tiger.frames[0].endswith("Tiger1/img/0006.jpg") and tiger.ground_truth_rect.shape == (
        15,
        4,
    )
    assert (
        tiger.ground_truth_rect[0].tolist() == david.ground_truth_rect[0].tolist() == [1, 2, 3, 4]
    )


@pytest.mark.parametrize(
    "row, expected",
    [
        ("10,20,40,15,45,50,12,55", [10, 15, 35, 40]),
        ("10 20 40 15 45 50 12 55", [10, 15, 35, 40]),
        ("1.5,2,3,4", [1.5, 2, 3, 4]),
        ("1.5 2 3 4", [1.5, 2, 3, 4]),
    ],
    ids=["polygon,", "polygon", "box,", "box"],
)
def test_B13_vot_polygons_become_their_hull(machine, row, expected):
    write(machine.vot_path / "ants" / "groundtruth.txt", f"{row}\n" * 3)
    seq = get_dataset("vot")[0]
    assert seq.ground_truth_rect.tolist() == [expected] * 3 and seq.dataset == "vot"
    assert [frame.split("vot_path/")[1] for frame in seq.frames] == [
        f"ants/color/{i:08d}.jpg" for i in (1, 2, 3)
    ]


def test_B14_oxuva_boxes_are_fractions_of_the_image(machine):
    images = machine.oxuva_path / "images"
    for split in ("dev", "test"):
        (images / split / "vid0001").mkdir(parents=True)
        cv2.imwrite(
            str(images / split / "vid0001" / "000000.jpeg"), np.zeros((50, 100, 3), np.uint8)
        )
        write(
            machine.oxuva_path / "tasks" / f"{split}.csv", "vid0001,obj0000,0,60,0.1,0.3,0.2,0.6\n"
        )
    row = "vid0001,obj0000,1,person,false,true,{},{},{},{},{},{}\n"
    write(
        machine.oxuva_path / "annotations" / "dev.csv",
        row.format(0, "present", 0.1, 0.3, 0.2, 0.6)
        + row.format(30, "present", 0.2, 0.4, 0.2, 0.6)
        + row.format(60, "absent", -1, -1, -1, -1),
    )
    test, dev = get_dataset("oxuva_test", "oxuva_dev")
    for seq, annotated in (
        (test, {0: [10, 10, 20, 20]}),
        (dev, {0: [10, 10, 20, 20], 30: [20, 10, 20, 20]}),
    ):
        assert seq.name == "vid0001_obj0000_frames[000000:000061]" and seq.dataset == "oxuva"
        assert len(seq.frames) == 61 and seq.frames[60].endswith("vid0001/000060.jpeg")
        expected = np.full((61, 4), -1.0)
        for frame, box in annotated.items():
            expected[frame] = box
        np.testing.assert_allclose(seq.ground_truth_rect, expected)
    with pytest.raises(ValueError, match="split"):
        load_dataset("oxuva_dev", split="train")


@pytest.mark.parametrize(
    "missing, visible",
    [
        (None, [True] * 4),
        (0, [False, True, True, True]),
        (1, [True] * 4),
        (3, [True, True, True, False]),
    ],
)
def test_B15_lagot_every_third_frame_tells_visibility(machine, missing, visible):
    machine.lasot_path.mkdir()
    boxes = [[1, 2, 3, 4] if i != missing else [-1] * 4 for i in range(4)]
    write(
        machine.lagot_path / "LaGOT_one_object_per_sequence_annotations_final.json",
        json.dumps(
            {
                "airplane-1": {
                    "xywh": boxes,
                    "frames": [f"airplane/airplane-1/img/{i:08d}.jpg" for i in range(1, 5)],
                }
            }
        ),
    )
    seq = get_dataset("lagot_sot_mode")[0]
    assert (
        seq.target_visible.tolist() == visible and seq.dataset == "LaGOT" and seq.object_ids is None
    )
    assert seq.frames[0] == str(machine.lasot_path / "airplane/airplane-1/img/00000001.jpg")


def test_B16_lists_of_several_data_sets(got10k, machine):
    write(machine.trackingnet_path / "TEST" / "anno" / "abc_0.txt", "1,2,3,4\n")
    sequences = get_dataset("got10k_val", "trackingnet")
    assert [seq.name for seq in sequences] == [*NAMES, "abc_0"] and sequences["abc_0"] is sequences[
        2
    ]
    for chosen in (
        sequences[0:1],
        sequences[[0, 1]],
        sequences + sequences,
        sequences[np.array([2])],
        sequences.copy(),
    ):
        assert type(chosen) is SequenceList
    assert sequences[np.int64(1)].name == NAMES[1]
    with pytest.raises(IndexError, match=r"^Sequence name not in the dataset\."):
        _ = sequences["nope"]


class MyDataset(BaseDataset):
    """The shape of section L."""

    def __init__(self, **kwargs):
        super().__init__()

    def get_sequence_list(self):
        return SequenceList([Sequence("one", ["f"] * 3, "mytag", np.ones(12).reshape(-1, 4))])

    def __len__(self):
        return 1


def test_B17_own_data_set_is_found_whatever_the_case(machine, monkeypatch):
    write(machine.root / "mypkg" / "mod.py", "from contract_module import MyDataset\n")
    monkeypatch.setitem(
        __import__("sys").modules, "contract_module", SimpleNamespace(MyDataset=MyDataset)
    )
    monkeypatch.syspath_prepend(str(machine.root))
    monkeypatch.setitem(
        dataset_dict, "mydata", DatasetInfo(module="mypkg.mod", class_name="MyDataset", kwargs={})
    )
    assert [seq.dataset for seq in get_dataset("MyData")] == ["mytag"]


def test_B18_sequence_starts_at_its_first_init_frame():
    seq = Sequence(
        "s",
        [f"f{i}" for i in range(5)],
        "otb",
        np.ones((5, 4)),
        init_data={2: {"bbox": [9, 9, 9, 9]}},
        target_visible=np.array([1, 0, 1, 0, 1], bool),
    )
    assert seq.frames == ["f2", "f3", "f4"] and seq.ground_truth_rect.shape == (3, 4)
    assert list(seq.init_data) == [0] and seq.init_info() == {"init_bbox": [9, 9, 9, 9]}
    assert seq.target_visible.tolist() == [True, False, True]


def test_B19_several_objects():
    truth = OrderedDict([("1", np.full((5, 4), 10.0)), ("2", np.full((5, 4), 20.0))])
    seq = Sequence("m", list("abcde"), "LaGOT", truth, object_ids=["1", "2"], multiobj_mode=True)
    both = ["1", "2"]
    assert seq.init_info() == {
        "init_object_ids": both,
        "object_ids": both,
        "sequence_object_ids": both,
        "init_bbox": OrderedDict([("1", [10.0] * 4), ("2", [20.0] * 4)]),
    }
    assert isinstance(seq.init_info()["init_bbox"], OrderedDict) and isinstance(
        seq.init_info()["init_bbox"]["1"], list
    )
    assert seq.frame_info(1) == {} and seq.get_bbox(2, "2").tolist() == [20] * 4
