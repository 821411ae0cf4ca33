"""Tables and plots of a report: what users call after the trackers have run.

A report is named by `report_name`; its cache and its plots lie in
`<result_plot_path>/<report_name>/`. All functions take `trackers` (see
`pytracking.evaluation.trackerlist`) and `dataset` (a list of sequences). Their `**kwargs` go to
`check_and_load_precomputed_results` and from there to `extract_results`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltr.admin.errors import BadValue, suggestion
from pytracking.analysis import eval_cache
from pytracking.analysis.attributes import plot_attributes_radar, print_results_per_attribute
from pytracking.analysis.drawing import (
    get_plot_draw_styles,
    plot_draw_save,
    plot_draw_save_f1_prec_rec,
    show_figures,
)
from pytracking.analysis.eval_cache import check_eval_data_is_valid
from pytracking.analysis.got10k import plot_got_success
from pytracking.analysis.load_results import check_and_load_precomputed_results, load_results
from pytracking.analysis.radar import plot_radar_draw_save
from pytracking.analysis.result_lengths import warn_of_other_lengths
from pytracking.analysis.scores import (
    data_set_curves,
    get_auc_curve,
    get_prec_curve,
    get_tracker_display_name,
    merge_multiple_runs,
    runs_by_tracker,
    score_columns,
    selected_plot_types,
)
from pytracking.analysis.tables import (
    ResultRow,
    as_dict,
    format_rows,
    generate_formatted_report,
    make_rows,
    unique,
)

__all__ = [
    "check_and_load_precomputed_results",
    "check_eval_data_is_valid",
    "generate_formatted_report",
    "get_auc_curve",
    "get_plot_draw_styles",
    "get_prec_curve",
    "get_tracker_display_name",
    "merge_multiple_runs",
    "per_sequence_rows",
    "plot_attributes_radar",
    "plot_draw_save",
    "plot_draw_save_f1_prec_rec",
    "plot_got_success",
    "plot_radar_draw_save",
    "plot_results",
    "print_per_sequence_results",
    "print_results",
    "print_results_per_attribute",
    "result_rows",
]

_PLOT_DEFAULTS: dict[str, dict[str, Any]] = {
    "success": {
        "plot_type": "success",
        "legend_loc": "upper right",
        "xlabel": "Overlap threshold",
        "ylabel": "Overlap Precision [%]",
        "xlim": (0, 1.0),
        "ylim": (0, 100),
        "title": "Success plot",
    },
    "prec": {
        "plot_type": "precision",
        "legend_loc": "lower right",
        "xlabel": "Location error threshold [pixels]",
        "ylabel": "Distance Precision [%]",
        "xlim": (0, 50),
        "ylim": (0, 100),
        "title": "Precision plot",
    },
    "norm_prec": {
        "plot_type": "norm_precision",
        "legend_loc": "lower right",
        "xlabel": "Location error threshold",
        "ylabel": "Distance Precision [%]",
        "xlim": (0, 0.5),
        "ylim": (0, 100),
        "title": "Normalized Precision plot",
    },
    "f1_prec_rec": {
        "plot_type": "f1_prec_rec",
        "legend_loc": "lower left",
        "xlabel": "Recall",
        "ylabel": "Precision",
        "xlim": (0, 1),
        "ylim": (0, 1),
        "title": "Precision Recall plot",
    },
}


def result_rows(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | Sequence[str] = ("success", "prec", "norm_prec"),
    *,
    spread: bool = False,
    **kwargs: Any,
) -> list[ResultRow]:
    """The results table as rows: AUC, OP50, OP75, Precision, Norm Precision in percent, F1 Scores,
    as `plot_types` selects.

    `merge_results` averages the runs of a tracker; `spread` does so, too, and adds the standard
    deviation over runs.
    """
    return _rows(
        load_results(trackers, dataset, report_name, plot_types, **kwargs),
        plot_types,
        merge_results,
        spread,
    )


def print_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    plot_types: str | Sequence[str] = "success",
    *,
    spread: bool = False,
    **kwargs: Any,
) -> dict[str, dict[str, float]]:
    """Print the results table and return it as label -> column -> score.

    `plot_types` holds 'success' (columns AUC, OP50, OP75), 'prec' (Precision), 'norm_prec' (Norm
    Precision), all in percent, and 'f1_prec_rec' (F1 Scores, in [0, 1]). `merge_results` averages
    the runs of a tracker; `spread` does so, too, and shows the standard deviation over runs.
    """
    eval_data = load_results(trackers, dataset, report_name, plot_types, **kwargs)
    print(f"\nReporting results over {_counts(eval_data)} sequences")
    rows = _rows(eval_data, plot_types, merge_results, spread)
    print(format_rows(rows, table_name=report_name + _variant(kwargs)))
    warn_of_other_lengths(trackers, dataset)
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

    `plot_opts` overrides fields of `drawing.PlotOptions` in every plot; a `plot_type`, which names
    the files, is put before the usual name when several plots are drawn. Figures are shown when the
    matplotlib backend can show them.
    """
    eval_data = load_results(
        trackers, dataset, report_name, plot_types, force_evaluation=force_evaluation, **kwargs
    )
    if merge_results:
        eval_data = merge_multiple_runs(eval_data)
    print(f"\nPlotting results over {_counts(eval_data)} sequences")
    print(f"\nGenerating plots for: {report_name}")
    folder, styles, files = eval_cache.report_folder(report_name), get_plot_draw_styles(), []
    chosen = selected_plot_types(plot_types)
    for plot_type in chosen:
        options = {
            "legend_move": "legend_loc" not in (plot_opts or {}),
            **_PLOT_DEFAULTS[plot_type],
        }
        options["title"] += _variant(kwargs)
        options.update(plot_opts or {})
        if len(chosen) > 1 and "plot_type" in (plot_opts or {}):
            options["plot_type"] += "_" + _PLOT_DEFAULTS[plot_type]["plot_type"]
        if plot_type == "f1_prec_rec":
            files += plot_draw_save_f1_prec_rec(
                eval_data["raw_data"], eval_data["trackers"], styles, folder, options
            )
            continue
        curves = data_set_curves(eval_data, plot_type)
        files += plot_draw_save(
            curves.curves_TB,
            curves.thresholds,
            curves.scores_T,
            eval_data["trackers"],
            styles,
            folder,
            options,
        )
    show_figures()
    return files


def print_per_sequence_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    filter_criteria: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> dict[str, dict[str, float]]:
    """Print the average overlap in percent of each sequence (rows) and tracker (columns), and
    return it as a dict.

    `filter_criteria` = {'mode': …, 'threshold': percent} keeps the sequences where the worst
    tracker is below the threshold ('ao_min'), the best tracker is ('ao_max'), or best and worst
    differ by more ('delta_ao').
    """
    keep = _sequence_filter(filter_criteria)
    eval_data = load_results(trackers, dataset, report_name, "success", **kwargs)
    rows = _per_sequence(eval_data, merge_results, keep)
    print(f"\nReporting results over {_counts(eval_data)} sequences")
    print(format_rows(rows, table_name=report_name + _variant(kwargs)))
    warn_of_other_lengths(trackers, dataset)
    return as_dict(rows)


def per_sequence_rows(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    filter_criteria: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> list[ResultRow]:
    """The rows of `print_per_sequence_results`."""
    keep = _sequence_filter(filter_criteria)
    return _per_sequence(
        load_results(trackers, dataset, report_name, "success", **kwargs), merge_results, keep
    )


def _per_sequence(
    eval_data: dict[str, Any], merge: bool, keep: Callable[[np.ndarray], bool]
) -> list[ResultRow]:
    """Return one row for each sequence with results of which `keep` (average overlaps (T,) in
    percent) is true.
    """
    if merge:
        eval_data = merge_multiple_runs(eval_data)
    overlap_ST = (
        np.asarray(eval_data["avg_overlap_all"], dtype=float).reshape(
            len(eval_data["sequences"]), -1
        )
        * 100.0
    )
    shown = [
        s for s, valid in enumerate(eval_data["valid_sequence"]) if valid and keep(overlap_ST[s])
    ]
    labels = [f"{eval_data['sequences'][s]} (ID={s})" for s in shown]
    names = unique([get_tracker_display_name(tracker) for tracker in eval_data["trackers"]])
    return make_rows(labels, {name: overlap_ST[shown, t] for t, name in enumerate(names)})


def _rows(
    eval_data: dict[str, Any], plot_types: str | Sequence[str], merge: bool, spread: bool
) -> list[ResultRow]:
    if merge and not spread:
        eval_data = merge_multiple_runs(eval_data)
    labels = [get_tracker_display_name(tracker) for tracker in eval_data["trackers"]]
    rows = make_rows(labels, score_columns(eval_data, plot_types))
    return _with_spread(eval_data["trackers"], rows) if spread else rows


def _with_spread(
    trackers: Sequence[Mapping[str, Any]], rows: Sequence[ResultRow]
) -> list[ResultRow]:
    """Return one row per (name, param): mean and, from two runs on, standard deviation (n - 1) over
    runs of its rows.
    """
    merged = []
    for places in runs_by_tracker(trackers).values():
        label = get_tracker_display_name({**trackers[places[0]], "run_id": None})
        if len(places) > 1:
            label += f" ({len(places)} runs)"
        values = {
            column: [rows[i].scores[column] for i in places] for column in rows[places[0]].scores
        }
        merged.append(
            ResultRow(
                label,
                {column: float(np.mean(runs)) for column, runs in values.items()},
                {
                    column: float(np.std(runs, ddof=1))
                    for column, runs in values.items()
                    if len(runs) > 1
                },
            )
        )
    return merged


def _counts(eval_data: Mapping[str, Any]) -> str:
    return f"{sum(eval_data['valid_sequence'])} / {len(eval_data['valid_sequence'])}"


def _variant(kwargs: Mapping[str, Any]) -> str:
    return (
        " (corrected)" if kwargs.get("corrected") else ""
    )  # numbers that are not pytracking's say so


def _sequence_filter(criteria: Mapping[str, Any] | None) -> Callable[[np.ndarray], bool]:
    if criteria is None:
        return lambda overlap_T: True
    modes = {
        "ao_min": lambda overlap_T: overlap_T.min() < criteria["threshold"],
        "ao_max": lambda overlap_T: overlap_T.max() < criteria["threshold"],
        "delta_ao": lambda overlap_T: overlap_T.max() - overlap_T.min() > criteria["threshold"],
    }
    mode = criteria["mode"]
    if mode not in modes:
        raise BadValue(
            f"Unknown filter mode '{mode}'{suggestion(mode, modes)} (choose from "
            f"{', '.join(modes)})"
        )
    return modes[mode]
