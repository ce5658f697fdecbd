"""The headers ``Deprecation`` and ``Sunset`` in every form in use."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetcher.http.retirement import Retirement, read_retirement

END = datetime(2028, 3, 10, tzinfo=UTC)
DATES = (
    "Fri, 10 Mar 2028 00:00:00 GMT",
    "Fri, 10 Mar 2028 00:00:00 +0000",
    "Fri, 10 Mar 2028 00:00:00 -0000",
    "10 Mar 2028 00:00:00 GMT",
    "Thu, 09 Mar 2028 19:00:00 -0500",
    "@1836259200",
    "1836259200",
    "2028-03-10",
    "2028-03-10T00:00:00Z",
    '"2028-03-10T00:00:00+00:00"',
    "  @1836259200 ",
)


@pytest.mark.parametrize("value", DATES)
def test_a_date_in_either_header(value: str) -> None:
    """Each form gives the same UTC time in both headers."""
    assert read_retirement({"sunset": value}) == Retirement(None, END)
    assert read_retirement({"deprecation": value}) == Retirement(END, None)
    assert read_retirement({"deprecation": "true", "sunset": value}) == Retirement(None, END)


@pytest.mark.parametrize(
    "value",
    [
        "true",
        "?1",
        "@",
        "@-1",
        "@1.5",
        "@" + "9" * 12,
        "9" * 5_000,
        "soon",
        "Fri, 10 Mar 99999 00:00:00 GMT",
        "Fri, 31 Feb 2028 00:00:00 GMT",
        "0001-01-01T00:00:00+14:00",
        'version="v1"',
        "x" * 100_000,
    ],
)
def test_an_announcement_without_a_readable_date(value: str) -> None:
    """An announcement without a readable date is kept, without a date."""
    assert read_retirement({"deprecation": value}) == Retirement(None, None)
    assert read_retirement({"sunset": value}) == Retirement(None, None)


@pytest.mark.parametrize(
    "headers", [{}, {"deprecation": ""}, {"deprecation": "false", "sunset": " "}, {"sunset": "?0"}]
)
def test_no_announcement(headers: dict[str, str]) -> None:
    """Absent, empty and negative headers give ``None``."""
    assert read_retirement(headers) is None


@given(st.dictionaries(st.sampled_from(["deprecation", "sunset"]), st.text(max_size=80)))
def test_any_text_is_read(headers: dict[str, str]) -> None:
    """No text raises, and all returned times are aware."""
    found = read_retirement(headers)
    for moment in () if found is None else (found.deprecated_at, found.sunset_at):
        assert moment is None or moment.tzinfo is UTC
