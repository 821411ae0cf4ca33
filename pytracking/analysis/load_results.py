"""The evaluation of a report, from its cache or from result files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ltr.admin.errors import BadValue, suggestion
from pytracking.analysis import eval_cache
from pytracking.analysis.eval_cache import check_eval_data_is_valid
from pytracking.analysis.extract_results import extract_results, extract_results_prec_rec_f1
from pytracking.analysis.prec_rec_f1 import raw_data_keys
from pytracking.analysis.result_files import result_paths
from pytracking.analysis.scores import selected_plot_types

_EXTRACTION = (
    "skip_missing_seq",
    "plot_bin_gap",
    "exclude_invalid_frames",
    "verbose",
    "corrected",
    "anno_period",
)


def check_and_load_precomputed_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    force_evaluation: bool = False,
    f1_prec_rec: bool = False,
    **kwargs: Any,
) -> dict[str, Any]:
    """Return the evaluation of a report, from its cache when that is of these trackers and
    sequences.

    `f1_prec_rec` asks for precision, recall and F1 instead of the curves. `kwargs` are those of
    `extract_results` and `extract_results_prec_rec_f1`. The cache is used when sequence names and
    tracker identities agree in order (display names are taken from `trackers`) and the asked
    options are those it was made with; pytracking's caches do not tell their options and count as
    made with the defaults. Result files written after the cache cause a warning.
    """
    unknown = next((name for name in kwargs if name not in _EXTRACTION), None)
    if unknown is not None:
        raise BadValue(
            f"Report '{report_name}': unknown option '{unknown}'{suggestion(unknown, _EXTRACTION)} "
            f"(known are {', '.join(_EXTRACTION)})"
        )
    extract = extract_results_prec_rec_f1 if f1_prec_rec else extract_results
    extract_kwargs = {
        name: value for name, value in kwargs.items() if f1_prec_rec or name != "anno_period"
    }
    cache = eval_cache.report_folder(report_name) / "eval_data.pkl"
    if force_evaluation or not cache.is_file():
        return extract(trackers, dataset, report_name, **extract_kwargs)
    eval_data = eval_cache.load_eval_data(cache)
    if f1_prec_rec:
        asked: Any = eval_cache.F1Options(
            kwargs.get("anno_period", 1), kwargs.get("corrected", False)
        )
    else:
        asked = eval_cache.Options(
            kwargs.get("plot_bin_gap", 0.05),
            kwargs.get("exclude_invalid_frames", False),
            kwargs.get("corrected", False),
        )
    stored = eval_cache.load_options(report_name, type(asked)) or type(asked)()
    if asked != stored or not check_eval_data_is_valid(eval_data, trackers, dataset, f1_prec_rec):
        return extract(trackers, dataset, report_name, **extract_kwargs)
    eval_data = {
        key: eval_data[key]
        for key in (eval_cache.F1_KEYS if f1_prec_rec else eval_cache.EVAL_DATA_KEYS)
    }
    eval_data["trackers"] = [eval_cache.tracker_entry(tracker) for tracker in trackers]
    if f1_prec_rec:
        keys = raw_data_keys(eval_data["trackers"])
        eval_data["raw_data"] = dict(zip(keys, eval_data["raw_data"].values(), strict=True))
    eval_cache.warn_when_outdated(cache, result_paths(trackers, dataset))
    return eval_data


def load_results(
    trackers: Sequence[Any],
    dataset: Sequence[Any],
    report_name: str,
    plot_types: str | Sequence[str],
    **kwargs: Any,
) -> dict[str, Any]:
    """Return what the plot types need: curves over thresholds, `raw_data` of precision and recall,
    or both.
    """
    chosen = selected_plot_types(plot_types)  # a wrong name shall not cost an evaluation
    kwargs.pop("f1_prec_rec", None)  # pytracking's switch; the plot types say it here
    eval_data: dict[str, Any] = {}
    for f1_prec_rec in sorted({name == "f1_prec_rec" for name in chosen}):
        eval_data |= check_and_load_precomputed_results(
            trackers, dataset, report_name, f1_prec_rec=f1_prec_rec, **kwargs
        )
    return eval_data
