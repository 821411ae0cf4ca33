"""Contract rows E01-E16: the numbers, tables, cache and plots of `pytracking.analysis`."""

import logging
import os
import pickle

import matplotlib as mpl
import numpy as np
import pytest
import torch

from ltr.admin.errors import BadValue
from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import calc_seq_err_robust, extract_results
from pytracking.analysis.scores import selected_plot_types
from tests.support.analysis import ALL, HALF, SHOWN, G, P, scores, seq

pytestmark = pytest.mark.usefixtures("plots")
LINE = ["AUC", "OP50", "OP75", "Precision", "Norm Precision"]
ZERO_X = G * [0, 1, 1, 1]


def test_E01_table(new, capsys):
    table = pr.print_results(
        [new({"s1": P}, "A")], [seq()], "toy", plot_types=ALL, force_evaluation=True
    )
    assert capsys.readouterr().out == (
        "\n\nComputed results over 1 / 1 sequences\n\nReporting results over 1 / 1 sequences\n\n"
        "toy      | AUC        | OP50       | OP75       | Precision    | Norm Precision    |\n"
        "A        | 60.95      | 100.00     | 10.00      | 100.00       | 10.00             |\n\n"
    )
    assert table == {
        "A": pytest.approx(dict(zip(LINE, [60.9524, 100, 10, 100, 10], strict=True)), abs=1e-3)
    }


def test_E02_pickle_holds_the_contract_keys(new, plots):
    returned = extract_results([new({"s1": P}, "A")], [seq()], "toy", verbose=False)
    stored = pickle.loads((plots / "toy/eval_data.pkl").read_bytes())
    assert stored == returned and stored["sequences"] == ["s1"] and stored["valid_sequence"] == [1]
    assert stored["trackers"] == [{"name": "toy", "param": "p", "run_id": None, "disp_name": "A"}]
    assert stored["avg_overlap_all"] == [[pytest.approx(0.64)]]
    assert stored["ave_success_rate_plot_overlap"][0][0] == pytest.approx(
        [1.0] * 12 + [0.1] * 8 + [0.0]
    )
    assert stored["ave_success_rate_plot_center"][0][0] == pytest.approx([0.1] * 5 + [1.0] * 46)
    assert len(stored["ave_success_rate_plot_center_norm"][0][0]) == 51
    assert (
        stored["threshold_set_center"] == list(range(51))
        and len(stored["threshold_set_overlap"]) == 21
    )
    assert stored["threshold_set_center_norm"][20] == 0.2 and len(stored) == 10


@pytest.mark.parametrize(
    ("result", "sequence", "kwargs", "expected"),
    [
        (G, seq(), {}, [95.24, 100, 100, 100, 100]),
        (ZERO_X, seq(gt=ZERO_X), {}, [0, 0, 0, 0, 100]),
        (ZERO_X, seq(gt=ZERO_X, tag="uav"), {}, [0, 0, 0, 100, 100]),
        (ZERO_X, seq(gt=ZERO_X, tag="lasot", vis=SHOWN), {}, [0, 0, 0, 0, 100]),
        (G, seq(tag="lasot", vis=HALF), {}, [47.62, 50, 50, 50, 50]),
        (
            G,
            seq(tag="lasot", vis=HALF),
            {"exclude_invalid_frames": True},
            [95.24, 100, 100, 100, 100],
        ),
        (G, seq(tag="got10k", vis=HALF), {}, [47.62, 50, 50, 50, 100]),
        (np.vstack([P, P]), seq(), {}, [60.95, 100, 10, 100, 10]),
        (G[:6], seq(), {}, [57.14, 60, 60, 60, 60]),
    ],
    ids=[
        "E03_perfect",
        "E04_x_0_otb",
        "E04_x_0_uav",
        "E04_x_0_lasot",
        "E05_half_hidden_lasot",
        "E05_hidden_excluded",
        "E05_half_hidden_got10k",
        "E06_surplus_rows",
        "E06_missing_rows",
    ],
)
def test_scores_of(new, result, sequence, kwargs, expected):
    assert scores(new({"s1": result}), sequence, **kwargs) == expected


def test_E04_average_overlap_without_a_valid_frame_is_nan(new):
    eval_data = extract_results([new({"s1": ZERO_X})], [seq(gt=ZERO_X)], "r", verbose=False)
    assert np.isnan(eval_data["avg_overlap_all"][0][0])


@pytest.mark.parametrize(
    ("result", "sequence", "kwargs", "message"),
    [
        (ZERO_X, seq(gt=ZERO_X), {"exclude_invalid_frames": True}, "Seq length zero"),
        (G[:6], seq(tag="lasot", vis=SHOWN), {}, "Mis-match in tracker prediction and GT lengths"),
        (np.vstack([G[:9], [[-1, -1, -1, -1]]]), seq(), {}, "Error: Invalid results"),
        (np.vstack([G[:9], [[np.nan] * 4]]), seq(), {}, "Error: Invalid results"),
    ],
    ids=[
        "E04_no_valid_frame",
        "E06_too_short_for_lasot",
        "E08_negative_size",
        "E08_nan",
    ],
)
def test_exception_for(new, result, sequence, kwargs, message):
    with pytest.raises(BadValue, match=f"^{message}"):
        scores(new({"s1": result}, fmt="%g"), sequence, **kwargs)


def test_E06_frame_errors_of_missing_rows():
    overlap, center, norm, valid = calc_seq_err_robust(torch.tensor(G[:6]), torch.tensor(G), "otb")
    assert overlap.tolist() == pytest.approx([1] * 6 + [0] * 4) and valid.all()
    assert center[-1].item() == pytest.approx(28.284, abs=1e-3) and norm[
        -1
    ].item() == pytest.approx(1.414, abs=1e-3)


def test_E07_boxes_without_area_take_the_box_before():
    pred = torch.tensor([[10.0, 10, 20, 20], [12, 10, 20, 20], [0, 0, 0, 0], [0, 0, 0, 5]])
    before = pred.clone()
    overlap = calc_seq_err_robust(pred, torch.tensor(G[:4]), "otb")[0]
    assert overlap.tolist() == pytest.approx([1, 0.818, 0.818, 0.818], abs=1e-3)
    assert torch.equal(pred, before)


def test_E09_nan_ground_truth_of_uav():
    gt = torch.tensor(G)
    gt[3] = float("nan")
    overlap, center, norm, valid = calc_seq_err_robust(torch.tensor(G), gt, "uav")
    assert not valid[3] and overlap[3] == center[3] == norm[3] == -1 and valid.sum() == 9


def test_E10_missing_results(new, capsys):
    sequences = [seq("gone"), seq("s1")]
    tracker = new({"s1": P}, "A")
    with pytest.raises(FileNotFoundError, match=r"^Result not found\. .*gone\.txt"):
        pr.print_results([tracker], sequences, "r")
    assert extract_results([tracker], sequences, "r", skip_missing_seq=True)["valid_sequence"] == [
        0,
        1,
    ]
    table = pr.print_results([tracker], sequences, "r", skip_missing_seq=True)
    assert "Reporting results over 1 / 2 sequences" in capsys.readouterr().out
    assert table["A"]["AUC"] == pytest.approx(60.95, abs=0.01)
    with pytest.raises(BadValue, match="No sequence has results"):
        pr.print_results([new({}, name="other")], sequences, "r", skip_missing_seq=True)


def test_E11_runs_are_merged(new):
    runs = [
        new({"s1": G}, run_id=0, param="run"),
        new({"s1": P}, run_id=1, param="run"),
        new({"s1": P}, name="b"),
    ]
    table = pr.print_results(runs, [seq()], "r", merge_results=True)
    assert list(table) == ["toy_run_000", "b_p"]
    assert table["toy_run_000"] == pytest.approx({"AUC": 78.095, "OP50": 100, "OP75": 55}, abs=0.01)


@pytest.mark.parametrize(
    ("criteria", "rows"),
    [
        (None, ["s1 (ID=0)", "s2 (ID=1)"]),
        ({"mode": "ao_min", "threshold": 70}, ["s2 (ID=1)"]),
        ({"mode": "ao_max", "threshold": 70}, []),
        ({"mode": "delta_ao", "threshold": 30}, ["s2 (ID=1)"]),
    ],
    ids=str,
)
def test_E12_per_sequence_table(new, capsys, criteria, rows):
    trackers = [new({"s1": G, "s2": P}, "A"), new({"s1": G, "s2": G}, "A", name="b")]
    table = pr.print_per_sequence_results(
        trackers, [seq("s1"), seq("s2")], "r", filter_criteria=criteria
    )
    assert list(table) == rows
    if "s2 (ID=1)" in table:
        assert table["s2 (ID=1)"] == pytest.approx({"A": 64, "A (2)": 100})
        assert "s2 (ID=1)      | 64.00      | 100.00     |" in capsys.readouterr().out


def test_E12_sequences_without_results_are_left_out(new):
    table = pr.print_per_sequence_results(
        [new({"s2": G}, "A")], [seq("s1"), seq("s2")], "r", skip_missing_seq=True
    )
    assert table == {"s2 (ID=1)": {"A": pytest.approx(100)}}


def test_E12_unknown_filter():
    with pytest.raises(BadValue, match="did you mean 'ao_min'"):
        pr.print_per_sequence_results(
            [], [], "r", filter_criteria={"mode": "ao_mn", "threshold": 1}
        )


def test_E13_cache_is_used_until_names_or_options_change(new, plots, caplog):
    first, other = new({"s1": P, "s2": P}, "A"), new({"s1": G}, "B", name="b")

    def auc(trackers, sequences, **kwargs):
        return [
            row.scores["AUC"]
            for row in pr.result_rows(trackers, sequences, "r", verbose=False, **kwargs)
        ]

    before = auc([first], [seq()])
    assert auc([first], [seq()]) == before and not caplog.records
    new({"s1": G})
    cache = plots / "r/eval_data.pkl"
    os.utime(cache, (0, 0))
    with caplog.at_level(logging.WARNING):
        assert auc([first], [seq()]) == before
    assert "newer than the cached evaluation" in caplog.text and "s1.txt" in caplog.text
    assert auc([first], [seq()], force_evaluation=True) != before
    assert auc([first], [seq(), seq("s2")]) == auc([first], [seq(), seq("s2")])
    assert (
        len(auc([other, first], [seq()])) == 2
        and pr.result_rows([first], [seq()], "r")[0].label == "A"
    )
    assert auc([first], [seq()], corrected=True) == [100.0] and auc([first], [seq()]) != [100.0]


def test_E14_plots(new, plots, capsys):
    params = dict(mpl.rcParams)
    files = pr.plot_results(
        [new({"s1": P}, "A")], [seq()], "r", plot_types=ALL, plot_opts={"title": "T", "titel": 1}
    )
    names = {
        f"{kind}_plot.{end}"
        for kind in ("success", "precision", "norm_precision")
        for end in ("pdf", "png")
    }
    assert {path.name for path in files} == names
    assert {path.name for path in (plots / "r").iterdir()} == names | {
        "eval_data.pkl",
        "eval_options.json",
    }
    assert all(path.read_bytes()[:4] in (b"%PDF", b"\x89PNG") for path in files)
    assert dict(mpl.rcParams) == params and not mpl.pyplot.get_fignums()
    out = capsys.readouterr().out
    assert out.endswith("\nPlotting results over 1 / 1 sequences\n\nGenerating plots for: r\n")


def test_E15_comma_separated_results(new):
    assert scores(new({"s1": P}, delimiter=","), seq()) == scores(new({"s1": P}), seq())


def test_E16_string_selects_every_type_it_contains(new):
    table = pr.print_results([new({"s1": P}, "A")], [seq()], "r", plot_types="norm_prec")
    assert list(table["A"]) == ["Precision", "Norm Precision"]


@pytest.mark.parametrize(
    ("plot_types", "chosen"),
    [
        ("success", ["success"]),
        ("norm_prec", ["prec", "norm_prec"]),
        (("norm_prec",), ["norm_prec"]),
        (["prec", "success"], ["success", "prec"]),
        ("success, norm_prec", list(ALL)),
    ],
    ids=str,
)
def test_E16_plot_types(plot_types, chosen):
    assert selected_plot_types(plot_types) == chosen
