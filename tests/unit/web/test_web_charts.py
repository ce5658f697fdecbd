"""Charts: what they are of is in their shapes and in their words, and nothing makes them break."""

from __future__ import annotations

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.web.charts import HEIGHT, Bar, bars, gauge, steps

DAY = date(2026, 3, 1)
COUNTS = st.integers(0, 2**31 - 1)


@given(st.lists(st.tuples(COUNTS, COUNTS), max_size=60), st.text())
def test_bars_fill_the_height(counts: list[tuple[int, int]], said: str) -> None:
    """The highest reaches the top and no other does more; each tells its number; every text is escaped."""
    svg = _parsed(bars([Bar(parts, str(sum(parts))) for parts in counts], _printable(said)))
    heights = [sum(float(one.get("height", 0)) for one in group.findall("rect")) for group in svg.findall("g")]
    assert svg.get("aria-label") == _printable(said)
    assert [title.text for title in svg.iter("title")] == [str(sum(parts)) for parts in counts]
    assert all(height <= HEIGHT for height in heights)
    most = max(map(sum, counts), default=0)
    assert all(height > HEIGHT - 3 for height, parts in zip(heights, counts, strict=True) if sum(parts) == most > 0)


@given(st.lists(st.tuples(st.integers(0, 2000), COUNTS), min_size=1, max_size=40, unique_by=lambda point: point[0]))
def test_steps_stay_within(points: list[tuple[int, int]]) -> None:
    """Any history is drawn within its frame, one day or a thousand, flat or not."""
    history = [(DAY - timedelta(days=ago), value) for ago, value in sorted(points, reverse=True)]
    path = _parsed(steps(history, DAY, "x")).find("path")
    assert path is not None
    numbers = [float(one) for one in path.get("d", "").replace("M", " ").replace("H", " ").replace("V", " ").split()]
    assert all(0 <= number <= 480 for number in numbers)


def test_a_first_day_is_a_line() -> None:
    """What is known since today alone is level from side to side, and not a point that nobody sees."""
    path = _parsed(steps([(DAY, 5)], DAY, "x")).find("path")
    assert path is not None
    assert path.get("d") == "M4.0 32.0H476.0V32.0H476.0V32.0"


def test_no_history() -> None:
    assert steps([], DAY, "x") == ""


@pytest.mark.parametrize(
    ("share", "left", "kind"), [(0.5, 240, "left"), (0, 0, "low"), (1.5, 480, "left"), (-1, 0, "low")]
)
def test_a_gauge(share: float, left: float, kind: str) -> None:
    """What is left, never more than all of it; little is another colour."""
    _, filled = _parsed(gauge(share, "x")).findall("rect")
    assert (float(filled.get("width", -1)), filled.get("class")) == (left, kind)


def _printable(text: str) -> str:
    """What XML can hold and does not normalise."""
    return "".join(character for character in text if character.isprintable())


def _parsed(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup)  # noqa: S314  (our own)
