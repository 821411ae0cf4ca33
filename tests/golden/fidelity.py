"""The table of spreads and tolerances in docs/fidelity.md."""

from __future__ import annotations

from pathlib import Path

from tests.golden.tolerances import ABSOLUTE, MIXED, Distance, Quantity, Tolerances

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "fidelity.md"
BEGIN = "<!-- tolerances: written by python -m tests.golden.spread -->"
END = "<!-- end of tolerances -->"


def write_table(tolerances: Tolerances, document: Path = DOCUMENT) -> None:
    """Replace the table in the document."""
    text = document.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    document.write_text(f"{before}{BEGIN}\n\n{table(tolerances)}\n\n{END}{after}")


def read_table(document: Path = DOCUMENT) -> str:
    """Return the table in the document."""
    _, rest = document.read_text().split(BEGIN)
    return rest.split(END)[0].strip()


def table(tolerances: Tolerances) -> str:
    """Format one line a quantity."""
    lines = [
        "| check | quantity | kernels | float64 | condition | seen | tolerance |",
        "|---|---|---|---|---|---|---|",
    ]
    for check, quantities in tolerances.quantities.items():
        for what, quantity in quantities.items():
            distances = (
                quantity.kernels,
                quantity.exact,
                quantity.condition,
                quantity.observed,
            )
            cells = [_cell(quantity, distance) for distance in distances]
            lines.append(f"| `{check}` | {what} | {' | '.join(cells)} | {quantity.tolerance} |")
    return "\n".join(lines)


def _cell(quantity: Quantity, distance: Distance) -> str:
    if quantity.kind == ABSOLUTE:
        return _number(distance.absolute)
    if quantity.kind == MIXED:
        return f"{_number(distance.absolute)}; {_number(distance.relative)} rel"
    return f"{_number(distance.relative)} rel" if distance.relative else "0"


def _number(value: float) -> str:
    return f"{value:.1e}".replace("e-0", "e-").replace("e+00", "") if value else "0"
