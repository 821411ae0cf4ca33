"""From per-sequence curves to the curves and scores of a data set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion

PLOT_TYPES = ("success", "prec", "norm_prec", "f1_prec_rec")


@dataclass(frozen=True)
class Curves:
    """The content of a plot: a curve and a ranking score for each tracker, in percent, over common
    thresholds.
    """

    plot_type: str
    thresholds: Tensor
    curves_TB: Tensor
    scores_T: Tensor


def get_auc_curve(
    plots: Tensor | Sequence, valid_sequence: Tensor | Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Mean success curve (T, B) of the valid sequences of `plots` (S, T, B), in percent, and its
    mean (T,), the AUC.
    """
    curve_TB = _mean_curve(plots, valid_sequence)
    return curve_TB, curve_TB.mean(-1)


def get_prec_curve(
    plots: Tensor | Sequence, valid_sequence: Tensor | Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Mean precision curve (T, 51) over the valid sequences of `plots`, and its value at index 20;
    in percent.

    Index 20 is the usual threshold of 20 pixels, or of 0.20 for the normalised precision.
    """
    curve_TB = _mean_curve(plots, valid_sequence)
    return curve_TB, curve_TB[:, 20].clone()


def selected_plot_types(plot_types: str | Sequence[str]) -> list[str]:
    """The known plot types that `plot_types` names, in the order of `PLOT_TYPES`.

    As in pytracking each type is looked for with `in`: a string selects every type that is a part
    of it, so 'norm_prec' selects 'prec' as well. 'f1_prec_rec' is precision over recall, which no
    mean of sequences is (see `prec_rec_f1`).

    Raises:
        BadValue: a name that is no plot type, or none given.

    """
    if isinstance(plot_types, str):
        unknown = (
            [plot_types]
            if re.sub(r"f1_prec_rec|norm_prec|success|prec|[\W_]", "", plot_types)
            else []
        )
    else:
        unknown = [name for name in plot_types if name not in PLOT_TYPES]
    for name in unknown:
        known = ", ".join(PLOT_TYPES)
        raise BadValue(
            f"Unknown plot type '{name}'{suggestion(name, PLOT_TYPES)} (choose from {known})"
        )
    chosen = [name for name in PLOT_TYPES if name in plot_types]
    if not chosen:
        raise BadValue(f"plot_types selects nothing; choose from {', '.join(PLOT_TYPES)}")
    return chosen


def data_set_curves(eval_data: Mapping[str, Any], plot_type: str) -> Curves:
    """Curves and ranking scores of one plot type from an evaluation (see `extract_results`)."""
    valid = eval_data["valid_sequence"]
    if plot_type == "success":
        curve_TB, scores_T = get_auc_curve(eval_data["ave_success_rate_plot_overlap"], valid)
        return Curves(
            plot_type, torch.tensor(eval_data["threshold_set_overlap"]), curve_TB, scores_T
        )
    suffix = {"prec": "center", "norm_prec": "center_norm"}[plot_type]
    curve_TB, scores_T = get_prec_curve(eval_data[f"ave_success_rate_plot_{suffix}"], valid)
    return Curves(plot_type, torch.tensor(eval_data[f"threshold_set_{suffix}"]), curve_TB, scores_T)


def score_columns(
    eval_data: Mapping[str, Any], plot_types: str | Sequence[str]
) -> dict[str, Tensor]:
    """Columns of the results table, each a (T,) tensor: AUC, OP50, OP75, Precision, Norm Precision
    in percent, F1 Scores.

    F1 lies in [0, 1], as publications give it.
    """
    columns: dict[str, Tensor] = {}
    for plot_type in selected_plot_types(plot_types):
        if plot_type == "f1_prec_rec":
            columns["F1 Scores"] = torch.tensor(
                [float(one["f1_max"]) for one in eval_data["raw_data"].values()]
            )
            continue
        result = data_set_curves(eval_data, plot_type)
        if plot_type == "success":
            columns["AUC"] = result.scores_T
            columns["OP50"] = _at(result, 0.5)
            columns["OP75"] = _at(result, 0.75)
        else:
            columns["Precision" if plot_type == "prec" else "Norm Precision"] = result.scores_T
    return columns


def merge_multiple_runs(eval_data: Mapping[str, Any]) -> dict[str, Any]:
    """Average the runs of each (name, param) into one tracker with the entry of the first run;
    returns a new dict.
    """
    groups = list(runs_by_tracker(eval_data["trackers"]).values())

    def average(key: str, dtype: torch.dtype) -> list:
        values = torch.tensor(eval_data[key], dtype=dtype)
        return torch.stack([values[:, runs].mean(1) for runs in groups], dim=1).tolist()

    merged = {**eval_data, "trackers": [eval_data["trackers"][runs[0]] for runs in groups]}
    if "avg_overlap_all" in eval_data:
        merged["avg_overlap_all"] = average("avg_overlap_all", torch.float64)
        for curve in ("overlap", "center", "center_norm"):
            merged[f"ave_success_rate_plot_{curve}"] = average(
                f"ave_success_rate_plot_{curve}", torch.float32
            )
    if "raw_data" in eval_data:
        keys, values = list(eval_data["raw_data"]), list(eval_data["raw_data"].values())
        merged["raw_data"] = {
            keys[runs[0]]: _mean_f1([values[run] for run in runs]) for runs in groups
        }
    return merged


def runs_by_tracker(trackers: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[int]]:
    """(name, param) -> places of its runs in `trackers`."""
    groups: dict[tuple[str, str], list[int]] = {}
    for i, tracker in enumerate(trackers):
        groups.setdefault((tracker["name"], tracker["param"]), []).append(i)
    return groups


def _mean_f1(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Curves and best F1 averaged over runs; the place of the best F1 is that of the averaged
    curves.
    """
    mean = {
        key: torch.stack([torch.as_tensor(run[key], dtype=torch.float64) for run in runs]).mean(0)
        for key in ("prec", "rec", "f1_max", "ths_max")
    }
    f1 = (2 * mean["prec"] * mean["rec"] / (mean["prec"] + mean["rec"])).nan_to_num(nan=0.0)
    return {
        **mean,
        "f1_max": float(mean["f1_max"]),
        "ths_max": float(mean["ths_max"]),
        "idx": int(f1.argmax()),
    }


def get_tracker_display_name(tracker: Mapping[str, Any]) -> str:
    """Label of an entry of `eval_data['trackers']`: its display name, else `name_param` with
    `_%03d` for a run.
    """
    if tracker["disp_name"] is not None:
        return tracker["disp_name"]
    run = "" if tracker["run_id"] is None else f"_{int(tracker['run_id']):03d}"
    return f"{tracker['name']}_{tracker['param']}{run}"


def _mean_curve(plots: Tensor | Sequence, valid_sequence: Tensor | Sequence[int]) -> Tensor:
    valid = torch.as_tensor(valid_sequence).bool()
    if not valid.any():
        raise BadValue(
            "No sequence has results of all trackers, so there is nothing to report; run the "
            "trackers first"
        )
    return torch.as_tensor(plots, dtype=torch.float32)[valid].mean(0) * 100.0


def _at(result: Curves, threshold: float) -> Tensor:
    """Curve value at a threshold that lies on the grid."""
    hit = torch.isclose(result.thresholds, torch.tensor(threshold), rtol=0, atol=1e-6).nonzero()
    if not len(hit):
        raise BadValue(
            f"The overlap thresholds do not hold {threshold}, which OP{threshold * 100:.0f} needs; "
            "use a plot_bin_gap of 0.05, 0.025, 0.01 or 0.005"
        )
    return result.curves_TB[:, int(hit[0])]
