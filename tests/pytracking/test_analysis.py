"""Scores, frame repairs, cache and tables of the analysis package on tiny data, beyond the contract
rows.
"""

import io
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltr.admin.errors import BadInput, BadValue
from pytracking.analysis import eval_cache, tables
from pytracking.analysis import plot_results as pr
from pytracking.analysis.extract_results import (
    calc_iou_overlap,
    calc_seq_err_robust,
    extract_results,
)
from pytracking.analysis.scores import selected_plot_types
from tests.support.analysis import HALF, G, P, scores, seq

pytestmark = pytest.mark.usefixtures("plots")
ZERO_X = G * [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("result", "sequence", "kwargs", "expected"),
    [
        (ZERO_X, seq(gt=ZERO_X), {"corrected": True}, [100, 100, 100, 100, 100]),
        (G, seq(tag="lasot", vis=HALF), {"corrected": True}, [100, 100, 100, 100, 100]),
        (G + np.array([40, 0, 0, 0]), seq(vis=HALF), {"corrected": True}, [20, 20, 20, 20, 20]),
        (P, seq(), {"plot_bin_gap": 0.025}, [62.44, 100, 10, 100, 10]),
    ],
    ids=["corrected x=0", "corrected hidden", "corrected hidden frames are no hits", "finer grid"],
)
def test_scores(new, result, sequence, kwargs, expected):
    assert scores(new({"s1": result}), sequence, **kwargs) == expected


@pytest.mark.parametrize(
    ("sequence", "kwargs", "message"),
    [
        (seq(vis=HALF[:5]), {}, "target_visible has shape"),
        (seq(), {"plot_bin_gap": 0.1}, "The overlap thresholds do not hold 0.75"),
        (seq(), {"plot_bin_gap": 0.0}, "plot_bin_gap must be above 0"),
        (
            seq(),
            {"exclude_invalid": True},
            "Report 'r': unknown option 'exclude_invalid', did you mean 'exclude_invalid_frames'",
        ),
    ],
    ids=["visibility", "grid without 0.75", "no grid", "misspelt option"],
)
def test_unusable_input(new, sequence, kwargs, message):
    with pytest.raises(BadValue, match=f"^{message}"):
        scores(new({"s1": P}), sequence, **kwargs)


def test_unusable_result_names_its_file(new, tmp_path):
    with pytest.raises(BadValue, match=r"sequence 's1', result .*/toy/p/s1\.txt"):
        scores(new({"s1": G * [1, 1, -1, 1]}), seq())
    (tmp_path / "results/toy/p/s1.txt").write_text("1,2,3\n")
    with pytest.raises(BadInput, match=r"s1\.txt"):
        scores(new({}), seq())


boxes = st.lists(
    st.tuples(*[st.floats(-50, 50)] * 2, *[st.floats(0, 50)] * 2), min_size=2, max_size=12
)


@given(boxes)
def test_repair_equals_the_frame_by_frame_rule(rows):
    """The vectorised forward fill against the sequential definition; far ground truth keeps IoU out
    of the way.
    """
    pred, gt = (
        torch.tensor(rows, dtype=torch.float64),
        torch.tensor([[1.0, 1, 9, 9]] * len(rows), dtype=torch.float64),
    )
    expected = pred.clone()
    for i in range(1, len(rows)):
        if expected[i, 2] == 0 or expected[i, 3] == 0:
            expected[i] = expected[i - 1]
    expected[0] = gt[0]
    assert torch.equal(calc_seq_err_robust(pred, gt, "otb")[0], calc_iou_overlap(expected, gt))


def test_spread_over_runs(new):
    runs = [
        new({"s1": G}, run_id=0, param="run"),
        new({"s1": P}, run_id=1, param="run"),
        new({"s1": P}, "B", name="b"),
    ]
    rows = pr.result_rows(runs, [seq()], "r", plot_types="success", spread=True, verbose=False)
    assert [row.label for row in rows] == ["toy_run (2 runs)", "B"] and rows[1].spread == {}
    assert rows[0].scores == pytest.approx({"AUC": 78.095, "OP50": 100, "OP75": 55}, abs=0.01)
    assert rows[0].spread == pytest.approx(
        {"AUC": np.std([95.238, 60.952], ddof=1), "OP50": 0, "OP75": 63.64}, abs=0.01
    )


def test_display_names_are_refreshed(new):
    tracker = new({"s1": P}, "old")
    pr.print_results([tracker], [seq()], "r")
    tracker.display_name = "new"
    assert list(pr.print_results([tracker], [seq()], "r")) == ["new"]


class Evil:
    def __reduce__(self):
        return (print, ("code from a pickle ran",))


def _torch_file(value) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


TORCH = _torch_file(Evil())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"sequences": Evil()}), "builtins.print"),
        (pickle.dumps({"a": np.array([{}], object)}), "numpy"),
        (
            b"ctorch.storage\n_load_from_bytes\n(B"
            + len(TORCH).to_bytes(4, "little")
            + TORCH
            + b"tR.",
            "damaged",
        ),
        (pickle.dumps(["list"]), "holds a list"),
        (pickle.dumps({"sequences": ["s"] * 9})[:20], "damaged"),
        (b"no pickle at all", "damaged"),
    ],
    ids=["code", "numpy array of objects", "code inside a tensor", "no dict", "cut off", "text"],
)
def test_unsafe_or_damaged_cache_is_refused(new, plots, capsys, content, message):
    (plots / "r").mkdir(parents=True)
    (plots / "r/eval_data.pkl").write_bytes(content)
    with pytest.raises(BadValue, match=message) as error:
        pr.print_results([new({"s1": P})], [seq()], "r")
    assert "force_evaluation=True" in str(error.value) and "ran" not in capsys.readouterr().out
    pr.print_results([new({"s1": P})], [seq()], "r", force_evaluation=True)
    assert eval_cache.load_eval_data(plots / "r/eval_data.pkl")["sequences"] == ["s1"]


def test_plain_numpy_and_torch_values_of_old_caches_are_read(tmp_path):
    stored = {
        "a": np.float64(1.5),
        "run_id": np.int64(3),
        "t": torch.arange(3.0),
        "e": torch.tensor(2),
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / "eval_data.pkl").write_bytes(pickle.dumps(stored, protocol))
        read = eval_cache.load_eval_data(tmp_path / "eval_data.pkl")
        assert (
            read["a"] == 1.5
            and read["run_id"] == 3
            and torch.equal(read["t"], stored["t"])
            and int(read["e"]) == 2
        )


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
    for other in ({**kept, "raw_data": {}}, {**eval_data, "trackers": ["toy"]}):
        (plots / "r/eval_data.pkl").write_bytes(pickle.dumps(other))
        assert pr.print_results([tracker], [seq()], "r")["A"]["OP50"] == 100.0


def test_options_of_an_interrupted_evaluation_are_unknown(new, monkeypatch):
    arguments = ([new({"s1": P})], [seq()], "r")
    extract_results(*arguments, corrected=True)
    monkeypatch.setattr(eval_cache, "write_text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        extract_results(*arguments)
    assert eval_cache.load_options("r") is None


@pytest.mark.parametrize("plot_types", ["", (), "f1_score", ("norm_precision",)], ids=repr)
def test_unknown_plot_types(plot_types):
    with pytest.raises(BadValue, match="plot"):
        selected_plot_types(plot_types)


ROWS = [
    tables.ResultRow("a|b_1", {"AUC": 50.125, "OP50": 2.0}, {"AUC": 1.0}),
    tables.ResultRow("\\bf c", {"AUC": 60.0}),
]


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (
            "markdown",
            "| t_s | AUC | OP50 |\n|:--|--:|--:|\n| a\\|b_1 | 50.12 ± 1.00 | 2.00 |\n| **c** | "
            "60.00 | - |\n",
        ),
        ("csv", "t_s,AUC,OP50,AUC std\na|b_1,50.125,2.0,1.0\n\\bf c,60.0,,\n"),
        (
            "text",
            "\nt_s        | AUC          | OP50       |\na|b_1      | 50.12 ± 1.00 | 2.00       |\n"
            "\\bf c      | 60.00        | -          |\n",
        ),
        (
            "latex",
            "\\begin{tabular}{lrr}\n\\toprule\nt\\_s & AUC & OP50 \\\\\n\\midrule\n"
            "a|b\\_1 & 50.12 $\\pm$ 1.00 & \\textbf{2.00} \\\\\n\\textbf{c} & \\textbf{60.00} & - "
            "\\\\\n"
            "\\bottomrule\n\\end{tabular}\n",
        ),
    ],
)
def test_table_styles(style, text):
    assert tables.format_rows(ROWS, style, "t_s") == text


def test_table_of_tensors_and_unknown_style():
    text = "\n       | AUC        |\nr      | 1.00       |\n"
    assert tables.generate_formatted_report(["r"], {"AUC": torch.tensor([1.0])}) == text
    with pytest.raises(BadValue, match="did you mean 'markdown'"):
        tables.format_rows(ROWS, "markdwn")
