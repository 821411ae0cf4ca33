"""Pictures of scores per attribute: a radar of all trackers, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.projections.polar import PolarAxes

from ltr.admin.errors import BadValue
from pytracking.analysis.drawing import (
    PlotOptions,
    draw_legend,
    line_style,
    look,
    ranking,
    save_figure,
)
from pytracking.analysis.scores import get_tracker_display_name


@dataclass(frozen=True)
class RadarOptions(PlotOptions):
    """Everything `plot_opts` may set for a radar plot.

    `ylim` None reaches to 75, or as far as the scores go. `bbox_to_anchor` puts the legend
    (`legend_loc` of it) there, in axes coordinates; None below the plot, clear of all names.
    """

    plot_type: str = "radar"
    marker: str = "o"
    marker_size: float = 5
    bbox_to_anchor: tuple[float, float] | None = None
    handlelength: float = 1
    yticks: Sequence[float] | None = (20, 40, 60)
    legend_loc: str = "upper center"
    ylim: tuple[float, float] | None = None  # type: ignore[assignment]
    tick_pad: float = 10


def plot_radar_draw_save(
    scores: Mapping[str, Sequence[Any]],
    trackers: Sequence[Mapping[str, Any] | str],
    plot_draw_styles: Sequence[Mapping[str, Any]],
    result_plot_path: str | Path,
    plot_opts: Mapping[str, Any],
) -> list[Path]:
    """Draw one closed line per tracker over the attributes; write `radar_plot.pdf` and `.png` and
    return them.

    Args:
        scores: attribute -> T scores in percent.
        trackers: T entries of `eval_data['trackers']`, or labels. The legend shows the mean over
            attributes, by which trackers are ranked.
        plot_draw_styles: see `get_plot_draw_styles`.
        plot_opts: fields of `RadarOptions`.

    """
    if len(scores) < 3:
        raise BadValue(
            f"A radar plot needs at least 3 attributes, got {len(scores)} ({', '.join(scores)}); "
            "draw bars with plot_attributes_bars instead"
        )
    options = RadarOptions.read(plot_opts)
    values_TA, order, texts = _table(scores, trackers)
    angles = np.linspace(0, 2 * np.pi, len(scores), endpoint=False)
    ring = np.append(angles, 0)
    with look(options):
        width = max(6.4, 4.6 + 0.22 * max(map(len, scores)))  # room for long names on both sides
        figure, axes = plt.subplots(
            figsize=(width, 6.4), subplot_kw={"projection": "polar"}, layout="constrained"
        )
        assert isinstance(axes, PolarAxes)
        axes.set_theta_offset(np.pi / 2)
        axes.set_theta_direction(-1)
        for rank, t in enumerate(order):
            axes.plot(
                ring,
                np.append(values_TA[t], values_TA[t, 0]),
                marker=options.marker,
                markersize=options.marker_size,
                linewidth=options.line_width,
                zorder=3 - rank / len(order),
                **line_style(rank, plot_draw_styles),
            )
        low, high = options.ylim or (0, max(75.0, 5 * np.ceil(np.nanmax(values_TA) / 5 + 0.2)))
        axes.set_ylim(low, high)
        if options.yticks is not None:
            axes.set_yticks([tick for tick in options.yticks if low < tick < high])
        for tick in axes.get_yticks():  # between two attributes; drawn over the lines
            axes.text(
                np.pi / len(scores),
                tick,
                f"{tick:g}",
                fontsize=0.75 * options.font_size,
                color="0.3",
                ha="center",
                va="center",
                zorder=4,
                path_effects=[withStroke(linewidth=3, foreground="white")],
            )
        axes.set_yticklabels([])
        axes.tick_params(axis="x", pad=options.tick_pad)
        axes.set_xticks(angles, list(scores), fontsize=options.font_size_axis)
        for label, side in zip(
            axes.get_xticklabels(), np.sin(angles), strict=True
        ):  # long names grow outwards
            label.set_horizontalalignment(
                "center" if abs(side) < 0.2 else "left" if side > 0 else "right"
            )
        axes.grid(color="0.85", linewidth=0.7)
        axes.spines["polar"].set_color("0.6")
        axes.set_title(options.title, fontsize=options.font_size_axis + 1, pad=18)
        if options.bbox_to_anchor is None:
            _legend_below(figure, axes.get_lines(), texts, options)
        else:
            draw_legend(
                axes,
                axes.get_lines(),
                texts,
                loc=options.legend_loc,
                bbox_to_anchor=options.bbox_to_anchor,
                ncols=options.legend_ncol,
                handlelength=options.handlelength,
                fontsize=options.font_size_legend,
            )
        return save_figure(figure, result_plot_path, f"{options.plot_type}_plot")


def plot_bars_draw_save(
    scores: Mapping[str, Sequence[Any]],
    trackers: Sequence[Mapping[str, Any] | str],
    plot_draw_styles: Sequence[Mapping[str, Any]],
    result_plot_path: str | Path,
    plot_opts: Mapping[str, Any],
) -> list[Path]:
    """Draw groups of bars, one group per attribute, trackers from best to worst; write
    `attributes_plot.pdf` and `.png`.

    Arguments as in `plot_radar_draw_save`, `plot_opts` those of `PlotOptions`.
    """
    options = PlotOptions.read({"plot_type": "attributes", "ylabel": "AUC [%]", **plot_opts})
    values_TA, order, texts = _table(scores, trackers)
    width = 0.8 / len(order)
    with look(options):
        figure, axes = plt.subplots(
            figsize=(max(6.4, 1.5 + 0.45 * len(scores) + 0.16 * values_TA.size), 4.2),
            layout="constrained",
        )
        places = np.arange(len(scores))
        bars = [
            axes.bar(
                places + (rank + 0.5) * width - 0.4,
                values_TA[t],
                0.92 * width,
                color=line_style(rank, plot_draw_styles)["color"],
            )
            for rank, t in enumerate(order)
        ]
        turned: dict[str, Any] = {"rotation": 30, "ha": "right"}
        axes.set_xticks(
            places,
            list(scores),
            fontsize=options.font_size_axis,
            **(turned if max(map(len, scores)) > 5 else {}),
        )
        axes.set_xlim(-0.6, len(scores) - 0.4)
        axes.set_ylim(options.ylim)
        axes.set_ylabel(options.ylabel, fontsize=options.font_size_axis)
        axes.set_title(options.title, fontsize=options.font_size_axis + 1)
        axes.grid(True, axis="y", color="0.85", linewidth=0.7)
        axes.tick_params(axis="x", length=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        _legend_below(figure, bars, texts, options)
        return save_figure(figure, result_plot_path, f"{options.plot_type}_plot")


def _table(
    scores: Mapping[str, Sequence[Any]], trackers: Sequence[Mapping[str, Any] | str]
) -> tuple[np.ndarray, list[int], list[str]]:
    """Scores as (T, A), the order of the trackers from best to worst mean, and their legend texts
    in that order.
    """
    values = np.array(
        [[float(score) for score in column] for column in scores.values()], dtype=float
    ).T
    labels = [
        tracker if isinstance(tracker, str) else get_tracker_display_name(tracker)
        for tracker in trackers
    ]
    values_TA = values.reshape(len(labels), -1)
    mean_T = np.nanmean(values_TA, 1)
    order = ranking(mean_T)
    return values_TA, order, [f"{labels[t]} [{mean_T[t]:.1f}]" for t in order]


def _legend_below(
    figure: Figure, handles: Sequence[Any], labels: list[str], options: PlotOptions
) -> None:
    """The legend outside the axes, where constrained layout keeps it clear of all labels, as wide
    as fits.
    """
    size = options.font_size_legend * min(1.0, max(0.6, 16 / len(labels)))
    for columns in (
        [options.legend_ncol] if options.legend_ncol > 1 else range(min(len(labels), 6), 0, -1)
    ):
        legend = draw_legend(
            figure,
            handles,
            labels,
            loc="outside lower center",
            ncols=columns,
            fontsize=size,
            handlelength=getattr(options, "handlelength", 1.6),
        )
        figure.draw_without_rendering()
        if columns == 1 or legend.get_window_extent().width < 0.97 * figure.bbox.width:
            return
        legend.remove()
