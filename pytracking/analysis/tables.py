"""Scores as plain rows, and rows as text, Markdown, LaTeX or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from ltr.admin.errors import BadValue, suggestion

# One value per row: numbers, a tensor (N,) or an array (N,).
Column = Sequence[Any] | np.ndarray | Tensor

MISSING = "-"  # cell of a score that a row does not have


@dataclass(frozen=True)
class ResultRow:
    """A line of a results table.

    `scores` maps a column to its value, usually in percent; `spread` maps it to the standard
    deviation over runs, where there is one.
    """

    label: str
    scores: Mapping[str, float]
    spread: Mapping[str, float] = field(default_factory=dict)


def generate_formatted_report(
    row_labels: Sequence[str], scores: Mapping[str, Column], table_name: str = ""
) -> str:
    """Lay out a text table: one row per label, one column per entry of `scores`, two decimals.

    `scores` maps a column to one value (number or 0-d tensor) per row. `table_name` heads the first
    column.
    """
    cells = {
        column: [f"{float(values[i]):.2f}" for i in range(len(row_labels))]
        for column, values in scores.items()
    }
    return _text_table(row_labels, cells, table_name)


def make_rows(labels: Sequence[str], columns: Mapping[str, Column]) -> list[ResultRow]:
    """Turn columns of numbers or tensors into rows."""
    return [
        ResultRow(label, {name: float(values[i]) for name, values in columns.items()})
        for i, label in enumerate(labels)
    ]


def format_rows(rows: Sequence[ResultRow], style: str = "text", table_name: str = "") -> str:
    """Write rows as 'text' (pytracking's table), 'markdown', 'latex' or 'csv'; `table_name` heads
    the first column.

    Text, Markdown and LaTeX show two decimals and `± spread`; CSV holds all digits, the spread in
    columns `<name> std`. LaTeX sets the best score of each column in bold and needs the package
    booktabs.
    """
    if style not in STYLES:
        raise BadValue(
            f"Unknown table style '{style}'{suggestion(style, STYLES)} (choose from "
            f"{', '.join(STYLES)})"
        )
    columns = list(dict.fromkeys(column for row in rows for column in row.scores))
    return STYLES[style](rows, columns, table_name)


def as_dict(rows: Sequence[ResultRow]) -> dict[str, dict[str, float]]:
    """Map label to scores, with `unique` labels."""
    labels = unique([row.label for row in rows])
    return {label: dict(row.scores) for label, row in zip(labels, rows, strict=True)}


def unique(labels: Sequence[str]) -> list[str]:
    """Number labels that come again: A, A (2), A (3). Runs that share one display name need it."""
    seen: dict[str, int] = {}
    result = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        result.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return result


def _cell(row: ResultRow, column: str) -> str:
    if column not in row.scores:
        return MISSING
    spread = f" ± {row.spread[column]:.2f}" if column in row.spread else ""
    return f"{row.scores[column]:.2f}{spread}"


def _text_table(labels: Sequence[str], cells: Mapping[str, Sequence[str]], table_name: str) -> str:
    label_width = max(len(name) for name in (*labels, table_name)) + 5
    widths = {column: max(10, len(column) + 3, *map(len, texts)) for column, texts in cells.items()}
    lines = [
        "",
        f"{table_name:<{label_width}} |"
        + "".join(f" {column:<{widths[column]}} |" for column in cells),
    ]
    for i, label in enumerate(labels):
        row = "".join(f" {texts[i]:<{widths[column]}} |" for column, texts in cells.items())
        lines.append(f"{label:<{label_width}} |{row}")
    return "\n".join(lines) + "\n"


def _text(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    cells = {column: [_cell(row, column) for row in rows] for column in columns}
    return _text_table([row.label for row in rows], cells, table_name)


def _markdown(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rule = "|:--" + "|--:" * len(columns) + "|\n"
    labels = [
        f"**{row.label[3:].lstrip()}**" if row.label.startswith("\\bf") else row.label
        for row in rows
    ]
    body = [
        line([label, *(_cell(row, column) for column in columns)])
        for label, row in zip(labels, rows, strict=True)
    ]
    return line([table_name, *columns]) + rule + "".join(body)


_LATEX_SIGNS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)


def _latex(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    best = {
        column: max(
            (
                row.scores[column]
                for row in rows
                if row.scores.get(column, float("nan")) > float("-inf")
            ),
            default=None,
        )
        for column in columns
    }

    def cell(row: ResultRow, column: str) -> str:
        text = _cell(row, column).replace(" ± ", r" $\pm$ ")
        return (
            rf"\textbf{{{text}}}"
            if len(rows) > 1 and row.scores.get(column) == best[column] is not None
            else text
        )

    def label(text: str) -> str:  # `\bf` marks labels that plots set in bold
        plain = text.removeprefix("\\bf").lstrip().translate(_LATEX_SIGNS)
        return rf"\textbf{{{plain}}}" if text.startswith("\\bf") else plain

    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        " & ".join([label(table_name), *map(label, columns)]) + r" \\",
        r"\midrule",
        *(
            " & ".join([label(row.label), *(cell(row, column) for column in columns)]) + r" \\"
            for row in rows
        ),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _csv(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    spread = [column for column in columns if any(column in row.spread for row in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([table_name, *columns, *(f"{column} std" for column in spread)])
    for row in rows:
        writer.writerow(
            [
                row.label,
                *(row.scores.get(column, "") for column in columns),
                *(row.spread.get(column, "") for column in spread),
            ]
        )
    return text.getvalue()


STYLES = {"text": _text, "markdown": _markdown, "latex": _latex, "csv": _csv}
