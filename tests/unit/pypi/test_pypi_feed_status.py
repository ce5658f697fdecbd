"""The state of the feed as `fetcher status` and `fetcher doctor` show it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from fetcher.ports import Checkpoint
from fetcher.settings import read_settings
from fetcher.upstreams.base import Finding
from fetcher.upstreams.pypi.upstream import PyPI
from tests.harness.clock import NOW

MINUTE = timedelta(minutes=1)


def stored(*checkpoints: Checkpoint) -> Callable[[str], Checkpoint | None]:
    return {one.name: one for one in checkpoints}.get


def notes(*checkpoints: Checkpoint) -> list[Finding]:
    return PyPI(read_settings({})).notes(stored(*checkpoints), NOW)


GOOD = Checkpoint("pypi_feed", NOW - 2 * MINUTE, outcome="not_modified")
GAP = Checkpoint("pypi_feed_gap", NOW - 30 * MINUTE, outcome="open", message="x")


@pytest.mark.parametrize(
    ("checkpoints", "ok", "message"),
    [
        ([GOOD], True, "last read 2 min ago, without a gap so far"),
        ([GOOD, GAP], True, "last read 2 min ago, last gap 30 min ago, not closed yet"),
        ([GOOD, GAP, Checkpoint("pypi_root", NOW - MINUTE)], True, "last read 2 min ago, last gap 30 min ago"),
        (
            [Checkpoint("pypi_feed", NOW - 90 * MINUTE, outcome="transient", message="the index returned 503")],
            False,
            "last read 90 min ago; the last poll failed: the index returned 503",
        ),
        (
            [Checkpoint("pypi_feed", None, outcome="malformed")],
            False,
            "never read; the last poll failed: malformed",
        ),
        (
            [Checkpoint("pypi_feed", None, outcome="unoffered", message="x")],
            True,
            "not offered by the index; its projects are requested daily",
        ),
    ],
    ids=["good", "gap", "closed", "failing", "never", "mirror"],
)
def test_the_feed_has_a_finding(checkpoints: list[Checkpoint], *, ok: bool, message: str) -> None:
    """A failing poll is a fault with a remedy; a gap and a mirror without a feed are stated."""
    (found,) = notes(*checkpoints)
    assert (found.name, found.ok, found.message) == ("pypi feed", ok, message)
    assert found.remedy


def test_before_the_first_poll_there_is_none() -> None:
    """An installation that has not started says nothing about the feed."""
    assert notes() == []
