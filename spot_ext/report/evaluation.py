"""Read how the run's networks track: the table a quickstart wrote, and success curves of
pytracking's evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltr.admin.errors import BadInput, BadValue, MissingFile
from pytracking.analysis.eval_cache import load_eval_data, report_folder
from pytracking.analysis.scores import data_set_curves, get_tracker_display_name
from spot_ext.report.charts import Series, line_chart

COLUMNS = {
    "labels": "labels",
    "auc": "AUC",
    "op50": "OP50",
    "op75": "OP75",
    "precision": "precision",
    "norm_precision": "norm. precision",
    "ao": "AO",
    "sr50": "SR50",
    "sr75": "SR75",
}
COLOURS = ("c1", "c2", "c3", "c4", "c5")


@dataclass(frozen=True)
class Evaluation:
    """Rows of scores in percent and the success plot, where there are any, and sentences on what is
    missing.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[str], list[bool]]] = field(
        default_factory=list
    )  # name, cells, which are the best
    plot: str | None = None
    curves: list[Series] = field(default_factory=list)
    sequences: int = 0
    notes: list[str] = field(default_factory=list)


def evaluation(run_folder: Path, results: Path | None = None) -> Evaluation:
    """Return the scores and curves of a run that was evaluated.

    Its table is `table_full.json` or `table.json` beside or in the run's folder; its curves are in
    `eval_data.pkl` in the folder the table names. `results` is another folder with one of them: a
    report's, below result_plot_path. BadInput when `results` has neither.
    """
    notes: list[str] = []
    table = (
        _table(results, notes)
        if results is not None
        else _table(run_folder.parent, notes) or _table(run_folder, notes)
    )
    curves_file = _curves_file(results, table)
    if results is not None and table is None and curves_file is None:
        raise MissingFile(
            f"{results} holds neither eval_data.pkl nor table.json; give the folder of an "
            "evaluation, below "
            "result_plot_path in pytracking/evaluation/local.py, or leave --results out"
        )
    curves: list[Series] = []
    sequences = 0
    if curves_file is not None:
        try:
            curves, sequences = _curves(curves_file)
        except BadInput as error:
            notes.append(f"The success curves could not be read: {error}.")
    columns, rows = _rows(table) if table is not None else _rows_of_curves(curves)
    if table is None and not curves:
        notes.append(
            "This run has not been evaluated: track a data set with its network and analyse the "
            "results, then give "
            "that report's folder with --results."
        )
    elif not curves and not any("success curves" in note for note in notes):
        notes.append(
            "The evaluation's curves (eval_data.pkl) are not there any more, so there is no "
            "success plot."
        )
    plot = (
        line_chart(
            curves,
            x_label="overlap threshold",
            y_range=(0, 100),
            x_range=(0, 1),
            label="Success plot",
            x_name="overlap",
        )
        if curves
        else None
    )
    return Evaluation(columns, rows, plot, curves, sequences, notes)


def _table(folder: Path, notes: list[str]) -> Mapping[str, Any] | None:
    for name in ("table_full.json", "table.json"):
        if (folder / name).is_file():
            try:
                content = json.loads((folder / name).read_text(encoding="utf-8"))
                if not all("name" in row for row in content["rows"]):
                    raise BadValue("a row has no name")
                return content
            except (OSError, ValueError, KeyError, TypeError) as error:
                notes.append(f"{folder / name} could not be read ({error}).")
    return None


def _curves_file(results: Path | None, table: Mapping[str, Any] | None) -> Path | None:
    named = Path(str(table["plot"])) if table and table.get("plot") else None
    folders = [results] if results is not None else []
    if named is not None:
        folders += [named.parent, *_plot_folders(named.parent.name)]
    return next(
        (folder / "eval_data.pkl" for folder in folders if (folder / "eval_data.pkl").is_file()),
        None,
    )


def _plot_folders(report_name: str) -> list[Path]:
    """Return the folder where reports are kept now, for a run that was moved."""
    try:
        return [report_folder(report_name)]
    except (BadInput, RuntimeError):  # no local.py yet
        return []


def _curves(file: Path) -> tuple[list[Series], int]:
    data = load_eval_data(file)
    try:
        curves = data_set_curves(data, "success")
        names = [get_tracker_display_name(tracker) for tracker in data["trackers"]]
        thresholds = [round(float(value), 4) for value in curves.thresholds]
        points = [
            dict(zip(thresholds, values, strict=True)) for values in curves.curves_TB.tolist()
        ]
        series = [
            Series(name, values, COLOURS[i % len(COLOURS)], dashed=i >= len(COLOURS))
            for i, (name, values) in enumerate(zip(names, points, strict=True))
        ]
        return series, int(sum(bool(valid) for valid in data["valid_sequence"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadValue(f"{file} holds no success curves ({error})") from error


def _rows(table: Mapping[str, Any]):
    columns = [name for name in COLUMNS if any(name in row for row in table["rows"])]
    best = {
        name: max((float(row[name]) for row in table["rows"] if name in row), default=0.0)
        for name in columns
    }
    rows = [
        (
            str(row["name"]),
            [_cell(name, row.get(name)) for name in columns],
            [
                name != "labels" and len(table["rows"]) > 1 and row.get(name) == best[name]
                for name in columns
            ],
        )
        for row in table["rows"]
    ]
    return [COLUMNS[name] for name in columns], rows


def _rows_of_curves(curves: Sequence[Series]):
    """AUC of the curves, when that is all there is."""
    scores = [sum(one.points.values()) / len(one.points) for one in curves]
    return (["AUC"] if curves else []), [
        (one.name, [f"{score:.1f}"], [len(scores) > 1 and score == max(scores)])
        for one, score in zip(curves, scores, strict=True)
    ]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if name == "labels" else f"{value:.1f}"
