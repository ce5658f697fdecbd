"""Lags of stored changes: their times, and records that are no change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fetcher.domain.lag import ChangeKind, Lag, lags
from fetcher.domain.model import Observed, OutcomeKind, Source, SourceState, Target, Values
from tests.harness.clock import NOW
from tests.harness.stores import release, stats, versions

MINUTE = timedelta(minutes=1)
BEFORE = NOW - 10 * MINUTE
"""Time of the last request before the change."""


def target(source: Source, **fields: Any) -> Target:
    state = SourceState(source, answered_at=BEFORE, observed_at=BEFORE)
    usual: dict[str, Any] = {"head_oid": "old", "states": {source: state}}
    return Target(1, "a", "lease", frozenset([source]), None, None, None, "a", **{**usual, **fields})


def record(source: Source, values: Values | None) -> Observed:
    return Observed(1, source, "lease", NOW, NOW, outcome=OutcomeKind.FETCHED, answered=True, values=values)


def pushed(claimed: Target | None = None, **fields: Any) -> list[Lag]:
    usual = {"head_oid": "new", "pushed_at": NOW - 3 * MINUTE, "head_committed_at": NOW - 5 * MINUTE}
    one = claimed or target(Source.REPOSITORY)
    return lags([one], [record(Source.REPOSITORY, stats(**{**usual, **fields}))], NOW)


def released(*minutes: float, claimed: Target | None = None) -> list[Lag]:
    releases = tuple(release(f"{number}.0", uploaded_at=NOW - ago * MINUTE) for number, ago in enumerate(minutes))
    one = claimed or target(Source.INDEX)
    return lags([one], [record(Source.INDEX, replace(versions("1.0"), releases=releases))], NOW)


def test_a_push_lags_from_the_forges_time_of_it() -> None:
    """The committer date counts where the forge does not state the push."""
    assert pushed() == [Lag(ChangeKind.PUSH, 3 * MINUTE)]
    assert pushed(pushed_at=None) == [Lag(ChangeKind.PUSH, 5 * MINUTE)]


def test_a_clock_ahead_makes_no_negative_lag() -> None:
    """An upstream whose clock is ahead has a lag of zero."""
    assert pushed(pushed_at=NOW + MINUTE) == [Lag(ChangeKind.PUSH, timedelta(0))]


@pytest.mark.parametrize(
    "fields",
    [
        {"head_oid": "old"},
        {"head_oid": None},
        {"pushed_at": None, "head_committed_at": None},
        {"pushed_at": BEFORE - 11 * MINUTE},
    ],
    ids=["same head", "no head", "no time", "old push"],
)
def test_a_head_without_a_new_push_has_no_lag(fields: dict[str, Any]) -> None:
    """The same head, an empty repository, a forge without times, and another branch with older commits."""
    assert pushed(**fields) == []


def test_a_release_lags_from_its_upload() -> None:
    """The newest upload since the last request counts once; older ones were stored before."""
    assert released(500, 4, 2) == [Lag(ChangeKind.RELEASE, 2 * MINUTE)]
    assert released(500, 11) == []


def test_first_fetches_have_no_lag() -> None:
    """All values of a new package would count as late changes."""
    fresh = {source: target(source, states={}) for source in (Source.REPOSITORY, Source.INDEX)}
    assert pushed(fresh[Source.REPOSITORY]) == []
    assert pushed(target(Source.REPOSITORY, head_oid=None)) == []
    assert released(2, claimed=fresh[Source.INDEX]) == []


def test_other_records_have_no_lag() -> None:
    """A confirmation without values, and a package that is not among the targets."""
    assert lags([target(Source.INDEX)], [record(Source.INDEX, None)], NOW) == []
    assert lags([], [record(Source.REPOSITORY, stats())], NOW) == []
