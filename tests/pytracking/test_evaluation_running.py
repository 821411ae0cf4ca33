"""Running: which files appear with which content, what is skipped, and what a failure leaves."""

import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from pytracking.evaluation import Tracker, get_dataset, trackerlist
from pytracking.evaluation.data import Sequence, SequenceList
from pytracking.evaluation.results import results_exist, save_results
from pytracking.evaluation.running import Failure, run_dataset, run_sequence
from pytracking.run_tracker import run_tracker

FIRST, SECOND = "GOT-10k_Val_000001", "GOT-10k_Val_000002"


def files(folder) -> list[str]:
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def test_sequences_outside_trackers_inside(got10k, calls, capsys):
    run_dataset(get_dataset("got10k_val"), trackerlist("moving", "default", range(2)))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Tracker")]
    assert said == [
        f"Tracker: moving default {run} ,  Sequence: {name}"
        for name in (FIRST, SECOND)
        for run in (0, 1)
    ]


def test_boxes_with_decimals(machine):
    seq = Sequence("s", ["f"] * 2, "t", np.ones((2, 4)))
    boxes = [[1, 2, 3, 4], [-1.23456, 0.5, 2, 3]]
    save_results(
        seq, machine.root / "r", "", {"target_bbox": boxes, "float_boxes": True, "time": [1, 2]}
    )
    assert (machine.root / "r" / "s.txt").read_text().splitlines()[
        1
    ] == "-1.2346\t0.5000\t2.0000\t3.0000"


def test_decimals_are_cut_toward_zero(machine):
    seq = Sequence("s", ["f"], "t", np.ones((1, 4)))
    save_results(seq, machine.root / "r", "", {"target_bbox": [[-1.9, 1.9, 2.5, 3.99]]})
    assert (machine.root / "r" / "s.txt").read_text() == "-1\t1\t2\t3\n"


@pytest.mark.parametrize("scores, written", [([1.0], False), ([1.0, 0.25, 0.5], True)])
def test_presence_scores_only_when_the_tracker_gave_them(machine, scores, written):
    seq = Sequence("s", ["f"] * 3, "t", np.ones((3, 4)))
    save_results(
        seq,
        machine.root / "r",
        "",
        {"target_bbox": [[1, 2, 3, 4]] * 3, "object_presence_score": scores},
    )
    file = machine.root / "r" / "s_object_presence_scores.txt"
    assert file.exists() is written
    if written:
        assert file.read_text() == "1.000000\n0.250000\n0.500000\n"


def test_one_frame_sequence_is_finished(machine, trees, calls):
    trees.write_got10k(machine.got10k_path / "val", [FIRST], frames=1)
    tracker, dataset = Tracker("moving", "default"), get_dataset("got10k_val")
    run_dataset(dataset, [tracker])
    assert files(tracker.results_dir) == [f"{FIRST}.txt", f"{FIRST}_time.txt"]
    assert results_exist(dataset[0], tracker.results_dir)


def test_several_objects_have_a_file_each(machine):
    seq = Sequence(
        "m",
        ["f"] * 3,
        "t",
        {"1": np.ones((3, 4)), "2": np.ones((3, 4))},
        object_ids=["1", "2"],
        multiobj_mode=True,
    )
    box = [1, 2, 3, 4]
    save_results(
        seq,
        machine.root / "r",
        "",
        {
            "target_bbox": [{"1": box}, {"1": box, "2": box}, {"1": box, "2": box}],
            "time": [{"1": 0.5}, {"1": 0.5, "2": 1}, {"1": 1, "2": 1}],
        },
    )
    assert files(machine.root / "r") == ["m_1.txt", "m_1_time.txt", "m_2.txt", "m_2_time.txt"]
    assert len((machine.root / "r" / "m_2.txt").read_text().splitlines()) == 2
    assert results_exist(seq, machine.root / "r")
    (machine.root / "r" / "m_2.txt").unlink()
    assert not results_exist(seq, machine.root / "r")


def test_masks_are_indexed_images(got10k, machine, monkeypatch):
    from ltr.data.image_loader import imread_indexed

    tracker, seq = Tracker("moving", "default"), get_dataset("got10k_val")[0]
    masks = [np.eye(60, 80, dtype=np.uint8) * frame for frame in range(5)]
    output = {"target_bbox": [[1, 2, 3, 4]] * 5, "time": [1] * 5, "segmentation": masks}
    monkeypatch.setattr(tracker, "run_sequence", lambda *args, **kwargs: output)
    run_sequence(seq, tracker)
    folder = f"{tracker.segmentation_dir}/{FIRST}"
    assert files(folder) == [f"{number:08d}.png" for number in range(1, 6)]
    assert np.array_equal(imread_indexed(f"{folder}/00000003.png"), masks[2])


@pytest.mark.parametrize(
    "output, expected",
    [
        (
            {"target_bbox": [[1, 2, 3, 4]] * 5, "segmentation": [np.zeros((2, 2))] * 4},
            "4 masks for 5 frames",
        ),
        (
            {"target_bbox": [[1, 2, 3, 4]] * 4 + [[1, float("nan"), 3, 4]]},
            "box .* on frame 4, which is no box",
        ),
    ],
    ids=["masks", "nan"],
)
def test_output_that_cannot_be_stored_is_a_failure(got10k, machine, monkeypatch, output, expected):
    tracker, seq = Tracker("moving", "default"), get_dataset("got10k_val")[0]
    monkeypatch.setattr(
        tracker, "run_sequence", lambda *args, **kwargs: {"time": [1] * 5, **output}
    )
    failure = run_sequence(seq, tracker)
    assert isinstance(failure, Failure) and failure.sequence == FIRST
    assert re.search(expected, failure.message) and not results_exist(seq, tracker.results_dir)


def test_debug_runs_what_has_results(got10k, calls):
    run_dataset(get_dataset("got10k_val"), [Tracker("moving", "default")])
    calls.clear()
    run_dataset(get_dataset("got10k_val"), [Tracker("moving", "default")], debug=1)
    assert [call[0] for call in calls].count("create") == 2


def test_what_concerns_every_sequence_ends_the_run_at_once(got10k, machine, capsys):
    tracker = Tracker("transt", "transt50")
    with pytest.raises(
        FileNotFoundError,
        match=r"Failed to load network 'transt\.pth': there is no .* put the file",
    ):
        run_dataset(get_dataset("got10k_val"), [tracker])
    for name in (FIRST, SECOND):  # finished results need no network
        os.makedirs(tracker.results_dir, exist_ok=True)
        Path(tracker.results_dir, f"{name}.txt").write_text("1\t1\t5\t5\n" * 5)
    assert run_dataset(get_dataset("got10k_val"), [tracker]) == []


@pytest.mark.parametrize("time", [[0.0, 0.0], [{"1": 0.0}, {}]])
def test_no_measured_time_is_no_error(got10k, machine, monkeypatch, time):
    tracker = Tracker("moving", "default")
    monkeypatch.setattr(
        tracker, "run_sequence", lambda *a, **k: {"time": time, "target_bbox": [[1, 1, 1, 1]] * 2}
    )
    assert run_sequence(get_dataset("got10k_val")[0], tracker) == float("inf")


def test_B22_workers_write_the_same_files(machine, trees, capfd, monkeypatch, plugin_folder):
    monkeypatch.delenv(
        "PYTRACKING_PLUGINS"
    )  # local.py names it instead: workers must know it before they read that
    text = machine.local.read_text()
    machine.local.write_text(
        text.replace("    return", f"    settings.plugins = {str(plugin_folder)!r}\n    return")
    )
    base = trees.write_got10k(machine.got10k_path / "val", ["a", "b", "bad", "d"], frames=3)
    cv2.imwrite(
        str(base / "bad" / "00000002.jpg"), np.full((60, 80, 3), 255, np.uint8)
    )  # at which the tracker fails
    sequential, parallel = trackerlist("moving", "default", [0, 1])
    assert [one.sequence for one in run_dataset(get_dataset("got10k_val"), [sequential])] == ["bad"]
    failures = run_dataset(get_dataset("got10k_val"), [parallel], threads=2)
    assert [one.sequence for one in failures] == ["bad"] and "toy failure" in failures[0].message
    assert (
        files(parallel.results_dir) == files(sequential.results_dir)
        and len(files(parallel.results_dir)) == 6
    )
    for name in ("a", "b", "d"):
        one, other = (
            Path(tracker.results_dir, f"{name}.txt").read_text()
            for tracker in (sequential, parallel)
        )
        assert one == other
    said = capfd.readouterr().out
    assert "Finished 4 of 4, 0 left" in said and "1 of 4 runs failed" in said


@pytest.mark.parametrize("sequence", [1, "1", SECOND])
def test_one_sequence_by_number_or_name(got10k, machine, sequence, capsys):
    assert run_tracker("moving", "default", None, "got10k_val", sequence) == []
    assert files(machine.results_path / "moving" / "default") == [
        f"{SECOND}.txt",
        f"{SECOND}_time.txt",
    ]
    assert "Evaluating    1 trackers on     1 sequences" in capsys.readouterr().out


def test_name_goes_before_number(machine, trees):
    trees.write_got10k(machine.got10k_path / "val", ["1", "0"])
    run_tracker("moving", "default", 7, "got10k_val", "0")
    assert files(machine.results_path / "moving" / "default_007") == ["0.txt", "0_time.txt"]


@pytest.mark.parametrize(
    "dataset, sequence, kind, expected",
    [
        ("nope", None, ValueError, "^Unknown dataset 'nope'"),
        ("got10k_val", "x", IndexError, "^Sequence name not in the dataset"),
        ("got10k_val", "2", IndexError, "Sequence number 2 not in the dataset"),
    ],
)
def test_unknown_data_set_or_sequence(got10k, machine, dataset, sequence, kind, expected):
    with pytest.raises(kind, match=expected):
        run_tracker("moving", "default", None, dataset, sequence)


def test_plain_list_of_sequences(got10k, machine):
    assert run_dataset(list(get_dataset("got10k_val")), [Tracker("moving", "default")]) == []
    assert run_dataset(SequenceList(), [Tracker("moving", "default")]) == []
