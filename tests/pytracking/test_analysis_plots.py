"""Plots of the analysis package: what is drawn, where the legend lies, which files are written."""

import numpy as np
import pytest
import torch

from ltr.admin.errors import BadValue
from pytracking.analysis import drawing, radar
from pytracking.analysis import plot_results as pr
from pytracking.analysis.attributes import plot_attributes_bars
from pytracking.analysis.scores import Curves
from tests.support.analysis import G, P, seq

pytestmark = pytest.mark.usefixtures("plots")


def test_own_plot_type_does_not_overwrite_other_plots(new):
    own = {"plot_type": "x"}
    files = pr.plot_results(
        [new({"s1": P})], [seq()], "r", plot_types=("success", "prec"), plot_opts=own
    )
    assert [path.name for path in files[::2]] == ["x_success_plot.pdf", "x_precision_plot.pdf"]
    files = pr.plot_results([new({"s1": P})], [seq()], "r", plot_opts=own)
    assert files[0].name == "x_plot.pdf"


def test_plot_ranks_trackers_and_reuses_styles(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        drawing, "save_figure", lambda figure, *_: drawn.append(figure.axes[0]) or []
    )
    styles = drawing.get_plot_draw_styles()
    assert len({style["color"] for style in styles}) == 22 and all(
        style["line_style"] == "-" for style in styles
    )
    trackers = [
        {"name": f"t{i}", "param": "p", "run_id": None, "disp_name": f"\\bf L{i}"}
        for i in range(25)
    ]
    values = [float("nan"), *range(24)]
    drawing.plot_draw_save(
        np.zeros((25, 3)), [0, 1, 2], values, trackers, styles, tmp_path, {"plot_type": "x"}
    )
    lines, texts = drawn[0].get_lines(), drawn[0].get_legend().get_texts()
    assert (texts[0].get_text(), texts[-1].get_text()) == ("L24 [23.0]", "L0 [nan]")
    assert texts[0].get_weight() == "bold"
    assert lines[0].get_color() == lines[22].get_color() == styles[0]["color"]
    assert (lines[0].get_linestyle(), lines[22].get_linestyle()) == ("-", "--")


@pytest.mark.parametrize(
    ("level", "options", "place"),
    [
        (10, {}, "upper right"),
        (90, {}, "lower left"),
        (90, {"legend_loc": "upper right"}, "upper right"),
        (None, {}, "margin"),
    ],
    ids=["free corner", "curve in the way", "user's choice", "curves everywhere"],
)
def test_legend_keeps_off_the_curves(new, monkeypatch, level, options, place):
    drawn = []
    monkeypatch.setattr(drawing, "save_figure", lambda figure, *_: drawn.append(figure) or [])
    curve = np.full((1, 21), level) if level is not None else np.tile([0.0, 100], 11)[None, :21]
    monkeypatch.setattr(
        pr,
        "data_set_curves",
        lambda data, kind: Curves(
            kind, torch.linspace(0, 1, 21), torch.tensor(curve), torch.ones(1)
        ),
    )
    pr.plot_results([new({"s1": P})], [seq()], "r", plot_opts=options)
    (axes,) = drawn[0].axes
    drawn[0].draw_without_rendering()
    x, y = axes.transAxes.inverted().transform(
        axes.get_legend().get_window_extent().get_points().mean(0)
    )
    assert place == (
        "margin" if x > 1 else f"{'upper' if y > 0.5 else 'lower'} {'right' if x > 0.5 else 'left'}"
    )


@pytest.fixture
def attributes(new):
    """Two trackers and the sequences of four attributes, one of them without results."""
    trackers = [new({"s1": P, "s2": P}, "\\bf A"), new({"s1": G, "s2": P}, "B", name="b")]
    groups = {
        "Fast Motion": [seq("s1")],
        "IV": [seq("s1"), seq("s2"), seq("s3")],
        "MB": [seq("s2")],
        "OV": [seq("s3")],
    }
    return trackers, groups


def test_table_per_attribute(attributes, capsys, caplog):
    scores, labels = pr.print_results_per_attribute(*attributes, "r", skip_missing_seq=True)
    assert labels == ["\\bf A", "B"] and list(scores) == ["Fast Motion", "IV", "MB"]
    assert torch.stack(list(scores.values())).tolist() == [
        pytest.approx(pair, abs=0.01) for pair in ([60.95, 95.24], [60.95, 78.10], [60.95, 60.95])
    ]
    out = capsys.readouterr().out
    assert (
        "r          | Fast Motion (1)    | IV (2)     | MB (1)     |\n" in out
        and "'OV' has no sequence" in caplog.text
    )


def test_attribute_plots(attributes, monkeypatch, plots):
    files = pr.plot_attributes_radar(
        *attributes, "r", skip_missing_seq=True
    ) + plot_attributes_bars(*attributes, "r")
    assert [file.name for file in files] == [
        "radar_plot.pdf",
        "radar_plot.png",
        "attributes_plot.pdf",
        "attributes_plot.png",
    ]
    assert all(file.parent == plots / "r" and file.stat().st_size > 5000 for file in files)


def test_radar_ranks_by_the_mean_and_holds_all_scores(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(radar, "save_figure", lambda figure, *_: drawn.append(figure) or [])
    scores = {"IV": [90.0, 10], "A Long Attribute Name": [95.0, 10], "MB": [80.0, float("nan")]}
    labels = ["A", "\\bf B", *(f"tracker with a long name {number}" for number in range(6))]
    scores = {name: [*values, *[5.0] * 6] for name, values in scores.items()}
    pr.plot_radar_draw_save(scores, labels, drawing.get_plot_draw_styles(), tmp_path, {})
    figure = drawn[0]
    (axes,), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in legend.get_texts()][:3] == [
        "A [88.3]",
        "B [10.0]",
        "tracker with a long name 0 [5.0]",
    ]
    assert legend.get_texts()[1].get_weight() == "bold" and axes.get_ylim() == (0, 100)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()] + [
        legend.get_window_extent()
    ]
    center, radius = axes.bbox.get_points().mean(0), axes.bbox.width / 2
    for box in boxes:  # the nearest point of a box lies outside the circle
        assert np.linalg.norm(np.clip(center, box.min, box.max) - center) > radius
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert figure.bbox.padded(1).count_contains(
        np.concatenate([box.get_points() for box in boxes])
    ) == 2 * len(boxes)
    with pytest.raises(BadValue, match="at least 3 attributes"):
        pr.plot_radar_draw_save({"IV": [1.0]}, ["A"], drawing.get_plot_draw_styles(), tmp_path, {})


def test_scores_per_attribute_need_groups(new):
    with pytest.raises(BadValue, match="get_dataset_attributes"):
        pr.print_results_per_attribute([new({"s1": P})], [seq()], "r")
