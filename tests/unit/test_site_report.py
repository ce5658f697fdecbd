"""A site's pass and its differences in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fetcher.cli.site import _shown
from fetcher.domain.site_report import fault_in_words, pass_in_words
from fetcher.domain.sites import SitePass
from tests.harness.clock import HOUR, MINUTE, NOW

DONE = SitePass(NOW, NOW, "F4", packages=5505, dirty=4, written=3, touched=200, locked=1, skipped=12)
PEOPLE = ",".join(f"person-{number}" for number in range(50))


def test_a_pass_in_words() -> None:
    """The line has the rows, their form and age, and each result that occurred."""
    assert pass_in_words(DONE, NOW + MINUTE) == (
        "5,505 packages (F4), compared 60 s ago: 3 changed, 200 confirmed, 1 locked by others, 12 skipped"
    )
    assert fault_in_words(DONE, NOW) is None


def test_a_fault_in_words() -> None:
    """The line states since when passes fail, and the reason."""
    failing = replace(DONE, fault="the site's database cannot be reached", failing_since=NOW)
    assert fault_in_words(failing, NOW + 2 * HOUR) == (
        "not synchronized for 2 h: the site's database cannot be reached"
    )


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (None, True, ("null", "true")),
        ("", "a\nb", ('""', '"a\\nb"')),
        (None, NOW, ("null", '"2026-03-18T12:00:00+00:00"')),
        ([0, 1], [1, 0], ("[0, 1]", "[1, 0]")),
        (PEOPLE, f"{PEOPLE},eve", ('…person-48,person-49"', '…person-48,person-49,eve"')),
    ],
)
def test_a_difference_in_short_lines(before: object, after: object, shown: tuple[str, str]) -> None:
    """Short values are shown in full, and long ones from just before their first difference."""
    found = _shown(before, after)
    assert all(one.endswith(expected.lstrip("…")) for one, expected in zip(found, shown, strict=True))
    assert max(map(len, found)) <= 61
