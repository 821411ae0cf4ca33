"""Tables and plots of a report: what users call after the trackers have run.

A report is named by `report_name`; its cache and its plots lie in `<result_plot_path>/<report_name>/`. All functions
take `trackers` (see `pytracking.evaluation.trackerlist`) and `dataset` (a list of sequences). Their `**kwargs` go to
`check_and_load_precomputed_results` and from there to `extract_results`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from ltr.admin.errors import BadValue, suggestion
from pytracking.analysis import eval_cache
from pytracking.analysis.drawing import get_plot_draw_styles, is_interactive, plot_draw_save
from pytracking.analysis.eval_cache import check_eval_data_is_valid
from pytracking.analysis.extract_results import extract_results, result_file
from pytracking.analysis.got10k import plot_got_success
from pytracking.analysis.scores import (
    data_set_curves,
    get_auc_curve,
    get_prec_curve,
    get_tracker_display_name,
    merge_multiple_runs,
    score_columns,
    selected_plot_types,
)
from pytracking.analysis.tables import ResultRow, as_dict, format_rows, generate_formatted_report, make_rows, unique

__all__ = [
    "check_and_load_precomputed_results", "check_eval_data_is_valid", "generate_formatted_report", "get_auc_curve",
    "get_plot_draw_styles", "get_prec_curve", "get_tracker_display_name", "merge_multiple_runs", "plot_draw_save",
    "plot_got_success", "plot_results", "print_per_sequence_results", "print_results", "result_rows",
]

_PLOT_DEFAULTS: dict[str, dict[str, Any]] = {
    "success": {
        "plot_type": "success", "legend_loc": "upper right", "xlabel": "Overlap threshold",
        "ylabel": "Overlap Precision [%]", "xlim": (0, 1.0), "ylim": (0, 100), "title": "Success plot",
    },
    "prec": {
        "plot_type": "precision", "legend_loc": "lower right", "xlabel": "Location error threshold [pixels]",
        "ylabel": "Distance Precision [%]", "xlim": (0, 50), "ylim": (0, 100), "title": "Precision plot",
    },
    "norm_prec": {
        "plot_type": "norm_precision", "legend_loc": "lower right", "xlabel": "Location error threshold",
        "ylabel": "Distance Precision [%]", "xlim": (0, 0.5), "ylim": (0, 100), "title": "Normalized Precision plot",
    },
}


def check_and_load_precomputed_results(
    trackers: Sequence[Any], dataset: Sequence[Any], report_name: str, force_evaluation: bool = False, **kwargs: Any
) -> dict[str, Any]:
    """Return the evaluation of a report, from its cache when that is of these trackers and sequences.

    `kwargs` are those of `extract_results`. The cache is used when sequence names and tracker identities agree in order
    (display names are taken from `trackers`) and the asked options are those it was made with; pytracking's caches do
    not tell their options and count as made with the defaults. Result files written after the cache cause a warning.
    """
    cache = eval_cache.report_folder(report_name) / "eval_data.pkl"
    if force_evaluation or not cache.is_file():
        return extract_results(trackers, dataset, report_name, **kwargs)
    eval_data = eval_cache.load_eval_data(cache)
    stored, default = eval_cache.load_options(report_name) or eval_cache.Options(), eval_cache.Options()
    asked = eval_cache.Options(**{name: kwargs.get(name, getattr(default, name)) for name in vars(default)})
    if asked != stored or not check_eval_data_is_valid(eval_data, trackers, dataset):
        return extract_results(trackers, dataset, report_name, **kwargs)
    eval_data["trackers"] = [eval_cache.tracker_entry(tracker) for tracker in trackers]
    eval_cache.warn_when_outdated(cache, (result_file(tracker, seq) for seq in dataset for tracker in trackers))
    return eval_data


def result_rows(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | Sequence[str] = ("success", "prec", "norm_prec"),
    **kwargs: Any,
) -> list[ResultRow]:
    """The results table as rows, in percent: AUC, OP50, OP75, Precision, Norm Precision as `plot_types` selects."""
    selected_plot_types(plot_types)  # a wrong name shall not cost an evaluation
    return _rows(_evaluation(trackers, dataset, report_name, merge_results, **kwargs), plot_types)


def print_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | Sequence[str] = "success",
    **kwargs: Any,
) -> dict[str, dict[str, float]]:
    """Print the results table and return it as label -> column -> percent.

    `plot_types` holds 'success' (columns AUC, OP50, OP75), 'prec' (Precision) and 'norm_prec' (Norm Precision).
    `merge_results` averages the runs of a tracker.
    """
    selected_plot_types(plot_types)
    eval_data = _evaluation(trackers, dataset, report_name, merge_results, **kwargs)
    print(f"\nReporting results over {_counts(eval_data)} sequences")
    rows = _rows(eval_data, plot_types)
    print(format_rows(rows, table_name=report_name + _variant(kwargs)))
    return as_dict(rows)


def plot_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | Sequence[str] = "success",
    force_evaluation: bool = False,
    plot_opts: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> list[Path]:
    """Draw the chosen plots into the report's folder, as PDF and PNG, and return the files.

    `plot_opts` overrides fields of `drawing.PlotOptions` in every plot; a `plot_type`, which names the files, is put
    before the usual name when several plots are drawn. Figures are shown when the matplotlib backend can show them.
    """
    chosen = selected_plot_types(plot_types)
    eval_data = _evaluation(trackers, dataset, report_name, merge_results, force_evaluation=force_evaluation, **kwargs)
    print(f"\nPlotting results over {_counts(eval_data)} sequences")
    print(f"\nGenerating plots for: {report_name}")
    files: list[Path] = []
    for plot_type in chosen:
        curves = data_set_curves(eval_data, plot_type)
        options = {"legend_move": "legend_loc" not in (plot_opts or {}), **_PLOT_DEFAULTS[plot_type]}
        options["title"] += _variant(kwargs)
        options.update(plot_opts or {})
        if len(chosen) > 1 and "plot_type" in (plot_opts or {}):
            options["plot_type"] += "_" + _PLOT_DEFAULTS[plot_type]["plot_type"]
        files += plot_draw_save(curves.curves_TB, curves.thresholds, curves.scores_T, eval_data["trackers"],
                                get_plot_draw_styles(), eval_cache.report_folder(report_name), options)
    if is_interactive():
        plt.show()
    return files


def print_per_sequence_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    filter_criteria: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> dict[str, dict[str, float]]:
    """Print the average overlap in percent of each sequence (rows) and tracker (columns), and return it as a dict.

    `filter_criteria` = {'mode': …, 'threshold': percent} keeps the sequences where the worst tracker is below the
    threshold ('ao_min'), the best tracker is ('ao_max'), or best and worst differ by more ('delta_ao').
    """
    keep = _sequence_filter(filter_criteria)
    eval_data = _evaluation(trackers, dataset, report_name, merge_results, **kwargs)
    overlap_ST = np.asarray(eval_data["avg_overlap_all"], dtype=float).reshape(len(dataset), -1) * 100.0
    shown = [s for s, valid in enumerate(eval_data["valid_sequence"]) if valid and keep(overlap_ST[s])]
    labels = [f"{eval_data['sequences'][s]} (ID={s})" for s in shown]
    names = unique([get_tracker_display_name(tracker) for tracker in eval_data["trackers"]])
    columns = {name: overlap_ST[shown, t] for t, name in enumerate(names)}
    print(f"\nReporting results over {_counts(eval_data)} sequences")
    print(generate_formatted_report(labels, columns, table_name=report_name + _variant(kwargs)))
    return as_dict(make_rows(labels, columns))


def _evaluation(
    trackers: Sequence[Any], dataset: Sequence[Any], report_name: str, merge_results: bool, **kwargs: Any
) -> dict[str, Any]:
    eval_data = check_and_load_precomputed_results(trackers, dataset, report_name, **kwargs)
    return merge_multiple_runs(eval_data) if merge_results else eval_data


def _rows(eval_data: Mapping[str, Any], plot_types: str | Sequence[str]) -> list[ResultRow]:
    labels = [get_tracker_display_name(tracker) for tracker in eval_data["trackers"]]
    return make_rows(labels, score_columns(eval_data, plot_types))


def _counts(eval_data: Mapping[str, Any]) -> str:
    return f"{sum(eval_data['valid_sequence'])} / {len(eval_data['valid_sequence'])}"


def _variant(kwargs: Mapping[str, Any]) -> str:
    return " (corrected)" if kwargs.get("corrected") else ""  # numbers that are not pytracking's say so


def _sequence_filter(criteria: Mapping[str, Any] | None):
    if criteria is None:
        return lambda overlap_T: True
    modes = {
        "ao_min": lambda overlap_T: overlap_T.min() < criteria["threshold"],
        "ao_max": lambda overlap_T: overlap_T.max() < criteria["threshold"],
        "delta_ao": lambda overlap_T: overlap_T.max() - overlap_T.min() > criteria["threshold"],
    }
    mode = criteria["mode"]
    if mode not in modes:
        raise BadValue(f"Unknown filter mode '{mode}'{suggestion(mode, modes)} (choose from {', '.join(modes)})")
    return modes[mode]
