"""Precision, recall and F1 over presence scores: curves, files, cache and merging."""

import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadValue
from pytracking.analysis import eval_cache
from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import extract_results, extract_results_prec_rec_f1
from pytracking.analysis.prec_rec_f1 import prec_rec_f1
from tests.support.analysis import HALF, G, P, seq

pytestmark = pytest.mark.usefixtures("plots")
HIDDEN = seq(vis=HALF)


def raw(trackers, sequences=(HIDDEN,), **kwargs):
    return extract_results_prec_rec_f1(trackers, list(sequences), "r", verbose=False, **kwargs)[
        "raw_data"
    ]


@pytest.mark.parametrize(
    ("result", "score", "corrected", "best", "threshold"),
    [
        (G, np.where(HALF, 0.9, 0.1), False, (1.0, 5), 0.9),
        (P, np.where(HALF, 0.9, 0.1), False, (0.68, 5), 0.9),
        (P + np.array([400, 0, 0, 0]), np.arange(10) / 10, False, (2 * 0.1 * 0.2 / 0.3, 10), 0.0),
        (G, None, False, (1.0, 5), 1.0),
        (G, None, True, (2 * 0.5 / 1.5, 10), 1.0),
        (G, np.where(HALF, 0.9, 0.1), True, (1.0, 5), 0.9),
    ],
    ids=[
        "knows when the target is gone",
        "inexact boxes",
        "lost, certain of the end",
        "no scores: order of frames",
        "no scores, corrected",
        "knows when, corrected",
    ],
)
def test_best_f1(new, result, score, corrected, best, threshold):
    tracker = new({"s1": result}, scores=None if score is None else {"s1": score})
    (one,) = raw([tracker], corrected=corrected).values()
    assert (one["f1_max"], one["idx"]) == (pytest.approx(best[0]), best[1]) and one[
        "ths_max"
    ] == threshold
    assert len(one["prec"]) == len(one["rec"]) == 11 and (one["prec"][0], one["rec"][0]) == (1, 0)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=1, max_size=20))
def test_curves_equal_their_definition(frames):
    overlap, score = (torch.tensor(part, dtype=torch.float64) for part in zip(*frames, strict=True))
    result = prec_rec_f1(overlap, score, torch.ones(len(frames), dtype=torch.bool))
    order = sorted(range(len(frames)), key=lambda i: -frames[i][1])
    for k in range(1, len(frames) + 1):
        total = sum(frames[i][0] for i in order[:k])
        assert (result["prec"][k], result["rec"][k]) == pytest.approx(
            (total / k, total / len(frames))
        )


@pytest.mark.parametrize(
    "content", ["0.5\n", "nan\n" * 10], ids=["one line, as pytracking wrote it", "NaN"]
)
def test_unusable_scores_are_ignored(new, tmp_path, caplog, content):
    tracker = new({"s1": G})
    (tmp_path / "results/toy/p/s1_object_presence_scores.txt").write_text(content)
    assert (
        next(iter(raw([tracker], corrected=True).values()))["ths_max"] == 1
        and "scores.txt is ignored" in caplog.text
    )


def test_annotation_period(new):
    truth = np.where(np.arange(10)[:, None] % 5 == 0, G, np.nan)
    (one,) = raw([new({"s1": P})], [seq(gt=truth, vis=HALF)], anno_period=5).values()
    assert len(one["prec"]) == 3 and one["rec"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("sequence", "kwargs", "message"),
    [
        (seq(), {}, r"has no target_visible; .* \(sequence 's1'"),
        (HIDDEN, {"anno_period": 0}, "anno_period must be"),
        (seq("gone"), {"skip_missing_seq": True}, "No sequence has results"),
    ],
    ids=["visibility unknown", "no period", "no results"],
)
def test_f1_refuses(new, sequence, kwargs, message):
    with pytest.raises(BadValue, match=message):
        raw([new({"s1": G})], [sequence], **kwargs)


def test_runs_and_labels_keep_apart(new):
    runs = [new({"s1": box}, "A", run_id=run) for run, box in enumerate((G, P))] + [
        new({"s1": P}, "A", name="b")
    ] * 2
    assert list(raw(runs)) == ["A_0", "A_1", "A", "A (2)"]
    assert pr.print_results(
        runs[:2], [HIDDEN], "r", merge_results=True, plot_types=("f1_prec_rec",)
    )["A"] == {"F1 Scores": pytest.approx((1 + 0.68) / 2)}


def test_both_evaluations_share_the_cache(new, plots, monkeypatch):
    trackers, both = [new({"s1": P}, "A")], ("success", "f1_prec_rec")
    table = pr.print_results(trackers, [HIDDEN], "r", plot_types=both)
    stored = pickle.loads((plots / "r/eval_data.pkl").read_bytes())
    assert set(stored) == eval_cache.EVAL_DATA_KEYS | eval_cache.F1_KEYS
    monkeypatch.setattr(
        "pytracking.analysis.load_results.extract_results", None
    )  # nothing is computed again
    monkeypatch.setattr("pytracking.analysis.load_results.extract_results_prec_rec_f1", None)
    trackers[0].display_name = "new"
    assert pr.print_results(trackers, [HIDDEN], "r", plot_types=both) == {"new": table["A"]}


def test_an_outdated_evaluation_of_the_other_kind_is_dropped(new, plots):
    trackers = [new({"s1": P}, "A")]
    raw(trackers)
    os.utime(plots / "r/eval_data.pkl", (0, 0))
    extract_results(trackers, [HIDDEN], "r", verbose=False)
    assert "raw_data" not in eval_cache.load_eval_data(plots / "r/eval_data.pkl")


def test_f1_of_pytracking_is_read(new, plots):
    """Tensors for numbers, no options file; the fallback computes F1 again, not curves."""
    trackers = [new({"s1": P}, "A")]
    entry = {
        key: torch.tensor(value)
        for key, value in {
            "prec": [1.0, 0.5],
            "rec": [0.0, 0.5],
            "f1_max": 0.5,
            "ths_max": 0.9,
            "idx": 1,
        }.items()
    }
    old = {
        "sequences": ["s1"],
        "trackers": [eval_cache.tracker_entry(trackers[0])],
        "valid_sequence": [1],
        "raw_data": {"A": entry},
    }
    (plots / "r").mkdir(parents=True)
    (plots / "r/eval_data.pkl").write_bytes(pickle.dumps(old))
    assert pr.print_results(trackers, [HIDDEN], "r", plot_types=("f1_prec_rec",)) == {
        "A": {"F1 Scores": 0.5}
    }
    assert pr.print_results(
        trackers,
        [seq("s1", vis=HALF), seq("s2", vis=HALF)],
        "r",
        plot_types=("f1_prec_rec",),
        skip_missing_seq=True,
    )["A"]["F1 Scores"] == pytest.approx(0.68)


def test_f1_plot(new, plots):
    trackers = [new({"s1": P}, "A"), new({"s1": G}, "B", name="b")]
    files = pr.plot_results(trackers, [HIDDEN], "r", plot_types=("f1_prec_rec",))
    assert [file.name for file in files] == ["f1_prec_rec_plot.pdf", "f1_prec_rec_plot.png"]
