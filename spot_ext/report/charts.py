"""Charts as inline SVG: colours come from the page's style sheet, values under the pointer from its
script.

Every function returns Markup that is safe to put into the page; names and units are escaped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 232
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 28
Format = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """Describe one line or layer: its name, its values by x, and its colour, one of c1 … c5 of the
    style sheet.
    """

    name: str
    points: Mapping[int, float] | Mapping[float, float]
    colour: str = "c1"
    dashed: bool = False


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` … `high` to pixels `start` … `stop`."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = (math.log10(v) if self.log else v for v in (self.low, self.high))
        value = math.log10(max(value, self.low)) if self.log else value
        return self.start + (value - low) / ((high - low) or 1) * (self.stop - self.start)


def plain(value: float) -> str:
    """Three digits that matter, without needless zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.0e}".replace("e-0", "e-")


def percent(value: float) -> str:
    """`0.42` as 42 %."""
    return f"{100 * value:.0f} %"


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers from `low` to `high`."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str = "epoch",
    y_range: tuple[float, float] | None = None,
    y_format: Format = plain,
    shaded_until: float | None = None,
    log: bool = False,
    x_range: tuple[float, float] | None = None,
    label: str = "",
    x_name: str = "",
) -> Markup:
    """Lines over a common x. `shaded_until` shades what lies before it (burn-in); `log` has a
    logarithmic y axis.
    """
    series = _finite(series)
    x, y = _scales(series, y_range, x_range, log, zero=False)
    parts = [*_axes(x, y, x_label, y_format, shaded_until)]
    for one in series:
        points = sorted(one.points.items())
        if len(points) == 1:
            parts.append(
                f'<circle class="dot {one.colour}" cx="{x(points[0][0]):.1f}" '
                f'cy="{y(points[0][1]):.1f}" r="3.5"/>'
            )
            continue
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        parts.append(
            f'<polyline class="line {one.colour}{" dashed" if one.dashed else ""}" '
            f'points="{path}"/>'
        )
    return _svg(parts, series, x, y, y_format, label, x_name or x_label)


def stacked_bars(
    series: Sequence[Series],
    *,
    x_label: str = "epoch",
    y_format: Format = plain,
    shaded_until: float | None = None,
    label: str = "",
) -> Markup:
    """Bars at whole x, the series on top of each other, the first lowest."""
    series = _finite(series)
    totals: dict[float, float] = {}
    for one in series:
        for at, value in one.points.items():
            totals[at] = totals.get(at, 0) + max(value, 0)
    whole = [Series("", totals)] if totals else []
    x, y = _scales(
        whole, (0, max(totals.values(), default=1) * 1.04 or 1), None, False, zero=True, half=0.5
    )
    parts = [*_axes(x, y, x_label, y_format, None if shaded_until is None else shaded_until + 0.5)]
    width, base = x(1) - x(0), dict.fromkeys(totals, 0.0)
    gap = min(2.0, width * 0.2)
    for one in series:
        for at, value in one.points.items():
            low, base[at] = base[at], base[at] + max(value, 0)
            height = y(low) - y(base[at])
            if height > 0:
                parts.append(
                    f'<rect class="fill {one.colour}" x="{x(at) - width / 2 + gap / 2:.2f}" '
                    f'y="{y(base[at]):.2f}" '
                    f'width="{width - gap:.2f}" height="{height:.2f}"/>'
                )
    return _svg(parts, series, x, y, y_format, label, x_label)


def heat_map(
    columns: Mapping[int, Sequence[float]],
    *,
    y_label: str = "",
    marker: float | None = None,
    label: str = "",
    x_label: str = "epoch",
) -> Markup:
    """Columns of shares, each adding to 1: the darker, the larger. Rows divide y from 0 to 1;
    `marker` is a dashed y.
    """
    first, last = min(columns), max(columns)
    x = Scale(first - 0.5, last + 0.5, LEFT, WIDTH - RIGHT)
    y = Scale(0, 1, HEIGHT - BOTTOM, TOP)
    parts, width, most = [], x(1) - x(0), max(max(shares) for shares in columns.values()) or 1
    for at, shares in columns.items():
        height = (y(0) - y(1)) / len(shares)
        parts += [
            f'<rect class="heat" x="{x(at) - width / 2:.2f}" y="{y((row + 1) / len(shares)):.2f}" '
            f'width="{width + 0.3:.2f}" height="{height + 0.3:.2f}" '
            f'fill-opacity="{0.06 + 0.9 * share / most:.2f}">'
            f"<title>{escape(x_label)} {at}: {100 * share:.0f} % at {row / len(shares):.2f} to "
            f"{(row + 1) / len(shares):.2f}</title></rect>"
            for row, share in enumerate(shares)
            if share > 0
        ]
    parts = [*_axes(x, y, x_label, plain, None), *parts]
    if marker is not None:
        parts.append(
            f'<line class="marker" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(marker):.1f}" '
            f'y2="{y(marker):.1f}"/>'
            f'<text class="tick" x="{LEFT + 5}" y="{y(marker) - 4:.1f}">{escape(y_label)}</text>'
        )
    return _svg(parts, [], x, y, plain, label, x_label)


def bars(
    values: Sequence[float],
    labels: Sequence[str],
    *,
    x_label: str = "",
    colour: str = "c1",
    label: str = "",
    y_format: Format = plain,
) -> Markup:
    """A histogram: one bar a value, labelled below where there is room."""
    x = Scale(0, len(values), LEFT, WIDTH - RIGHT)
    y = Scale(0, (max(values, default=0) or 1) * 1.05, HEIGHT - BOTTOM, TOP)
    parts = _grid(y, y_format)
    for i, (value, name) in enumerate(zip(values, labels, strict=True)):
        parts.append(
            f'<rect class="fill {colour}" x="{x(i) + 1:.1f}" y="{y(value):.1f}" '
            f'width="{x(1) - x(0) - 2:.1f}" '
            f'height="{y(0) - y(value):.1f}"><title>{escape(name)}: '
            f"{escape(y_format(value))}</title></rect>"
        )
        if i % max(1, len(values) // 10) == 0:
            parts.append(
                f'<text class="tick" x="{x(i + 0.5):.1f}" y="{HEIGHT - BOTTOM + 14}" '
                'text-anchor="middle">'
                f"{escape(name)}</text>"
            )
    parts.append(_x_label(x_label))
    return _svg(parts, [], x, y, y_format, label, x_label)


def _finite(series: Sequence[Series]) -> list[Series]:
    """The series without values that are no numbers, and without empty ones."""
    found = [
        replace(one, points={at: value for at, value in one.points.items() if math.isfinite(value)})
        for one in series
    ]
    return [one for one in found if one.points]


def _scales(
    series: Sequence[Series],
    y_range: tuple[float, float] | None,
    x_range: tuple[float, float] | None,
    log: bool,
    zero: bool,
    half: float = 0.0,
) -> tuple[Scale, Scale]:
    xs = [at for one in series for at in one.points] or [0, 1]
    ys = [value for one in series for value in one.points.values() if value > 0 or not log] or [1]
    if y_range is None:
        y_range = _log_range(min(ys), max(ys)) if log else _plain_range(min(ys), max(ys), zero)
    left, right = x_range or (min(xs), max(xs))
    # A single value still needs a range around it.
    margin = 0.5 if left == right and not half else half
    x_scale = Scale(left - margin, right + margin, LEFT, WIDTH - RIGHT)
    y_scale = Scale(y_range[0], y_range[1], HEIGHT - BOTTOM, TOP, log)
    return x_scale, y_scale


def _log_range(low: float, high: float) -> tuple[float, float]:
    """Widen a range to thirds of a decade."""
    lower = 10 ** (math.floor(math.log10(low) * 3) / 3)
    upper = 10 ** (math.ceil(math.log10(high) * 3) / 3)
    return (lower / 2, upper * 2) if lower == upper else (lower, upper)


def _plain_range(low: float, high: float, from_zero: bool) -> tuple[float, float]:
    """Widen a range by a margin; begin at zero where that wastes less than half of the height."""
    if from_zero or 0 <= low < 0.5 * high:
        low = 0
    if high <= low:
        high = low + (abs(low) or 1)
    margin = 0.06 * (high - low)
    return (low if low == 0 else low - margin), high + margin


def _axes(
    x: Scale, y: Scale, x_label: str, y_format: Format, shaded_until: float | None
) -> list[str]:
    parts = []
    if shaded_until is not None and shaded_until > x.low:
        end = x(min(shaded_until, x.high))
        parts.append(
            f'<rect class="shade" x="{LEFT}" y="{TOP}" width="{end - LEFT:.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"/>'
        )
        if end - LEFT > 50:
            parts.append(
                f'<text class="note" x="{end - 5:.1f}" y="{TOP + 12}" '
                'text-anchor="end">burn-in</text>'
            )
    parts += _grid(y, y_format)
    ticks = [
        tick for tick in nice_ticks(x.low, x.high, 8) if x.high - x.low < 4 or tick == int(tick)
    ]
    parts += [
        f'<text class="tick" x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 14}" '
        f'text-anchor="middle">{plain(tick)}</text>'
        for tick in ticks
    ]
    return [*parts, _x_label(x_label)]


def _grid(y: Scale, y_format: Format) -> list[str]:
    ticks = _log_ticks(y.low, y.high) if y.log else nice_ticks(y.low, y.high, 4)
    return [
        f'<line class="{"axis" if tick == 0 else "grid"}" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
        f'y1="{y(tick):.1f}" '
        f'y2="{y(tick):.1f}"/><text class="tick" x="{LEFT - 7}" y="{y(tick) + 3.5:.1f}" '
        'text-anchor="end">'
        f"{escape(y_format(tick))}</text>"
        for tick in ticks
    ]


def _x_label(text: str) -> str:
    return (
        f'<text class="tick" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 2}" '
        f'text-anchor="middle">{escape(text)}</text>'
    )


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    ticks = (factor * 10.0**decade for decade in decades for factor in factors)
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def _svg(
    parts: Sequence[str],
    series: Sequence[Series],
    x: Scale,
    y: Scale,
    y_format: Format,
    label: str,
    x_name: str,
) -> Markup:
    """The drawing, and as data what the page's script needs to show the values under the
    pointer.
    """
    xs = sorted({at for one in series for at in one.points})
    texts = [{at: y_format(value) for at, value in one.points.items()} for one in series]
    data = {
        "x": [round(at, 4) for at in xs],
        "px": [round(x(at), 1) for at in xs],
        "name": x_name,
        "series": [
            {
                "name": one.name,
                "colour": one.colour,
                "text": [text.get(at, "") for at in xs],
            }
            for one, text in zip(series, texts, strict=True)
        ],
    }
    attribute = f' data-chart="{escape(json.dumps(data))}"' if series else ""
    return Markup(
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}"{attribute}>'
        f"{''.join(parts)}</svg>"
    )
