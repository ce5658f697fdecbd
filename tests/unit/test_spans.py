"""Spans as users type them, for `--max-wait`, `--for` and `--since`."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.domain.spans import LONGEST, read_span, written


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90", 90), ("90s", 90), ("1.5m", 90), ("10m", 600), ("2h", 7200), ("1d", 86400), ("1:30:00", 5400)],
)
def test_each_form(text: str, seconds: int) -> None:
    """Seconds, a number with a unit, and H:MM:SS are read."""
    assert read_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["0s", "1.5s", "90s", "15m", "3h", "1d", "30d", "3650d"])
def test_a_span_is_written_as_it_is_read(text: str) -> None:
    """The largest whole unit is written."""
    assert written(read_span(text)) == text


@pytest.mark.parametrize("text", ["", "-1", "ten", "10 minutes", "1:75:00", "1:30", "99999999d", "1e9", "٣"])
def test_another_form_is_refused(text: str) -> None:
    """Other texts are refused with the expected forms."""
    with pytest.raises(ValueError, match="1:30:00"):
        read_span(text)


@given(st.text(max_size=12))
def test_no_input_crashes(text: str) -> None:
    """Each text is a span of at most ten years, or refused."""
    with contextlib.suppress(ValueError):
        assert timedelta(0) <= read_span(text) <= LONGEST
