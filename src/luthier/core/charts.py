"""Charts as SVG text: no script, no file beside the report, readable offline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 32, 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Args:
        name: In the legend.
        points: x and y, by growing x.
        style: CSS class that gives the colour: ``first``, ``second`` or ``faint``.
        has_marks: Draw a dot at each point.
    """

    name: str
    points: Sequence[Point]
    style: str
    has_marks: bool = False


def line_chart(series: Sequence[Series], *, x_label: str, y_label: str) -> str:
    """Return a chart of lines over common axes; empty text if there is nothing to draw."""
    points = [point for line in series for point in line.points]
    if not points:
        return ""
    x_low, x_high = _range([x for x, _ in points])
    y_low, y_high = _range([y for _, y in points])

    def place(x: float, y: float) -> tuple[float, float]:
        width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return (
            round(_LEFT + (x - x_low) / (x_high - x_low) * width, 1),
            round(_TOP + (y_high - y) / (y_high - y_low) * height, 1),
        )

    parts = [_opening(y_label)]
    for tick in _ticks(y_low, y_high, 6):
        _, y = place(x_low, tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:.4g}</text>')
    for tick in _ticks(x_low, x_high, 8):
        x, _ = place(tick, y_low)
        parts.append(f'<text class="tick" x="{x}" y="{_HEIGHT - 22}" text-anchor="middle">{tick:.4g}</text>')
    parts.append(
        f'<text class="tick" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 4}" text-anchor="end">{escape(x_label)}</text>'
    )
    for number, line in enumerate(series):
        placed = [place(x, y) for x, y in line.points]
        path = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline class="{line.style}" points="{path}"/>')
        if line.has_marks or len(placed) == 1:  # a line of one point shows nothing
            parts += [f'<circle class="{line.style}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in placed]
        parts.append(
            f'<text class="legend {line.style}" x="{_WIDTH - _RIGHT - 8}" y="{_TOP + 6 + 18 * number}" '
            f'text-anchor="end">{escape(line.name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def column_chart(counts: Sequence[int], *, width: int, x_label: str, y_label: str) -> str:
    """Return a chart of columns of equal width that begin at 0; the last may hold all that is beyond.

    Args:
        counts: Height of each column.
        width: What a column covers, in units of x.
        x_label: Below.
        y_label: Above the axis.
    """
    if not any(counts):
        return ""
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    step, high = (right - _LEFT) / len(counts), max(counts)
    parts = [_opening(y_label)]
    for tick in _ticks(0, high):
        y = round(bottom - tick / high * (bottom - _TOP), 1)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y}" x2="{right}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:.6g}</text>')
    for number, count in enumerate(counts):
        x, top = _LEFT + number * step, bottom - count / high * (bottom - _TOP)
        title = f"{number * width:,} to {(number + 1) * width - 1:,}: {count:,}"
        if number == len(counts) - 1:
            title = f"{number * width:,} and over: {count:,}"
        parts.append(
            f'<rect class="first" x="{x + 1:.1f}" y="{top:.1f}" width="{step - 2:.1f}" height="{bottom - top:.1f}">'
            f"<title>{title}</title></rect>"
        )
    for tick in _ticks(0, len(counts) * width, 6):
        if tick <= len(counts) * width:
            x = round(_LEFT + tick / width * step, 1)
            parts.append(
                f'<text class="tick" x="{x}" y="{_HEIGHT - 22}" text-anchor="middle">{tick:.6g}</text>'
            )
    parts.append(
        f'<text class="tick" x="{right}" y="{_HEIGHT - 4}" text-anchor="end">{escape(x_label)}</text>'
    )
    return "".join([*parts, "</svg>"])


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval, for one row of a chart.

    Args:
        name: On the left.
        value: The dot.
        low: Where the line begins.
        high: Where it ends.
    """

    name: str
    value: float
    low: float
    high: float


def interval_chart(estimates: Sequence[Estimate], *, x_label: str) -> str:
    """Return a chart of figures with their intervals, one below the other; empty text if there are none.

    The line of an interval without limits ends at the edge of the chart.

    Args:
        estimates: In the order from top to bottom.
        x_label: Of the figures.
    """
    if not estimates:
        return ""
    left, right, line = 210, _WIDTH - _RIGHT, 30
    bottom = _TOP + line * len(estimates)
    ends = [end for estimate in estimates for end in (estimate.low, estimate.high, estimate.value)]
    low, high = _range([end for end in ends if math.isfinite(end)] or [0.0])

    def place(x: float) -> float:
        x = min(max(x, low), high)
        return round(left + (x - low) / (high - low) * (right - left), 1)

    parts = [_opening(x_label, height=bottom + 30)]
    for tick in _ticks(low, high, 6):
        x = place(tick)
        parts.append(f'<line class="grid" x1="{x}" y1="{_TOP}" x2="{x}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{bottom + 18}" text-anchor="middle">{tick:.4g}</text>')
    for number, estimate in enumerate(estimates):
        y = _TOP + line * number + line // 2
        name = estimate.name if len(estimate.name) <= 30 else f"{estimate.name[:29]}…"
        title = f"{estimate.name}: {estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"
        parts.append(
            f'<text class="tick" x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        )
        parts.append(
            f'<polyline class="first" points="{place(estimate.low)},{y} {place(estimate.high)},{y}"/>'
        )
        parts.append(
            f'<circle class="first" cx="{place(estimate.value)}" cy="{y}" r="5"><title>{escape(title)}</title></circle>'
        )
    return "".join([*parts, "</svg>"])


def _opening(y_label: str, *, height: int = _HEIGHT) -> str:
    label = escape(y_label)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'
        f'<text class="tick" x="0" y="14">{label}</text>'
    )


def smoothed(points: Sequence[Point], share: float = 0.1) -> list[Point]:
    """Return the running mean over a share of the points, centred."""
    reach = max(1, round(len(points) * share / 2))
    means = []
    for index, (x, _) in enumerate(points):
        near = points[max(0, index - reach) : index + reach + 1]
        means.append((x, sum(y for _, y in near) / len(near)))
    return means


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = max(0.5, abs(low) / 100)  # beside a huge number a half is nothing
    return (low, high) if high > low else (low - margin, high + margin)


def _ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return round numbers between the ends."""
    rough = (high - low) / count
    power = 10.0 ** int(f"{rough:e}".split("e")[1])
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first = -(-low // step) * step
    return [first + step * n for n in range(count + 2) if first + step * n <= high * (1 + 1e-12)]
