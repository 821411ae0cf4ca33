"""Draw curves of several trackers into one figure, the same way for every plot of the toolkit."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from torch import Tensor

from ltr.admin.errors import suggestion
from ltr.io.files import atomic_write
from pytracking.analysis.scores import get_tracker_display_name

logger = logging.getLogger(__name__)

# 22 colours that stay apart on white paper: strong ones first, so that plots of few trackers read
# best.
_COLORS = (
    "d62728",
    "1f5fb4",
    "2ca02c",
    "ff8c00",
    "8e3fb8",
    "00b7c7",
    "e052b0",
    "111111",
    "8c5a3c",
    "9aa800",
    "7f7f7f",
    "0a2a80",
    "ff9d8a",
    "006d5b",
    "e6b800",
    "86b8ff",
    "7a0026",
    "7fe07a",
    "c9a3ff",
    "c25e00",
    "00e0b0",
    "c7b899",
)
_CYCLE_LINES = ("-", "--", ":", "-.")  # a colour that comes again gets the next line style

_LOOK = {
    "font.family": "sans-serif",
    "mathtext.fontset": "dejavusans",
    "text.usetex": False,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3 fonts
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
}


_Kind = TypeVar("_Kind", bound="PlotOptions")


@dataclass(frozen=True)
class PlotOptions:
    """Everything `plot_opts` may set. Files are named `<plot_type>_plot`."""

    plot_type: str
    title: str = ""
    xlabel: str = ""
    ylabel: str = ""
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 100.0)
    legend_loc: str = "lower left"
    legend_move: bool = (
        False  # take another corner, or the margin, when the legend would cover curves
    )
    font_size: float = 12
    font_size_axis: float = 13
    font_size_legend: float = 13
    line_width: float = 2
    legend_ncol: int = 1

    @classmethod
    def read(cls: type[_Kind], options: Mapping[str, Any]) -> _Kind:
        """Take the known options; unknown ones are logged and have no effect, as users share one
        dict between plots.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                logger.warning(
                    "Unknown plot option '%s'%s is ignored", name, suggestion(name, known)
                )
        return cls(**{name: value for name, value in options.items() if name in known})


def get_plot_draw_styles() -> list[dict[str, Any]]:
    """The 22 line styles of plots in order of rank, each with `color` (RGB in [0, 1]) and
    `line_style`.
    """
    return [
        {"color": tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)), "line_style": "-"}
        for code in _COLORS
    ]


def plot_draw_save(
    y: Any,
    x: Any,
    scores: Sequence[Any] | Tensor,
    trackers: Sequence[Mapping[str, Any]],
    plot_draw_styles: Sequence[Mapping[str, Any]],
    result_plot_path: str | Path,
    plot_opts: Mapping[str, Any],
) -> list[Path]:
    r"""Draw one curve per tracker and write `<plot_type>_plot.pdf` and `.png` under
    `result_plot_path`.

    Args:
        y: (T, B) curve values.
        x: (B,) thresholds.
        scores: T ranking scores, shown in the legend; the best tracker gets the first style.
        trackers: T entries of `eval_data['trackers']`. A label that starts with `\bf` is set in
            bold.
        plot_draw_styles: see `get_plot_draw_styles`; used again, with other line styles, when there
            are more trackers.
        result_plot_path: folder of the files, made when absent.
        plot_opts: fields of `PlotOptions`; `plot_type` is needed.

    Returns:
        The written files. With an interactive backend the figure stays open for `plt.show()`.

    """
    y, x = np.asarray(y, dtype=float), np.asarray(x, dtype=float)
    labels = [
        f"{get_tracker_display_name(tracker)} [{float(score):.1f}]"
        for tracker, score in zip(trackers, scores, strict=True)
    ]
    return _draw(
        [(x, curve) for curve in y], scores, labels, plot_draw_styles, result_plot_path, plot_opts
    )


def plot_draw_save_f1_prec_rec(
    data: Mapping[str, Mapping[str, Any]],
    trackers: Sequence[Mapping[str, Any]],
    plot_draw_styles: Sequence[Mapping[str, Any]],
    result_plot_path: str | Path,
    plot_opts: Mapping[str, Any],
) -> list[Path]:
    """Draw precision over recall, one curve per tracker, with a dot at the best F1; files as in
    `plot_draw_save`.

    `data` is `raw_data` of an evaluation (see `extract_results_prec_rec_f1`), in the order of
    `trackers`.
    """
    results = list(data.values())
    labels = [
        f"{get_tracker_display_name(tracker)} [{float(one['f1_max']):.3f}]"
        for tracker, one in zip(trackers, results, strict=True)
    ]
    curves = [
        (np.asarray(one["rec"], dtype=float), np.asarray(one["prec"], dtype=float))
        for one in results
    ]
    return _draw(
        curves,
        [one["f1_max"] for one in results],
        labels,
        plot_draw_styles,
        result_plot_path,
        plot_opts,
        dots=[int(one["idx"]) for one in results],
    )


def show_figures() -> None:
    """Show what was drawn, where windows can be shown; plots of scripts are files only."""
    if is_interactive():
        plt.show()


def ranking(scores: Sequence[Any] | Tensor) -> list[int]:
    """Return the places of `scores` from best to worst, NaN last."""
    values = [float(score) for score in scores]
    return sorted(
        range(len(values)), key=lambda i: (np.isnan(values[i]), -np.nan_to_num(values[i]))
    )


def line_style(rank: int, styles: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arguments of `plot` for the tracker of that rank; styles come again with another line after
    the last one.
    """
    style, again = styles[rank % len(styles)], rank // len(styles)
    return {
        "color": style["color"],
        "linestyle": _CYCLE_LINES[again % len(_CYCLE_LINES)] if again else style["line_style"],
    }


def _draw(
    curves: Sequence[tuple[np.ndarray, np.ndarray]],
    scores: Sequence[Any] | Tensor,
    labels: Sequence[str],
    styles: Sequence[Mapping[str, Any]],
    folder: str | Path,
    plot_opts: Mapping[str, Any],
    dots: Sequence[int] = (),
) -> list[Path]:
    """Draw (x, y) curves from best to worst score; `dots` marks a place of each curve."""
    options = PlotOptions.read(plot_opts)
    order = ranking(scores)
    with look(options):
        figure, axes = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
        for rank, t in enumerate(order):
            axes.plot(
                *curves[t],
                linewidth=options.line_width,
                solid_capstyle="round",
                **line_style(rank, styles),
                markevery=[dots[t]] if dots else None,
                marker="o" if dots else None,
                zorder=3 - rank / len(order),
            )  # the best on top
        _frame(axes, options)
        _place_legend(axes, [labels[t] for t in order], options)
        return save_figure(figure, folder, f"{options.plot_type}_plot")


def look(options: PlotOptions) -> AbstractContextManager:
    """The project's look while a figure is drawn; matplotlib's own settings stay as they were."""
    settings: Any = {**_LOOK, "font.size": options.font_size}
    return plt.rc_context(settings)


def is_interactive() -> bool:
    """True when matplotlib's backend can show windows or notebook output."""
    return matplotlib.get_backend().lower() not in {
        "agg",
        "cairo",
        "pdf",
        "pgf",
        "ps",
        "svg",
        "template",
    }


def _frame(axes: Axes, options: PlotOptions) -> None:
    axes.set_title(options.title, fontsize=options.font_size_axis + 1)
    axes.set_xlabel(options.xlabel, fontsize=options.font_size_axis)
    axes.set_ylabel(options.ylabel, fontsize=options.font_size_axis)
    axes.set_xlim(options.xlim)
    axes.set_ylim(options.ylim)
    axes.grid(True, color="0.85", linewidth=0.7, linestyle="-")
    axes.tick_params(direction="in", length=3.5, width=0.8, top=True, right=True, pad=5)
    for (
        line
    ) in axes.get_lines():  # a curve along the frame keeps its whole width, one beyond it is cut
        low, high = np.asarray(line.get_xydata()).min(0), np.asarray(line.get_xydata()).max(0)
        (left, right), (bottom, top) = options.xlim, options.ylim
        line.set_clip_on(
            not (left <= low[0] and high[0] <= right and bottom <= low[1] and high[1] <= top)
        )


def _place_legend(axes: Axes, labels: list[str], options: PlotOptions) -> None:
    """Put the legend where the options say, or with `legend_move` in the first place where it
    covers no curve.
    """
    if not options.legend_move:
        _legend(axes, labels, options, loc=options.legend_loc)
        return
    for corner in dict.fromkeys((options.legend_loc, "lower left", "upper right", "lower right")):
        if not _covers_curves(_legend(axes, labels, options, loc=corner), axes):
            return
    columns = -(-len(labels) // 32)
    rows = -(-len(labels) // columns)
    size = min(
        options.font_size_legend, 190 / rows
    )  # as many points as rows have in the figure's height
    legend = draw_legend(
        axes,
        axes.get_lines(),
        labels,
        ncols=columns,
        fontsize=size,
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0,
    )
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.set_figwidth(figure.get_figwidth() + legend.get_window_extent().width / figure.dpi)


def _covers_curves(legend: Legend, axes: Axes) -> bool:
    """True when some curve runs under the legend."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    for line in axes.get_lines():
        x, y = (np.asarray(values, float) for values in line.get_data())
        dense = np.linspace(x[0], x[-1], 400)
        points = axes.transData.transform(np.column_stack([dense, np.interp(dense, x, y)]))
        if box.count_contains(points):
            return True
    return False


def _legend(axes: Axes, labels: list[str], options: PlotOptions, **place: Any) -> Legend:
    # Smaller type for many trackers, so that the legend stays inside the frame.
    size = options.font_size_legend * min(1.0, max(0.5, 12 / max(1, len(labels))))
    return draw_legend(
        axes, axes.get_lines(), labels, ncols=options.legend_ncol, fontsize=size, **place
    )


def draw_legend(
    owner: Axes | Figure, handles: Sequence[Any], labels: Sequence[str], **options: Any
) -> Legend:
    r"""Draw the legend in our look; labels that start with `\bf` are set in bold."""
    bold = [label.startswith("\\bf") for label in labels]
    texts = [
        label[3:].lstrip() if heavy else label for label, heavy in zip(labels, bold, strict=True)
    ]
    legend = owner.legend(
        handles,
        texts,
        **{
            "framealpha": 0.9,
            "edgecolor": "0.7",
            "fancybox": False,
            "borderpad": 0.5,
            "labelspacing": 0.3,
            "handlelength": 1.6,
            "handletextpad": 0.6,
            "columnspacing": 1.0,
            **options,
        },
    )
    legend.set_zorder(5)
    for text, heavy in zip(legend.get_texts(), bold, strict=True):
        text.set_fontweight("bold" if heavy else "normal")
    return legend


def save_figure(figure: Figure, folder: str | Path, stem: str) -> list[Path]:
    """Write `<stem>.pdf` and `<stem>.png`; the figure stays open for `plt.show()` where windows can
    be shown.
    """
    files = [Path(folder) / f"{stem}.pdf", Path(folder) / f"{stem}.png"]
    with atomic_write(files[0]) as temporary:
        figure.savefig(temporary, dpi=300, format="pdf", transparent=True)
    with atomic_write(files[1]) as temporary:
        figure.savefig(temporary, dpi=200, format="png", facecolor="white")
    if not is_interactive():
        plt.close(figure)
    return files
