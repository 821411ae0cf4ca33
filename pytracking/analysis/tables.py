"""Scores as plain rows, and rows as text, Markdown or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ltr.admin.errors import BadValue, suggestion


@dataclass(frozen=True)
class ResultRow:
    """One line of a results table: `scores` maps a column to its value, usually in percent."""

    label: str
    scores: Mapping[str, float]


def generate_formatted_report(
    row_labels: Sequence[str], scores: Mapping[str, Sequence[Any]], table_name: str = ""
) -> str:
    """Lay out a text table: one row per label, one column per entry of `scores`, two decimals.

    `scores` maps a column to one value (number or 0-d tensor) per row. `table_name` heads the first column.
    """
    label_width = max(len(name) for name in (*row_labels, table_name)) + 5
    widths = {column: max(10, len(column) + 3) for column in scores}
    lines = ["", f"{table_name:<{label_width}} |" + "".join(f" {column:<{widths[column]}} |" for column in scores)]
    for i, label in enumerate(row_labels):
        cells = "".join(f" {float(values[i]):<{widths[column]}.2f} |" for column, values in scores.items())
        lines.append(f"{label:<{label_width}} |{cells}")
    return "\n".join(lines) + "\n"


def make_rows(labels: Sequence[str], columns: Mapping[str, Sequence[Any]]) -> list[ResultRow]:
    """Turn columns of numbers or tensors into rows."""
    return [ResultRow(label, {name: float(values[i]) for name, values in columns.items()})
            for i, label in enumerate(labels)]


def format_rows(rows: Sequence[ResultRow], style: str = "text", table_name: str = "") -> str:
    """Write rows as 'text' (pytracking's table), 'markdown' or 'csv'; `table_name` heads the first column.

    Text and Markdown show two decimals, CSV all digits.
    """
    if style not in _STYLES:
        raise BadValue(f"Unknown table style '{style}'{suggestion(style, _STYLES)} (choose from {', '.join(_STYLES)})")
    columns = list(rows[0].scores) if rows else []
    return _STYLES[style](rows, columns, table_name)


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


def _text(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    scores = {column: [row.scores[column] for row in rows] for column in columns}
    return generate_formatted_report([row.label for row in rows], scores, table_name)


def _markdown(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rule = "|:--" + "|--:" * len(columns) + "|\n"
    body = [line([row.label, *(f"{row.scores[column]:.2f}" for column in columns)]) for row in rows]
    return line([table_name, *columns]) + rule + "".join(body)


def _csv(rows: Sequence[ResultRow], columns: list[str], table_name: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([table_name, *columns])
    writer.writerows([row.label, *(row.scores[column] for column in columns)] for row in rows)
    return text.getvalue()


_STYLES = {"text": _text, "markdown": _markdown, "csv": _csv}
