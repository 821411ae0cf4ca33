"""Results of other lengths and ground truth with holes: counted as said, and told."""

import logging

import numpy as np
import pytest

from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import calc_seq_err_robust, extract_results
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.prec_rec_f1 import extract_results_prec_rec_f1
from pytracking.analysis.pysot import pysot_table
from pytracking.analysis.result_lengths import find_other_lengths, warn_of_other_lengths
from pytracking.evaluation.data import Sequence
from pytracking.evaluation.results import results_exist, save_results, short_result
from tests.support.analysis import HALF, SHOWN, G, P, seq

pytestmark = pytest.mark.usefixtures("plots")
NAN = np.full((1, 4), np.nan)

# name -> (rows of the result, sentence or None)
LENGTHS = {
    "as many": (10, None),
    "fewer": (6, "A on s1 has 6 boxes for 10 frames of ground truth"),
    "one fewer": (9, "A on s1 has 9 boxes for 10 frames of ground truth"),
    "more": (15, "A on s1 has 15 boxes for 10 frames of ground truth"),
}


def rows_of(boxes, count):
    return np.vstack([boxes, boxes])[:count]


@pytest.mark.parametrize(("count", "sentence"), LENGTHS.values(), ids=LENGTHS)
def test_another_length_is_told_on_stderr(new, caplog, capsys, count, sentence):
    """The printed table stays pytracking's, letter by letter."""
    trackers = [new({"s1": rows_of(G, count)}, "A")]
    scores = pr.print_results(trackers, [seq()], "toy", force_evaluation=True)
    expected = 100 * min(count, 10) / 10
    assert scores["A"]["OP50"] == pytest.approx(expected)
    pr.print_per_sequence_results(trackers, [seq()], "toy")
    assert "Warning" not in capsys.readouterr().out
    assert caplog.text.count(sentence or "Warning") == (2 if sentence else 0)


def test_many_are_counted_and_three_are_named(new, caplog):
    caplog.set_level(logging.WARNING)
    names = [f"s{number}" for number in range(5)]
    tracker = new(dict.fromkeys(names, G[:4]), "A")
    dataset = [seq(name) for name in names]
    assert len(find_other_lengths([tracker], dataset)) == 5
    note = warn_of_other_lengths([tracker], dataset)
    assert note.count("has 4 boxes") == 3 and "; and 2 more; " in note and note.count("\n") == 1


@pytest.mark.parametrize(
    "sequence",
    [
        seq(gt=G[:1]),
        Sequence(
            "s1", ["f"] * 10, "t", {"1": G, "2": G}, object_ids=["1", "2"], multiobj_mode=True
        ),
        seq("absent"),
    ],
    ids=["first frame only", "several objects", "no result"],
)
def test_where_lengths_say_nothing_nothing_is_told(new, sequence):
    assert find_other_lengths([new({"s1": G[:4]})], [sequence]) == []


def with_holes(boxes, *frames):
    truth = boxes.copy()
    truth[list(frames)] = np.nan
    return truth


@pytest.mark.parametrize("tag", ["otb", "lasot", "got10k", "folder", "vot"])
@pytest.mark.parametrize("corrected", [False, True])
def test_frames_nothing_is_known_of_count_nowhere(new, tag, corrected):
    """Four frames of ten are known; the tracker is right in the first two, and lost where nothing
    is known.
    """
    truth = with_holes(G, 1, 3, 5, 7, 8, 9)
    result = G.copy()
    result[3:] = [500, 500, 20, 20]
    tracker = new({"s1": result}, "A")
    sequence = seq(tag=tag, gt=truth, vis=SHOWN)
    data = extract_results([tracker], [sequence], "r", verbose=False, corrected=corrected)
    assert data["avg_overlap_all"][0][0] == pytest.approx(0.5)
    assert data["ave_success_rate_plot_overlap"][0][0][10] == pytest.approx(0.5)
    assert data["ave_success_rate_plot_center"][0][0][20] == pytest.approx(0.5)
    assert data["ave_success_rate_plot_center_norm"][0][0][20] == pytest.approx(0.5)


def test_other_measures_leave_them_out_too(new):
    truth = with_holes(G, 5, 6, 7, 8, 9)
    result = G.copy()
    result[5:] = [500, 500, 20, 20]
    tracker = new({"s1": result}, "A", scores={"s1": np.linspace(1, 0.1, 10)})
    sequence = seq(gt=truth, vis=SHOWN, tag="folder")
    sequence.frames = [None] * 10
    assert pysot_table([tracker], [sequence])[0].success_curve[10] == 1
    assert got10k_table([tracker], [sequence])[0].ao == pytest.approx(1)
    f1 = extract_results_prec_rec_f1([tracker], [sequence], "r", verbose=False)
    (curve,) = f1["raw_data"].values()
    assert (curve["f1_max"], len(curve["prec"])) == (pytest.approx(1), 6)


def test_uav_marks_absence_by_nan_as_pytracking_does(new):
    """There a frame without the target is one of all frames."""
    truth = with_holes(G, 5, 6, 7, 8, 9)
    data = extract_results([new({"s1": G})], [seq(gt=truth, tag="uav")], "r", verbose=False)
    assert data["ave_success_rate_plot_overlap"][0][0][10] == pytest.approx(0.5)


def test_frame_errors_of_unknown_frames_are_those_of_invalid_ones():
    truth = with_holes(G, 2)
    overlap, center, norm, valid = calc_seq_err_robust(P, truth, "otb", HALF)
    assert valid.tolist() == [True, True, False, True, True] + [False] * 5
    assert (overlap[2], center[2], norm[2]) == (-1, float("inf"), -1)


def test_hidden_and_unknown_frames_together(new):
    truth = with_holes(G, 0, 1, 2)
    data = extract_results(
        [new({"s1": G})], [seq(gt=truth, vis=HALF, tag="lasot")], "r", verbose=False
    )
    assert data["ave_success_rate_plot_overlap"][0][0][10] == pytest.approx(2 / 7)


# name -> (rows on disk, whether the sequence is finished)
FINISHED = {"whole": (5, True), "longer": (7, True), "short": (4, False), "empty": (0, False)}


@pytest.mark.parametrize(("count", "is_finished"), FINISHED.values(), ids=FINISHED)
@pytest.mark.parametrize("ending", ["", "\n\n"], ids=["", "blank lines at the end"])
def test_a_short_file_is_no_finished_one(tmp_path, count, is_finished, ending):
    sequence = Sequence("s", ["f"] * 5, "otb", G[:5])
    (tmp_path / "s.txt").write_text("1\t1\t5\t5\n" * count + ending)
    assert results_exist(sequence, str(tmp_path)) is is_finished
    sentence = short_result(sequence, str(tmp_path))
    assert (sentence is None) is is_finished
    assert is_finished or f"s.txt has {count} boxes for 5 frames" in sentence


def test_files_of_one_object_of_several_may_be_short(tmp_path):
    sequence = Sequence(
        "m", ["f"] * 3, "t", {"1": G[:3], "2": G[:3]}, object_ids=["1", "2"], multiobj_mode=True
    )
    box = [1, 2, 3, 4]
    output = {"target_bbox": [{"1": box}, {"1": box, "2": box}, {"1": box}], "time": [1, 1, 1]}
    save_results(sequence, str(tmp_path), "", output)
    assert results_exist(sequence, str(tmp_path))
