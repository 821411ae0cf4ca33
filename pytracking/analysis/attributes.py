"""Scores on the sequences of each challenge attribute: a table, a radar plot and bars.

`datasets` maps an attribute to its sequences, as `pytracking.evaluation.get_dataset_attributes`
returns it. All attributes share one evaluation of the union of their sequences, cached under
`report_name`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue
from pytracking.analysis import eval_cache
from pytracking.analysis.drawing import get_plot_draw_styles, show_figures
from pytracking.analysis.load_results import load_results
from pytracking.analysis.radar import plot_bars_draw_save, plot_radar_draw_save
from pytracking.analysis.scores import get_auc_curve, get_tracker_display_name, merge_multiple_runs
from pytracking.analysis.tables import generate_formatted_report

logger = logging.getLogger(__name__)


def print_results_per_attribute(
    trackers: Sequence[Any],
    datasets: Mapping[str, Sequence[Any]],
    report_name: str,
    merge_results: bool = False,
    verbose: bool = False,
    **kwargs: Any,
) -> tuple[dict[str, Tensor], list[str]]:
    """Print the AUC of each tracker (rows) on the sequences of each attribute (columns).

    Returns:
        Attribute -> AUC in percent, (T,), and the T labels. Attributes without a scored sequence
        are left out.

    """
    scores, labels, counts = attribute_scores(
        trackers, datasets, report_name, merge_results, verbose=verbose, **kwargs
    )
    columns = {f"{name} ({counts[name]})": values for name, values in scores.items()}
    print("\nAUC per attribute (number of sequences)")
    print(generate_formatted_report(labels, columns, table_name=report_name))
    return scores, labels


def plot_attributes_radar(
    trackers: Sequence[Any],
    datasets: Mapping[str, Sequence[Any]],
    report_name: str,
    merge_results: bool = False,
    plot_opts: Mapping[str, Any] | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> list[Path]:
    """Draw the AUC per attribute as a radar plot, `radar_plot.pdf` and `.png` in the report's
    folder.

    `plot_opts` are fields of `radar.RadarOptions`.
    """
    scores, labels, _ = attribute_scores(
        trackers, datasets, report_name, merge_results, verbose=verbose, **kwargs
    )
    return _drawn(plot_radar_draw_save, scores, labels, report_name, plot_opts)


def plot_attributes_bars(
    trackers: Sequence[Any],
    datasets: Mapping[str, Sequence[Any]],
    report_name: str,
    merge_results: bool = False,
    plot_opts: Mapping[str, Any] | None = None,
    verbose: bool = False,
    **kwargs: Any,
) -> list[Path]:
    """Draw the AUC per attribute as bars, `attributes_plot.pdf` and `.png` in the report's
    folder.
    """
    scores, labels, _ = attribute_scores(
        trackers, datasets, report_name, merge_results, verbose=verbose, **kwargs
    )
    return _drawn(plot_bars_draw_save, scores, labels, report_name, plot_opts)


def attribute_scores(
    trackers: Sequence[Any],
    datasets: Mapping[str, Sequence[Any]],
    report_name: str,
    merge_results: bool = False,
    **kwargs: Any,
) -> tuple[dict[str, Tensor], list[str], dict[str, int]]:
    """AUC (T,) in percent per attribute, the labels, and the number of scored sequences per
    attribute.
    """
    if not isinstance(datasets, Mapping):
        raise BadValue(
            "Scores per attribute need a dict attribute -> sequences; "
            "get_dataset_attributes(name) makes one"
        )
    sequences = {seq.name: seq for dataset in datasets.values() for seq in dataset}
    eval_data = load_results(trackers, list(sequences.values()), report_name, "success", **kwargs)
    if merge_results:
        eval_data = merge_multiple_runs(eval_data)
    place = {name: s for s, name in enumerate(eval_data["sequences"])}
    curves_STB = torch.tensor(eval_data["ave_success_rate_plot_overlap"])
    valid_S = torch.tensor(eval_data["valid_sequence"])
    scores, counts = {}, {}
    for attribute, dataset in datasets.items():
        chosen = [place[seq.name] for seq in dataset]
        counts[attribute] = int(valid_S[chosen].sum())
        if counts[attribute]:
            scores[attribute] = get_auc_curve(curves_STB[chosen], valid_S[chosen])[1]
        else:
            logger.warning("Attribute '%s' has no sequence with results and is left out", attribute)
    if not scores:
        raise BadValue(
            "No attribute has a sequence with results of all trackers; run the trackers first"
        )
    return scores, [get_tracker_display_name(tracker) for tracker in eval_data["trackers"]], counts


def _drawn(
    draw: Callable[..., list[Path]],
    scores: dict[str, Tensor],
    labels: list[str],
    report_name: str,
    plot_opts: Mapping[str, Any] | None,
) -> list[Path]:
    """Draw into the report's folder, show the figure where that is possible, and return the
    files.
    """
    files = draw(
        scores,
        labels,
        get_plot_draw_styles(),
        eval_cache.report_folder(report_name),
        plot_opts or {},
    )
    show_figures()
    return files
