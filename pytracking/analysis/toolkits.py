"""Result files scored as each toolkit of the field does, so that their numbers can be compared."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ltr.admin.errors import BadInput, BadValue
from pytracking.analysis.got10k import got10k_table
from pytracking.analysis.load_results import load_results
from pytracking.analysis.pysot import pysot_table
from pytracking.analysis.scores import get_tracker_display_name, merge_multiple_runs, score_columns
from pytracking.analysis.tables import ResultRow

logger = logging.getLogger(__name__)

PLOTS = ("success", "prec", "norm_prec")


def toolkit_rows(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    merge_results: bool = False,
    skip_missing_seq: bool = False,
    **kwargs: Any,
) -> list[ResultRow]:
    """Return one row per tracker and toolkit, in percent; a column that a toolkit does not have is
    absent from its row.

    Toolkits: pytracking, pytracking's corrected variant (see `extract_results`), pysot, GOT-10k. AO
    is the mean overlap: over sequences in pytracking, over all frames in GOT-10k, whose SR50 and
    SR75 stand under OP50 and OP75. A toolkit that cannot score these results is left out, with a
    message.
    """
    options = {**kwargs, "skip_missing_seq": skip_missing_seq}

    def pytracking(corrected: bool) -> list[tuple[str, dict[str, float]]]:
        report = (
            f"{report_name}/corrected" if corrected else report_name
        )  # keeps the usual cache as it is
        eval_data = load_results(trackers, dataset, report, PLOTS, corrected=corrected, **options)
        if merge_results:
            eval_data = merge_multiple_runs(eval_data)
        valid = np.asarray(eval_data["valid_sequence"], bool)
        overlap_T = 100 * np.nanmean(np.asarray(eval_data["avg_overlap_all"], float)[valid], axis=0)
        columns = {"AO": overlap_T, **score_columns(eval_data, PLOTS)}
        return [
            (
                get_tracker_display_name(tracker),
                {name: float(values[t]) for name, values in columns.items()},
            )
            for t, tracker in enumerate(eval_data["trackers"])
        ]

    def pysot() -> list[tuple[str, dict[str, float]]]:
        return [
            (
                row.label,
                {
                    "AUC": 100 * row.auc,
                    "OP50": 100 * row.success_curve[10],
                    "OP75": 100 * row.success_curve[15],
                    "Precision": 100 * row.precision,
                    "Norm Precision": 100 * row.norm_precision,
                },
            )
            for row in pysot_table(trackers, dataset, merge_results, skip_missing_seq)
        ]

    def got10k() -> list[tuple[str, dict[str, float]]]:
        return [
            (row.label, {"AO": 100 * row.ao, "OP50": 100 * row.sr50, "OP75": 100 * row.sr75})
            for row in got10k_table(trackers, dataset, merge_results, skip_missing_seq)
        ]

    toolkits: dict[str, Callable[[], list[tuple[str, dict[str, float]]]]] = {
        "pytracking": lambda: pytracking(False),
        "pytracking corrected": lambda: pytracking(True),
        "pysot": pysot,
        "GOT-10k": got10k,
    }
    tables = {}
    for name, score in toolkits.items():
        try:
            tables[name] = score()
        except BadInput as error:
            logger.warning("%s is left out of the comparison: %s", name, error)
    if not tables:
        raise BadValue(
            f"Report '{report_name}': no toolkit can score these results; see the messages above"
        )
    order = ("AUC", "AO", "OP50", "OP75", "Precision", "Norm Precision")
    return [
        ResultRow(
            f"{table[t][0]} ({name})",
            {column: table[t][1][column] for column in order if column in table[t][1]},
        )
        for t in range(len(next(iter(tables.values()))))
        for name, table in tables.items()
    ]
