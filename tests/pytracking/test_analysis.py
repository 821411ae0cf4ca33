"""Scores, tables, cache and plots of the analysis package on tiny in-memory data (contract rows E01-E16)."""

import json
import logging
import os
import pickle
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadInput, BadValue, run_script
from pytracking.analysis import __main__ as command
from pytracking.analysis import drawing, eval_cache, tables
from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import calc_iou_overlap, calc_seq_err_robust, extract_results
from pytracking.analysis.got10k import got10k_table, overlap_in_image
from pytracking.analysis.scores import Curves, selected_plot_types
from pytracking.evaluation import environment

mpl.use("Agg")
G = np.tile([10.0, 10, 20, 20], (10, 1))
P = np.array([[10, 10, 20, 20]] + [[15, 10, 20, 20]] * 9)
ALL = ("success", "prec", "norm_prec")
LINE = ["AUC", "OP50", "OP75", "Precision", "Norm Precision"]


@pytest.fixture(autouse=True)
def plots(tmp_path, monkeypatch):
    settings = SimpleNamespace(result_plot_path=f"{tmp_path}/plots/", got_reports_path=f"{tmp_path}/got")
    monkeypatch.setattr(environment, "env_settings", lambda: settings)
    return tmp_path / "plots"


@pytest.fixture
def new(tmp_path):
    """Make a tracker whose results are given as {sequence name: boxes}."""
    def make(results, label=None, name="toy", run_id=None, param="p", delimiter="\t"):
        folder = tmp_path / "results" / name / (param if run_id is None else f"{param}_{run_id:03d}")
        folder.mkdir(parents=True, exist_ok=True)
        for sequence, boxes in results.items():
            np.savetxt(folder / f"{sequence}.txt", boxes, delimiter=delimiter, fmt="%d")
        return SimpleNamespace(name=name, parameter_name=param, run_id=run_id, display_name=label,
                               results_dir=str(folder))
    return make


def seq(name="s1", tag="otb", gt=G, vis=None):
    return SimpleNamespace(name=name, dataset=tag, ground_truth_rect=np.array(gt, float), target_visible=vis,
                           frames=["f"] * len(gt), object_class=None)


def scores(tracker, sequence, **kwargs):
    table = pr.print_results([tracker], [sequence], "r", plot_types=ALL, force_evaluation=True, verbose=False, **kwargs)
    return [round(value, 2) for value in next(iter(table.values())).values()]


def test_e01_table(new, capsys):
    table = pr.print_results([new({"s1": P}, "A")], [seq()], "toy", plot_types=ALL, force_evaluation=True)
    assert capsys.readouterr().out == (
        "\n\nComputed results over 1 / 1 sequences\n\nReporting results over 1 / 1 sequences\n\n"
        "toy      | AUC        | OP50       | OP75       | Precision    | Norm Precision    |\n"
        "A        | 60.95      | 100.00     | 10.00      | 100.00       | 10.00             |\n\n")
    assert table == {"A": pytest.approx(dict(zip(LINE, [60.9524, 100, 10, 100, 10], strict=True)), abs=1e-3)}


def test_e02_pickle_holds_the_contract_keys(new, plots):
    returned = extract_results([new({"s1": P}, "A")], [seq()], "toy", verbose=False)
    stored = pickle.loads((plots / "toy/eval_data.pkl").read_bytes())
    assert stored == returned and stored["sequences"] == ["s1"] and stored["valid_sequence"] == [1]
    assert stored["trackers"] == [{"name": "toy", "param": "p", "run_id": None, "disp_name": "A"}]
    assert stored["avg_overlap_all"] == [[pytest.approx(0.64)]]
    assert stored["ave_success_rate_plot_overlap"][0][0] == pytest.approx([1.0] * 12 + [0.1] * 8 + [0.0])
    assert stored["ave_success_rate_plot_center"][0][0] == pytest.approx([0.1] * 5 + [1.0] * 46)
    assert len(stored["ave_success_rate_plot_center_norm"][0][0]) == 51
    assert stored["threshold_set_center"] == list(range(51)) and len(stored["threshold_set_overlap"]) == 21
    assert stored["threshold_set_center_norm"][20] == 0.2 and len(stored) == 10


ZERO_X = G * [0, 1, 1, 1]
HALF = np.arange(10) < 5
SHOWN = np.ones(10, bool)


@pytest.mark.parametrize(("result", "sequence", "kwargs", "expected"), [
    (G, seq(), {}, [95.24, 100, 100, 100, 100]),
    (ZERO_X, seq(gt=ZERO_X), {}, [0, 0, 0, 0, 100]),
    (ZERO_X, seq(gt=ZERO_X, tag="uav"), {}, [0, 0, 0, 100, 100]),
    (ZERO_X, seq(gt=ZERO_X, tag="lasot", vis=SHOWN), {}, [0, 0, 0, 0, 100]),
    (G, seq(tag="lasot", vis=HALF), {}, [47.62, 50, 50, 50, 50]),
    (G, seq(tag="lasot", vis=HALF), {"exclude_invalid_frames": True}, [95.24, 100, 100, 100, 100]),
    (G, seq(tag="got10k", vis=HALF), {}, [47.62, 50, 50, 50, 100]),
    (np.vstack([P, P]), seq(), {}, [60.95, 100, 10, 100, 10]),
    (G[:6], seq(), {}, [57.14, 60, 60, 60, 60]),
    (ZERO_X, seq(gt=ZERO_X), {"corrected": True}, [100, 100, 100, 100, 100]),
    (G, seq(tag="lasot", vis=HALF), {"corrected": True}, [100, 100, 100, 100, 100]),
    (G + np.array([40, 0, 0, 0]), seq(vis=HALF), {"corrected": True}, [20, 20, 20, 20, 20]),
    (P, seq(), {"plot_bin_gap": 0.025}, [62.44, 100, 10, 100, 10]),
], ids=["e03 perfect", "e04 x=0 otb", "e04 x=0 uav", "e04 x=0 lasot", "e05 half hidden lasot", "e05 hidden excluded",
        "e05 half hidden got10k", "e06 surplus rows", "e06 missing rows", "corrected x=0", "corrected hidden",
        "corrected hidden frames are no hits", "finer grid"])
def test_scores(new, result, sequence, kwargs, expected):
    assert scores(new({"s1": result}), sequence, **kwargs) == expected


@pytest.mark.parametrize(("result", "sequence", "kwargs", "message"), [
    (ZERO_X, seq(gt=ZERO_X), {"exclude_invalid_frames": True}, "Seq length zero"),
    (G[:6], seq(tag="lasot", vis=SHOWN), {}, "Mis-match in tracker prediction and GT lengths"),
    (np.vstack([G[:9], [[-1, -1, -1, -1]]]), seq(), {}, "Error: Invalid results"),
    (G, seq(gt=np.vstack([G[:9], [[np.nan] * 4]])), {}, "Warning: NaNs in annotation"),
    (G, seq(vis=HALF[:5]), {}, "target_visible has shape"),
    (P, seq(), {"plot_bin_gap": 0.1}, "The overlap thresholds do not hold 0.75"),
    (P, seq(), {"plot_bin_gap": 0.0}, "plot_bin_gap must be above 0"),
], ids=["e04 no valid frame", "e06 too short for lasot", "e08 negative size", "e09 nan ground truth", "visibility",
        "grid without 0.75", "no grid"])
def test_unusable_input(new, result, sequence, kwargs, message):
    with pytest.raises(BadValue, match=f"^{message}"):
        scores(new({"s1": result}), sequence, **kwargs)


def test_unusable_result_names_its_file(new, tmp_path):
    with pytest.raises(BadValue, match=r"sequence 's1', result .*/toy/p/s1\.txt"):
        scores(new({"s1": G * [1, 1, -1, 1]}), seq())
    (tmp_path / "results/toy/p/s1.txt").write_text("1,2,3\n")
    with pytest.raises(BadInput, match=r"s1\.txt"):
        scores(new({}), seq())


def test_frame_errors_of_missing_rows():
    overlap, center, norm, valid = calc_seq_err_robust(torch.tensor(G[:6]), torch.tensor(G), "otb")
    assert overlap.tolist() == pytest.approx([1] * 6 + [0] * 4) and valid.all()
    assert center[-1].item() == pytest.approx(28.284, abs=1e-3) and norm[-1].item() == pytest.approx(1.414, abs=1e-3)


def test_e07_boxes_without_area_take_the_box_before():
    pred = torch.tensor([[10.0, 10, 20, 20], [12, 10, 20, 20], [0, 0, 0, 0], [0, 0, 0, 5]])
    before = pred.clone()
    overlap = calc_seq_err_robust(pred, torch.tensor(G[:4]), "otb")[0]
    assert overlap.tolist() == pytest.approx([1, 0.818, 0.818, 0.818], abs=1e-3)
    assert torch.equal(pred, before)


def test_e08_nan_prediction():
    with pytest.raises(BadValue, match=r"^Error: Invalid results"):
        calc_seq_err_robust(torch.full((10, 4), float("nan")), torch.tensor(G), "otb")


def test_e09_nan_ground_truth_of_uav():
    gt = torch.tensor(G)
    gt[3] = float("nan")
    overlap, center, norm, valid = calc_seq_err_robust(torch.tensor(G), gt, "uav")
    assert not valid[3] and overlap[3] == center[3] == norm[3] == -1 and valid.sum() == 9


boxes = st.lists(st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0, 50)] * 2), min_size=2, max_size=12)


@given(boxes)
def test_repair_equals_the_frame_by_frame_rule(rows):
    """The vectorised forward fill against the sequential definition; far ground truth keeps IoU out of the way."""
    pred, gt = torch.tensor(rows, dtype=torch.float64), torch.tensor([[1.0, 1, 9, 9]] * len(rows), dtype=torch.float64)
    expected = pred.clone()
    for i in range(1, len(rows)):
        if expected[i, 2] == 0 or expected[i, 3] == 0:
            expected[i] = expected[i - 1]
    expected[0] = gt[0]
    assert torch.equal(calc_seq_err_robust(pred, gt, "otb")[0], calc_iou_overlap(expected, gt))


def test_e10_missing_results(new, capsys):
    sequences = [seq("gone"), seq("s1")]
    tracker = new({"s1": P}, "A")
    with pytest.raises(FileNotFoundError, match=r"^Result not found\. .*gone\.txt"):
        pr.print_results([tracker], sequences, "r")
    assert extract_results([tracker], sequences, "r", skip_missing_seq=True)["valid_sequence"] == [0, 1]
    table = pr.print_results([tracker], sequences, "r", skip_missing_seq=True)
    assert "Reporting results over 1 / 2 sequences" in capsys.readouterr().out
    assert table["A"]["AUC"] == pytest.approx(60.95, abs=0.01)
    with pytest.raises(BadValue, match="No sequence has results"):
        pr.print_results([new({}, name="other")], sequences, "r", skip_missing_seq=True)


def test_e11_runs_are_merged(new):
    runs = [new({"s1": G}, run_id=0, param="run"), new({"s1": P}, run_id=1, param="run"), new({"s1": P}, name="b")]
    table = pr.print_results(runs, [seq()], "r", merge_results=True)
    assert list(table) == ["toy_run_000", "b_p"]
    assert table["toy_run_000"] == pytest.approx({"AUC": 78.095, "OP50": 100, "OP75": 55}, abs=0.01)


@pytest.mark.parametrize(("criteria", "rows"), [
    (None, ["s1 (ID=0)", "s2 (ID=1)"]),
    ({"mode": "ao_min", "threshold": 70}, ["s2 (ID=1)"]),
    ({"mode": "ao_max", "threshold": 70}, []),
    ({"mode": "delta_ao", "threshold": 30}, ["s2 (ID=1)"]),
], ids=str)
def test_e12_per_sequence_table(new, capsys, criteria, rows):
    trackers = [new({"s1": G, "s2": P}, "A"), new({"s1": G, "s2": G}, "A", name="b")]
    table = pr.print_per_sequence_results(trackers, [seq("s1"), seq("s2")], "r", filter_criteria=criteria)
    assert list(table) == rows
    if "s2 (ID=1)" in table:
        assert table["s2 (ID=1)"] == pytest.approx({"A": 64, "A (2)": 100})
        assert "s2 (ID=1)      | 64.00      | 100.00     |" in capsys.readouterr().out


def test_e12_sequences_without_results_are_left_out(new):
    table = pr.print_per_sequence_results([new({"s2": G}, "A")], [seq("s1"), seq("s2")], "r", skip_missing_seq=True)
    assert table == {"s2 (ID=1)": {"A": pytest.approx(100)}}


def test_e12_unknown_filter():
    with pytest.raises(BadValue, match="did you mean 'ao_min'"):
        pr.print_per_sequence_results([], [], "r", filter_criteria={"mode": "ao_mn", "threshold": 1})


def test_e13_cache_is_used_until_names_or_options_change(new, plots, caplog):
    first, other = new({"s1": P, "s2": P}, "A"), new({"s1": G}, "B", name="b")

    def auc(trackers, sequences, **kwargs):
        return [row.scores["AUC"] for row in pr.result_rows(trackers, sequences, "r", verbose=False, **kwargs)]

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
    assert len(auc([other, first], [seq()])) == 2 and pr.result_rows([first], [seq()], "r")[0].label == "A"
    assert auc([first], [seq()], corrected=True) == [100.0] and auc([first], [seq()]) != [100.0]


def test_display_names_are_refreshed(new):
    tracker = new({"s1": P}, "old")
    pr.print_results([tracker], [seq()], "r")
    tracker.display_name = "new"
    assert list(pr.print_results([tracker], [seq()], "r")) == ["new"]


class Evil:
    def __reduce__(self):
        return (print, ("code from a pickle ran",))


@pytest.mark.parametrize(("content", "message"), [
    (pickle.dumps({"sequences": Evil()}), "builtins.print"),
    (pickle.dumps({"a": np.float64(1)}), "numpy"),
    (pickle.dumps(["list"]), "holds a list"),
    (pickle.dumps({"sequences": ["s"] * 9})[:20], "damaged"),
    (b"no pickle at all", "damaged"),
], ids=["code", "numpy object", "no dict", "cut off", "text"])
def test_unsafe_or_damaged_cache_is_refused(new, plots, capsys, content, message):
    (plots / "r").mkdir(parents=True)
    (plots / "r/eval_data.pkl").write_bytes(content)
    with pytest.raises(BadValue, match=message) as error:
        pr.print_results([new({"s1": P})], [seq()], "r")
    assert "force_evaluation=True" in str(error.value) and "ran" not in capsys.readouterr().out
    pr.print_results([new({"s1": P})], [seq()], "r", force_evaluation=True)
    assert eval_cache.load_eval_data(plots / "r/eval_data.pkl")["sequences"] == ["s1"]


def test_old_pytracking_cache_is_read(new, plots):
    tracker = new({"s1": P}, "A")
    eval_data = extract_results([tracker], [seq()], "r", verbose=False)
    (plots / "r/eval_options.json").unlink()
    eval_data["ave_success_rate_plot_overlap"] = [[[0.5] * 21]]
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (plots / "r/eval_data.pkl").write_bytes(pickle.dumps(eval_data, protocol))
        assert pr.print_results([tracker], [seq()], "r")["A"]["AUC"] == 50.0


def test_cache_without_curves_is_computed_again(new, plots):
    """pytracking's F1 report uses the same file name with other keys."""
    tracker = new({"s1": P}, "A")
    eval_data = extract_results([tracker], [seq()], "r", verbose=False)
    kept = {key: eval_data[key] for key in ("sequences", "trackers", "valid_sequence")}
    (plots / "r/eval_data.pkl").write_bytes(pickle.dumps({**kept, "raw_data": {}}))
    assert pr.print_results([tracker], [seq()], "r")["A"]["OP50"] == 100.0


def test_options_of_an_interrupted_evaluation_are_unknown(new, monkeypatch):
    arguments = ([new({"s1": P})], [seq()], "r")
    extract_results(*arguments, corrected=True)
    monkeypatch.setattr(eval_cache, "write_text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extract_results(*arguments)
    assert eval_cache.load_options("r") is None


def test_e14_plots(new, plots, capsys):
    params = dict(mpl.rcParams)
    files = pr.plot_results([new({"s1": P}, "A")], [seq()], "r", plot_types=ALL, plot_opts={"title": "T", "titel": 1})
    names = {f"{kind}_plot.{end}" for kind in ("success", "precision", "norm_precision") for end in ("pdf", "png")}
    assert {path.name for path in files} == names
    assert {path.name for path in (plots / "r").iterdir()} == names | {"eval_data.pkl", "eval_options.json"}
    assert all(path.read_bytes()[:4] in (b"%PDF", b"\x89PNG") for path in files)
    assert dict(mpl.rcParams) == params and not mpl.pyplot.get_fignums()
    out = capsys.readouterr().out
    assert out.endswith("\nPlotting results over 1 / 1 sequences\n\nGenerating plots for: r\n")


def test_own_plot_type_does_not_overwrite_other_plots(new):
    own = {"plot_type": "x"}
    files = pr.plot_results([new({"s1": P})], [seq()], "r", plot_types=("success", "prec"), plot_opts=own)
    assert [path.name for path in files[::2]] == ["x_success_plot.pdf", "x_precision_plot.pdf"]
    files = pr.plot_results([new({"s1": P})], [seq()], "r", plot_opts=own)
    assert files[0].name == "x_plot.pdf"


def test_plot_ranks_trackers_and_reuses_styles(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawing, "_save", lambda figure, *_: drawn.append(figure.axes[0]) or [])
    styles = drawing.get_plot_draw_styles()
    assert len({style["color"] for style in styles}) == 22 and all(style["line_style"] == "-" for style in styles)
    trackers = [{"name": f"t{i}", "param": "p", "run_id": None, "disp_name": f"\\bf L{i}"} for i in range(25)]
    values = [float("nan"), *range(24)]
    drawing.plot_draw_save(np.zeros((25, 3)), [0, 1, 2], values, trackers, styles, tmp_path, {"plot_type": "x"})
    lines, texts = drawn[0].get_lines(), drawn[0].get_legend().get_texts()
    assert (texts[0].get_text(), texts[-1].get_text()) == ("L24 [23.0]", "L0 [nan]")
    assert texts[0].get_weight() == "bold"
    assert lines[0].get_color() == lines[22].get_color() == styles[0]["color"]
    assert (lines[0].get_linestyle(), lines[22].get_linestyle()) == ("-", "--")


@pytest.mark.parametrize(("level", "options", "place"), [
    (10, {}, "upper right"), (90, {}, "lower left"), (90, {"legend_loc": "upper right"}, "upper right"),
    (None, {}, "margin"),
], ids=["free corner", "curve in the way", "user's choice", "curves everywhere"])
def test_legend_keeps_off_the_curves(new, monkeypatch, level, options, place):
    drawn = []
    monkeypatch.setattr(drawing, "_save", lambda figure, *_: drawn.append(figure) or [])
    curve = np.full((1, 21), level) if level is not None else np.tile([0.0, 100], 11)[None, :21]
    monkeypatch.setattr(pr, "data_set_curves",
                        lambda data, kind: Curves(kind, torch.linspace(0, 1, 21), torch.tensor(curve), torch.ones(1)))
    pr.plot_results([new({"s1": P})], [seq()], "r", plot_opts=options)
    (axes,) = drawn[0].axes
    drawn[0].draw_without_rendering()
    x, y = axes.transAxes.inverted().transform(axes.get_legend().get_window_extent().get_points().mean(0))
    assert place == ("margin" if x > 1 else f"{'upper' if y > 0.5 else 'lower'} {'right' if x > 0.5 else 'left'}")


def test_e15_comma_separated_results(new):
    assert scores(new({"s1": P}, delimiter=","), seq()) == scores(new({"s1": P}), seq())


@pytest.mark.parametrize(("plot_types", "chosen"), [
    ("success", ["success"]), ("norm_prec", ["prec", "norm_prec"]), (("norm_prec",), ["norm_prec"]),
    (["prec", "success"], ["success", "prec"]), ("success, norm_prec", list(ALL)),
], ids=str)
def test_e16_plot_types(plot_types, chosen):
    assert selected_plot_types(plot_types) == chosen


@pytest.mark.parametrize("plot_types", ["", (), "f1_prec_rec", ("norm_precision",)], ids=repr)
def test_unknown_plot_types(plot_types):
    with pytest.raises(BadValue, match="plot"):
        selected_plot_types(plot_types)


def test_table_styles():
    rows = [tables.ResultRow("a|b", {"AUC": 50.125, "OP50": 2.0})]
    markdown = "| toy | AUC | OP50 |\n|:--|--:|--:|\n| a\\|b | 50.12 | 2.00 |\n"
    assert tables.format_rows(rows, "markdown", "toy") == markdown
    assert tables.format_rows(rows, "csv", "toy") == "toy,AUC,OP50\na|b,50.125,2.0\n"
    text = "\n       | AUC        |\nr      | 1.00       |\n"
    assert tables.generate_formatted_report(["r"], {"AUC": torch.tensor([1.0])}) == text
    with pytest.raises(BadValue, match="did you mean 'markdown'"):
        tables.format_rows(rows, "markdwn")


def test_got10k_skips_first_hidden_and_nan_frames(new):
    vis, gt = np.array([1, 1, 1, 0, 1], bool), G[:5].copy()
    gt[4] = np.nan
    (row,) = got10k_table([new({"s1": G[:5] * [9, 9, 1, 1]})], [seq(gt=gt, vis=vis)])
    assert (row.ao, row.sr50, row.speed_fps) == (0.0, 0.0, None)
    (row,) = got10k_table([new({"s1": np.vstack([G[:1] * 9, P[1:3], G[3:5] * 9])})], [seq(gt=gt, vis=vis)])
    assert row.ao == pytest.approx(0.6) and (row.sr50, row.sr75, len(row.success_curve)) == (1.0, 0.0, 101)


@pytest.mark.parametrize(("box", "expected"), [
    ([0, 0, 10, 10], 1.0), ([-5, 0, 10, 10], 1.0), ([0, 0, 10, 30], 0.5), ([50, 50, 5, 5], 0.0),
], ids=["same", "shifted inside", "cut at the bottom", "outside"])
def test_got10k_overlap_fits_boxes_to_the_image(box, expected):
    overlap = overlap_in_image(np.array([box], float), np.array([[0.0, 0, 10, 10]]), (20, 20))
    assert overlap[0] == pytest.approx(expected)


@pytest.mark.parametrize(("result", "gt", "message"), [
    ({}, G, "Result not found"), ({"s1": G[:4]}, G, "has 4 boxes for 10 frames"), ({"s1": G}, G[:1], "scored by the"),
], ids=["no result", "too short", "hidden ground truth"])
def test_got10k_unusable_input(new, result, gt, message):
    with pytest.raises(BadInput, match=message):
        got10k_table([new(result)], [seq(gt=gt)])


@pytest.mark.parametrize("nested", [True, False])
def test_got10k_server_report(new, tmp_path, nested):
    (tmp_path / "got").mkdir()
    entry = {"ao": 0.5, "succ_curve": [1.0] * 101}
    (tmp_path / "got/toy.json").write_text(json.dumps({"any": {"overall": entry} if nested else entry}))
    assert [path.name for path in pr.plot_got_success([new({})], "r")] == ["success_plot.pdf", "success_plot.png"]
    with pytest.raises(FileNotFoundError, match=r"other\.json"):
        pr.plot_got_success([new({}, name="other")], "r")


def test_command(new, plots, monkeypatch, capsys):
    made = {"toy": new({"s1": P}, "A"), "b": new({"s1": G}, "B", name="b")}
    monkeypatch.setattr(command, "trackerlist", lambda name, parameter, run_ids: [made[name]])
    monkeypatch.setattr(command, "get_dataset", lambda name: [seq()])
    command.main(["toy", "p", "b", "p", "--dataset_name", "toy", "--format", "csv"])
    out = capsys.readouterr().out
    assert "toy,AUC,OP50,OP75,Precision,Norm Precision,AO,SR50,SR75\nA,60.95" in out and "\nB,95.23" in out
    assert f"{plots}/toy/success_plot.pdf\n" in out and (plots / "toy/norm_precision_plot.png").is_file()
    with pytest.raises(BadValue, match="parameter name of 'b'"):
        command.main(["toy", "p", "b", "--dataset_name", "toy"])


def test_command_shows_errors_as_one_sentence(new, monkeypatch, capsys):
    monkeypatch.setattr(command, "trackerlist", lambda name, parameter, run_ids: [new({})])
    monkeypatch.setattr(command, "get_dataset", lambda name: [seq()])
    with pytest.raises(SystemExit, match="1"):
        run_script(lambda: command.main(["toy", "p", "--dataset_name", "toy"]))
    err = capsys.readouterr().err
    assert err.startswith("error: Result not found. ") and err.count("\n") == 1
