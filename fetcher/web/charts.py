"""Charts as inline SVG, drawn on the server. Each has a text alternative, and every text is escaped.

Sizes are in SVG units. The style sheet scales and colours the charts, because the security policy forbids inline style.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from markupsafe import Markup

HEIGHT = 64
_BAR, _GAP = 9, 3
_LEAST = 2
"""Height of a bar whose value is zero, so that zero differs from a missing value."""
_WIDTH = 480
_MARGIN = 4

_FRAME = Markup(
    '<svg class="chart {kind}" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
    ' aria-label="{label}">{shapes}</svg>'
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: its parts from the bottom up, and its tooltip."""

    parts: tuple[int, ...]
    title: str

    @property
    def total(self) -> int:
        return sum(self.parts)


def bars(shown: Sequence[Bar], label: str) -> Markup:
    """Draw bars side by side. The highest fills the height."""
    most = max((bar.total for bar in shown), default=0) or 1
    shapes = Markup("").join(_bar(bar, number * (_BAR + _GAP), most) for number, bar in enumerate(shown))
    width = max(len(shown) * (_BAR + _GAP) - _GAP, 1)
    return _FRAME.format(kind="bars", width=width, height=HEIGHT, label=label, shapes=shapes)


def steps(points: Sequence[tuple[date, int]], until: date, label: str) -> Markup:
    """Draw a step line: each value holds until the next day in ``points``, and the last until ``until``."""
    ends = [*points, (until, points[-1][1])] if points else []
    if not ends:
        return Markup("")
    if ends[0][0] == until:  # a single day: draw a line, because a point is invisible
        ends = [(until - timedelta(days=1), ends[0][1]), *ends]
    first, days = ends[0][0], max((until - ends[0][0]) / timedelta(days=1), 1)
    low, high = min(value for _, value in ends), max(value for _, value in ends)

    def place(day: date, value: int) -> tuple[float, float]:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * ((day - first) / timedelta(days=1)) / days
        share = (value - low) / (high - low) if high > low else 0.5
        return round(x, 1), round(HEIGHT - _MARGIN - share * (HEIGHT - 2 * _MARGIN), 1)

    x, y = place(*ends[0])
    path = [f"M{x} {y}"]
    for (_, _), (day, value) in pairwise(ends):
        x, y = place(day, value)
        path.append(f"H{x}V{y}")
    shapes = Markup('<path class="line" d="{}"/>').format("".join(path))
    return _FRAME.format(kind="steps", width=_WIDTH, height=HEIGHT, label=label, shapes=shapes)


def gauge(share: float, label: str) -> Markup:
    """Draw the remaining share of a quota, from 0 to 1."""
    left = round(_WIDTH * min(max(share, 0.0), 1.0), 1)
    kind = "low" if share < 0.1 else "left"
    shapes = Markup(
        '<rect class="track" width="{width}" height="12" rx="6"/>'
        '<rect class="{kind}" width="{left}" height="12" rx="6"/>'
    ).format(width=_WIDTH, kind=kind, left=left)
    return _FRAME.format(kind="gauge", width=_WIDTH, height=12, label=label, shapes=shapes)


def _bar(bar: Bar, x: int, most: int) -> Markup:
    y: float = HEIGHT
    shapes = Markup("")
    for number, part in enumerate(bar.parts):
        height = (HEIGHT - _LEAST) * part / most
        if part:
            y -= height
            shapes += _rectangle(f"part{number}", x, round(y, 1), round(height, 1))
    if not bar.total:
        shapes = _rectangle("none", x, HEIGHT - _LEAST, _LEAST)
    return Markup("<g><title>{}</title>{}</g>").format(bar.title, shapes)


def _rectangle(kind: str, x: int, y: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(kind, x, y, _BAR, height)
